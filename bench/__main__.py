"""Every ratio that the README states, each against a baseline in the same run: `make bench`, or `python -m bench`."""

import contextlib
import io
import json
import sys

from bench import engine, history, pages, render


def rendering() -> bool:
    """Print what `bench.render` measures. Returns whether its target is met."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        render.main()
    *runs, last = said.getvalue().splitlines()
    for line in runs:
        print(f"  {line}")
    result = json.loads(last)
    print(
        f"rendering a preview / encoding its frames: {result['render_over_encode']:.2f} (target ≤ {result['target']})"
    )
    return bool(result["met"])


def main() -> int:
    """Run every bench. Returns 1 if a target is missed."""
    met = [pages.main(), rendering(), engine.main(), history.main()]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
