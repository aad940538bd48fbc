"""Answers leave at once: TCP_NODELAY on the sockets that this process listens on.

Streamlit 1.67 binds its own socket without naming the protocol, and asyncio then leaves Nagle's algorithm on. Each answer
is written in two parts, so its second half waits for the browser's delayed acknowledgement: about 40 ms for every
file and every message (`bench/pages.py` shows what is left). Accepted connections inherit the option.
"""

import os
import socket
import stat

MOST_FDS = 256  # the listening socket is opened at start, so its number is low


def answer_at_once() -> int:
    """Set the option on every listening TCP socket of this process; how many there were."""
    found = 0
    for fd in range(3, MOST_FDS):
        try:
            if not stat.S_ISSOCK(os.fstat(fd).st_mode):
                continue
            listener = socket.socket(fileno=os.dup(fd))
        except OSError:
            continue
        with listener:
            inet = listener.family in (socket.AF_INET, socket.AF_INET6) and listener.type == socket.SOCK_STREAM
            if inet and listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                found += 1
    return found
