"""What is logged, and at which detail."""

import logging

FORMAT = "%(asctime)s %(levelname)-7s %(name)s  %(message)s"


def set_up(debug: str) -> None:
    """Log INFO of Takes to standard error, and DEBUG for the names in `debug`.

    Args:
        debug: patterns in the form of the owner's document, `jobs:*,providers:*`; each turns on a branch of the loggers
            `takes.jobs`, `takes.providers`, `takes.media`, `takes.web`. `*` turns on all.
    """
    root = logging.getLogger("takes")
    if not root.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(FORMAT, "%H:%M:%S"))
        root.addHandler(handler)
        root.propagate = False
    root.setLevel(logging.INFO)
    for name in branches(debug):
        logging.getLogger(name).setLevel(logging.DEBUG)


def branches(debug: str) -> tuple[str, ...]:
    """Logger names that a DEBUG setting turns on: `jobs:*` → `takes.jobs`, `jobs:worker` → `takes.jobs.worker`."""
    names = []
    for pattern in filter(None, (part.strip() for part in debug.split(","))):
        parts = [part for part in pattern.split(":") if part and part != "*"]
        names.append(".".join(["takes", *parts]))
    return tuple(names)
