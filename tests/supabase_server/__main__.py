"""Runs a project by hand: prints the settings that point Takes at it."""

import argparse
import signal
import sys
from pathlib import Path

from tests.supabase_server import SupabaseServer


def main() -> None:
    """Serve until interrupted."""
    options = argparse.ArgumentParser(prog="python -m tests.supabase_server", description=__doc__)
    options.add_argument("--port", type=int, default=0, help="0 takes a free one")
    options.add_argument("--schema", type=Path, nargs="*", default=[], help="files of SQL to begin with, in this order")
    given = options.parse_args()
    with SupabaseServer(port=given.port, schema=given.schema) as server:
        sys.stdout.write(f"SUPABASE_URL={server.url}\nSUPABASE_SERVICE_ROLE={server.secret_key}\n")
        sys.stdout.write(f"SUPABASE_ANON_KEY={server.publishable_key}\n# psql '{server.dsn('postgres')}'\n")
        sys.stdout.flush()
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    main()
