"""Gradient noise and its sums: the one source of irregularity in every picture."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

LATTICE = 256  # cells before the pattern repeats; a power of two so that wrapping is one bit mask
CHUNK = 1 << 17  # samples a worker takes at a time: small enough that its temporaries stay in cache
TURN = np.float32(0.62)  # radians each octave is turned by, so that no two lattices line up and show


class Noise:
    """Perlin noise over an endless plane; the same seed always gives the same plane."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        angle = rng.uniform(0.0, 2.0 * np.pi, LATTICE * LATTICE)
        self._gx = np.cos(angle).astype(np.float32)
        self._gy = np.sin(angle).astype(np.float32)
        self._offset = rng.uniform(0.0, LATTICE, 2).astype(np.float32)

    def at(self, x: Plane | float, y: Plane | float) -> Plane:
        """One octave at the given lattice coordinates (broadcast together), about -1 to 1, mean 0."""
        bx, by = np.broadcast_arrays(np.asarray(x, np.float32), np.asarray(y, np.float32))
        flat_x, flat_y = bx.reshape(-1), by.reshape(-1)
        out = np.empty(flat_x.size, np.float32)

        def fill(start: int) -> None:
            part = slice(start, start + CHUNK)
            out[part] = self._chunk(flat_x[part], flat_y[part])

        with ThreadPoolExecutor() as pool:
            list(pool.map(fill, range(0, flat_x.size, CHUNK)))
        return out.reshape(bx.shape)

    def _chunk(self, x: Plane, y: Plane) -> Plane:
        x = x + self._offset[0]
        y = y + self._offset[1]
        left, top = np.floor(x), np.floor(y)
        fx, fy = x - left, y - top
        ix, iy = left.astype(np.int64) & (LATTICE - 1), top.astype(np.int64) & (LATTICE - 1)
        jx, jy = (ix + 1) & (LATTICE - 1), (iy + 1) & (LATTICE - 1)
        wx = fx * fx * fx * (fx * (fx * 6 - 15) + 10)
        wy = fy * fy * fy * (fy * (fy * 6 - 15) + 10)

        def corner(cx: NDArray[np.int64], cy: NDArray[np.int64], dx: Plane, dy: Plane) -> Plane:
            cell = cy * LATTICE + cx
            return np.take(self._gx, cell) * dx + np.take(self._gy, cell) * dy

        upper = corner(ix, iy, fx, fy)
        upper += wx * (corner(jx, iy, fx - 1, fy) - upper)
        lower = corner(ix, jy, fx, fy - 1)
        lower += wx * (corner(jx, jy, fx - 1, fy - 1) - lower)
        return (upper + wy * (lower - upper)) * np.float32(1.5)

    def fbm(self, x: Plane, y: Plane, octaves: int = 5, gain: float = 0.5) -> Plane:
        """Summed octaves, about -1 to 1: clouds, mist, worn surfaces."""
        return self._sum(x, y, octaves, gain, lambda value: value)

    def billow(self, x: Plane, y: Plane, octaves: int = 5, gain: float = 0.5) -> Plane:
        """Summed puffs, about -1 to 1: the round tops of cumulus and crowns of trees."""
        return self._sum(x, y, octaves, gain, lambda value: 1.0 - 2.0 * np.sqrt(np.abs(value) + 1e-4) * 0.9)

    def ridged(self, x: Plane, y: Plane, octaves: int = 6, gain: float = 0.5) -> Plane:
        """Summed creases, 0 to about 1: mountains, where detail grows on the heights and valleys stay smooth."""
        total = np.zeros(np.broadcast(x, y).shape, np.float32)
        weight = np.ones_like(total)
        amplitude, norm = 1.0, 0.0
        for value in self._octaves(x, y, octaves):
            crease = (1.0 - np.minimum(np.sqrt(value * value + np.float32(0.0025)), 1.0)) ** 2
            total += amplitude * weight * crease
            weight = np.clip(crease * 1.6, 0.0, 1.0)
            norm += amplitude
            amplitude *= gain
        return total / np.float32(norm)

    def _sum(self, x: Plane, y: Plane, octaves: int, gain: float, shape: Callable[[Plane], Plane]) -> Plane:
        total = np.zeros(np.broadcast(x, y).shape, np.float32)
        amplitude, norm = 1.0, 0.0
        for value in self._octaves(x, y, octaves):
            total += np.float32(amplitude) * shape(value)
            norm += amplitude
            amplitude *= gain
        return total / np.float32(norm) * np.float32(1.3)

    def _octaves(self, x: Plane, y: Plane, octaves: int) -> Iterator[Plane]:
        cos, sin = np.cos(TURN) * np.float32(2.03), np.sin(TURN) * np.float32(2.03)
        for octave in range(octaves):
            yield self.at(x + np.float32(octave * 17.3), y - np.float32(octave * 9.1))
            x, y = cos * x - sin * y, sin * x + cos * y
