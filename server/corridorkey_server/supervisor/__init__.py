"""What the daemon's main loop drives: clients, their memory, the queue, the worker. None of it waits."""
