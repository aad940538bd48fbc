"""Runs the fake fal by hand, for a demo without an account: prints the two settings that point Takes at it."""

import argparse
import signal
import sys

from tests.fal_server import FalServer


def main() -> None:
    """Serve until interrupted."""
    options = argparse.ArgumentParser(prog="python -m tests.fal_server", description=__doc__)
    options.add_argument("--port", type=int, default=0, help="0 takes a free one")
    options.add_argument("--queue-s", type=float, default=2.0, help="seconds that a job waits in line")
    options.add_argument("--run-s", type=float, default=5.0, help="seconds that a job runs")
    options.add_argument("--validates", choices=("submit", "run"), default="run")
    given = options.parse_args()
    with FalServer(port=given.port, queue_s=given.queue_s, run_s=given.run_s, validates=given.validates) as server:
        sys.stdout.write(f"{server.url}\nFAL_BASE_URL={server.url}\nFAL_API_KEY={server.key}\n")
        sys.stdout.flush()
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    main()
