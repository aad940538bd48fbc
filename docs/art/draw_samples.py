"""Draw the three sample stills: `python docs/art/draw_samples.py [--quick] [NAME ...]`."""

import argparse
import importlib
import time
from pathlib import Path

from film import save

OUT = Path(__file__).resolve().parents[2] / "core" / "samples"
NAMES = ("lighthouse", "valley", "balloon")


def main() -> None:
    """Draw what was asked for, all three by default, and say what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)}; all of them by default")
    parser.add_argument(
        "--quick", action="store_true", help="without supersampling: rough edges, a quarter of the time"
    )
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write to")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    for name in asked.names or NAMES:
        if name not in NAMES:
            parser.error(f"there is no still called {name!r}; choose from {', '.join(NAMES)}")
        began = time.perf_counter()
        path = asked.out / f"{name}.jpg"
        save(importlib.import_module(name).draw(1 if asked.quick else 2), path)
        print(f"{path}  {path.stat().st_size / 1000:.0f} kB  {time.perf_counter() - began:.0f} s")  # noqa: T201


if __name__ == "__main__":
    main()
