"""The subcommands of `ckey`, one module each, with SUMMARY, add_arguments(parser) and run(args) -> exit code."""
