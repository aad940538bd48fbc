"""Draw the favicon and the wordmarks: `python docs/art/draw_marks.py`."""

import argparse
from pathlib import Path

import cv2
import numpy as np

OUT = Path(__file__).resolve().parents[2] / "pages" / "assets"
ACCENT = "#D6409F"  # the marks' own; primaryColor in .streamlit/config.toml is darker, so that it carries white letters
INK = {"light": "#17171C", "dark": "#EDEDF2"}  # textColor of each theme there
SIDE = 64  # units of the mark's own square

Point = tuple[float, float]
Shape = tuple[list[Point], float, str]  # corners, radius they are rounded by, fill

# A slate: the clapper's arm, open by a few degrees, in three teeth; under it the board with a play triangle.
BOARD: list[Point] = [(3, 26), (61, 26), (61, 61), (3, 61)]
PLAY: list[Point] = [(25, 32.5), (44.5, 43.5), (25, 54.5)]
TEETH: list[list[Point]] = [
    [(3, 9.5), (16, 7.6), (21.5, 18.4), (3, 21.2)],
    [(22, 6.7), (36, 4.6), (41.5, 15.4), (27.5, 17.5)],
    [(42, 3.7), (59, 1.2), (61, 12.5), (47.5, 14.5)],
]

# Lettering as pen strokes with round ends; baseline 21, tops of small letters 10.4, of capitals 5.
PEN = 3.3
LETTERS = (
    "M34.6 6.2H47 M40.8 6.2V21",  # T
    "M57.9 10.4V21 M57.9 15.7A5.3 5.3 0 1 1 47.3 15.7A5.3 5.3 0 1 1 57.9 15.7",  # a
    "M64 4.4V21 M71.6 10.4L64.3 16.9 M67.3 14.4L72.3 21",  # k
    "M75.9 15.7H86.5A5.3 5.3 0 1 0 84.9 19.5",  # e
    "M98.3 12.3C97.5 11 96.2 10.4 94.6 10.4C92.4 10.4 90.9 11.5 90.9 13.1C90.9 14.8 92.5 15.3 94.7 15.7"
    "C97 16.1 98.7 16.7 98.7 18.4C98.7 20 97 21 94.7 21C92.8 21 91.3 20.3 90.4 18.9",  # s
)


def shapes() -> list[Shape]:
    """The mark from back to front, in units of its square."""
    return [(BOARD, 9.0, ACCENT), *((tooth, 2.6, ACCENT) for tooth in TEETH), (PLAY, 3.2, "#FFFFFF")]


def outline(corners: list[Point], radius: float) -> list[tuple[Point, Point, Point]]:
    """Every corner as (start of its curve, the corner itself, end of its curve)."""
    points = np.array(corners, float)
    curves = []
    for k, corner in enumerate(points):
        ends = []
        for other in (points[k - 1], points[(k + 1) % len(points)]):
            way = other - corner
            length = float(np.linalg.norm(way))
            x, y = corner + way / length * min(radius, length * 0.45)
            ends.append((float(x), float(y)))
        curves.append((ends[0], (float(corner[0]), float(corner[1])), ends[1]))
    return curves


def mark_paths() -> str:
    """The mark as SVG paths."""
    paths = []
    for corners, radius, fill in shapes():
        curves = outline(corners, radius)
        parts = [
            f"{'L' if k else 'M'}{a[0]:.2f} {a[1]:.2f}Q{b[0]:.2f} {b[1]:.2f} {c[0]:.2f} {c[1]:.2f}"
            for k, (a, b, c) in enumerate(curves)
        ]
        paths.append(f'<path fill="{fill}" d="{"".join(parts)}Z"/>')
    return "".join(paths)


def favicon() -> str:
    """The mark alone, as an SVG document."""
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE} {SIDE}"><title>Takes</title>{mark_paths()}</svg>\n'


def wordmark(ink: str) -> str:
    """The mark and the name in a colour, as an SVG document."""
    pen = f'fill="none" stroke="{ink}" stroke-width="{PEN}" stroke-linecap="round" stroke-linejoin="round"'
    letters = "".join(f'<path d="{letter}"/>' for letter in LETTERS)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="102" height="28" viewBox="0 0 102 28"><title>Takes</title>'
        f'<g transform="translate(1 1.6) scale(.385)">{mark_paths()}</g><g {pen}>{letters}</g></svg>\n'
    )


def raster(size: int) -> np.ndarray:
    """The mark as BGRA pixels on a clear ground; 16 samples a pixel each way."""
    fine = 16
    picture = np.zeros((size * fine, size * fine, 4), np.float32)
    t = np.linspace(0.0, 1.0, 24)[:, None]
    for corners, radius, fill in shapes():
        curve = np.concatenate(
            [
                (1 - t) ** 2 * np.array(a) + 2 * t * (1 - t) * np.array(b) + t**2 * np.array(c)
                for a, b, c in outline(corners, radius)
            ]
        )
        red, green, blue = (int(fill[i : i + 2], 16) for i in (1, 3, 5))
        cv2.fillPoly(picture, [np.round(curve * size * fine / SIDE).astype(np.int32)], (blue, green, red, 255))
    picture[..., :3] *= picture[..., 3:] / 255.0
    small = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    small[..., :3] /= np.maximum(small[..., 3:] / 255.0, 1e-6)
    return np.clip(small + 0.5, 0, 255).astype(np.uint8)


def main() -> None:
    """Write every mark to the assets folder and say so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write to")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    texts = {f"wordmark-{theme}.svg": wordmark(ink) for theme, ink in INK.items()}
    texts["favicon.svg"] = favicon()
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8")
        print(out / name)  # noqa: T201
    cv2.imwrite(str(out / "favicon.png"), raster(256))
    print(out / "favicon.png")  # noqa: T201


if __name__ == "__main__":
    main()
