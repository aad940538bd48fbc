"""The process that owns one Postgres: it makes a cluster, runs the server, and takes both away when its standard input ends.

Run by `postgres.py` as `python -I keeper.py BIN FOLDER USER`. The pipe on standard input is held open by the tests; the
system closes it when they end, also where they were killed, so no Postgres outlives them. Standard output gets one
line: "ready", or what went wrong. Nothing but the standard library is imported: this has to start fast.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

START_S = 30.0  # a cold start takes about one second; a loaded machine may take ten
STOP_S = 10.0  # an immediate shutdown takes some 20 ms
LOCALES = ("C.UTF-8", "en_US.UTF-8", "C")  # the first that this machine has; all with UTF-8 as encoding

SETTINGS = {
    "listen_addresses": "",  # a socket in the folder only: no port to race for, nobody else on the machine gets in
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "200",
    "timezone": "UTC",
    "jit": "off",
}


def main(bin_folder: str, folder: str, user: str) -> int:
    """Keep a server until standard input ends. `user` is whom to run it as; empty for whoever runs this."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # whatever our parent had blocked
    signal.signal(signal.SIGTERM, lambda *_: os.close(0))
    home, running = Path(folder), None
    try:
        try:
            running = start(Path(bin_folder), home, user)
        except (OSError, RuntimeError) as exc:
            sys.stdout.write(f"{exc}\n".replace("\n", " ").strip() + "\n")
            return 1
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        wait_for_the_end()
    finally:
        if running:
            stop(running)
        shutil.rmtree(home, ignore_errors=True)
    return 0


def start(programs: Path, home: Path, user: str) -> subprocess.Popen[bytes]:
    """Make the cluster and wait until it takes connections. Raises RuntimeError with the server's last words."""
    rights: Any = {"user": user, "group": user_group(user), "extra_groups": []} if user else {}
    data = home / "data"
    for locale in LOCALES:
        made = subprocess.run(
            [str(programs / "initdb"), f"--pgdata={data}", "--username=supabase_admin", "--auth=trust",
             "--encoding=UTF8", f"--locale={locale}", "--no-sync", "--no-instructions"],
            stdin=subprocess.DEVNULL, capture_output=True, cwd=home, **rights,
        )  # fmt: skip
        if made.returncode == 0:
            break
        shutil.rmtree(data, ignore_errors=True)
    else:
        raise RuntimeError(made.stderr.decode(errors="replace"))
    options = [text for name, value in SETTINGS.items() for text in ("-c", f"{name}={value}")]
    with (home / "log").open("wb") as log:
        running: subprocess.Popen[bytes] = subprocess.Popen(
            [str(programs / "postgres"), "-D", str(data), "-k", str(home), *options],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=home, **rights,
        )  # fmt: skip
    until = time.monotonic() + START_S
    while time.monotonic() < until and running.poll() is None:
        if (lock := data / "postmaster.pid").exists() and "ready" in lock.read_text():
            return running
        time.sleep(0.01)
    stop(running)
    raise RuntimeError(f"Postgres did not come up: {(home / 'log').read_text()[-2000:]}")


def user_group(user: str) -> int:
    """Id of the main group of a user."""
    import pwd

    return pwd.getpwnam(user).pw_gid


def wait_for_the_end() -> None:
    """Until the tests close the pipe, or SIGTERM closed our end of it."""
    try:
        while os.read(0, 1024):
            pass
    except OSError:
        return


def stop(running: subprocess.Popen[bytes]) -> None:
    """End it at once, without a last checkpoint: what it holds is thrown away."""
    if running.poll() is None:
        running.send_signal(signal.SIGQUIT)
        try:
            running.wait(STOP_S)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
