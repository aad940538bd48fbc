"""Names for workers from which another process of this computer can tell whether they are still alive."""

import os
import re
import socket
from pathlib import Path
from uuid import uuid4

_SEPARATOR = "/"
_PID = re.compile("[1-9][0-9]{0,8}")  # anything else is no process number, and some of it would raise on the way


def worker_name() -> str:
    """A new name: the place, the process, when it started, and a random part."""
    return _SEPARATOR.join((_place(), str(os.getpid()), _stat(os.getpid())[1] or "?", uuid4().hex[:6]))


def is_dead(name: str) -> bool:
    """Whether the worker of this name is a process of this computer that has ended.

    False for one elsewhere, and wherever it cannot be told: its lease runs out by itself.
    """
    parts = name.split(_SEPARATOR)
    if len(parts) != 4 or parts[0] != _place() or not _PID.fullmatch(parts[1]):
        return False
    pid = int(parts[1])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    state, started = _stat(pid)
    return state == "Z" or (parts[2] != "?" and started not in (None, parts[2]))  # its number went to another process


def _place() -> str:
    """This computer, or this container of it: process numbers mean the same to all who share the name."""
    try:
        space = os.readlink("/proc/self/ns/pid").strip("pid:[]")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()[:8]
    except OSError:
        space, boot = "", ""
    return "-".join(filter(None, (socket.gethostname().replace(_SEPARATOR, "_"), boot, space)))


def _stat(pid: int) -> tuple[str, str | None]:
    """A process's state ("Z" has ended and was not fetched) and when it started, in the kernel's own count."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rsplit(")", 1)[1].split()
        return fields[0], fields[19]
    except (OSError, IndexError):
        return "", None
