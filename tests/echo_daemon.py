"""The product's own daemon with `echo_worker` instead of the network: python echo_daemon.py [seconds of keep-alive]."""

import logging
import sys
from pathlib import Path

from corridorkey_server.daemon import Daemon
from corridorkey_server.rendezvous import here
from corridorkey_server.settings import Settings

WORKER = (sys.executable, str(Path(__file__).with_name("echo_worker.py")))


def main() -> int:
    """Serve where CKEY_RUNTIME says."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    keep_alive = float(sys.argv[1]) if len(sys.argv) > 1 else 300.0
    slot_memory = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    settings = Settings(model="echo", keep_alive=keep_alive, slot_memory=slot_memory, worker=WORKER)
    return Daemon(settings, here()).run()


if __name__ == "__main__":
    sys.exit(main())
