"""A height field and the camera that sees it: casting, normals, shadows."""

from dataclasses import dataclass

import cv2
import numpy as np
from noise import Plane


@dataclass(frozen=True)
class Camera:
    """A level pinhole camera at x = 0, z = 0 that looks along +z. Sizes in pixels, eye in metres above y = 0."""

    width: int
    height: int
    focal: float
    horizon: float
    eye: float

    def rays(self) -> tuple[Plane, Plane]:
        """Slopes of every pixel's ray, sideways and upwards per metre forward; shapes (height, width)."""
        rows, columns = np.mgrid[0 : self.height, 0 : self.width].astype(np.float32)
        return (columns + 0.5 - self.width / 2) / self.focal, (self.horizon - rows - 0.5) / self.focal

    def project(self, x: Plane | float, y: Plane | float, z: Plane | float) -> tuple[Plane, Plane]:
        """Column and row of points in metres."""
        return self.width / 2 + np.asarray(x) / z * self.focal, self.horizon - (
            np.asarray(y) - self.eye
        ) / z * self.focal


@dataclass(frozen=True)
class View:
    """What a camera sees of the ground: per pixel whether it is hit, and where in metres. Shapes (height, width)."""

    hit: np.ndarray
    x: Plane
    y: Plane
    z: Plane


class Ground:
    """Heights in metres on a square grid of equal cells."""

    def __init__(self, x0: float, z0: float, cell: float, heights: Plane) -> None:
        self.x0, self.z0, self.cell, self.heights = x0, z0, cell, heights

    @staticmethod
    def grid(x0: float, x1: float, z0: float, z1: float, cell: float) -> tuple[Plane, Plane]:
        """The x and z of every grid point, for the function that makes the heights."""
        xs = np.arange(x0, x1, cell, dtype=np.float32)
        zs = np.arange(z0, z1, cell, dtype=np.float32)
        return np.broadcast_to(xs[None], (len(zs), len(xs))).copy(), np.broadcast_to(
            zs[:, None], (len(zs), len(xs))
        ).copy()

    def read(self, layer: Plane, x: Plane, z: Plane) -> Plane:
        """A layer of the same grid at points in metres, smoothly; the border continues outwards."""
        column = ((x - self.x0) / self.cell).astype(np.float32)
        row = ((z - self.z0) / self.cell).astype(np.float32)
        return cv2.remap(layer, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def normals(self) -> Plane:
        """Unit normals (x, y up, z), shape of the grid plus (3,)."""
        dz, dx = np.gradient(self.heights, self.cell)
        normal = np.stack([-dx, np.ones_like(dx), -dz], axis=-1)
        return (normal / np.linalg.norm(normal, axis=-1, keepdims=True)).astype(np.float32)

    def sunlit(self, sun: tuple[float, float, float], reach: float, steps: int, soft: float) -> Plane:
        """Share of the sun each grid point sees (0 in shadow, 1 in the open); soft is the penumbra in metres of height."""
        sx, sy, sz = sun
        flat = float(np.hypot(sx, sz))
        excess = np.full_like(self.heights, -1e9)
        for k in range(1, steps + 1):
            distance = reach * (k / steps) ** 1.8
            move = np.float32([[1, 0, distance * sx / flat / self.cell], [0, 1, distance * sz / flat / self.cell]])
            there = cv2.warpAffine(
                self.heights,
                move,
                self.heights.shape[::-1],
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )
            excess = np.maximum(excess, (there - self.heights - distance * sy / flat) / (1 + distance * 0.02))
        return np.clip(0.5 - excess / soft, 0.0, 1.0)

    def cast(self, camera: Camera, near: float, far: float, steps: int, floor: float = -1e4) -> View:
        """Find the first ground every pixel's ray meets between two distances in metres; under the floor there is none."""
        depth = (near * (far / near) ** np.linspace(0.0, 1.0, steps)).astype(np.float32)
        aside = (np.arange(camera.width, dtype=np.float32) + 0.5 - camera.width / 2) / camera.focal
        along = np.broadcast_to(depth[:, None], (steps, camera.width)).copy()
        heights = self.read(
            np.where(self.heights < floor, np.float32(-1e4), self.heights), depth[:, None] * aside[None], along
        )
        rows = camera.horizon - (heights - camera.eye) / depth[:, None] * camera.focal
        crest = np.minimum.accumulate(rows, axis=0)
        wanted = np.arange(camera.height, dtype=np.float32) + 0.5
        first = np.empty((camera.height, camera.width), np.int64)
        for column in range(camera.width):
            first[:, column] = np.searchsorted(-crest[:, column], -wanted)
        hit = first < steps
        after = np.clip(first, 1, steps - 1)
        every = np.arange(camera.width)[None]
        low, high = rows[after - 1, every], rows[after, every]
        share = np.clip((low - wanted[:, None]) / np.maximum(low - high, 1e-6), 0.0, 1.0)
        z = depth[after - 1] + (depth[after] - depth[after - 1]) * share
        y = camera.eye + (camera.horizon - wanted[:, None]) / camera.focal * z
        shore = (
            0.0 if camera.eye > floor else 4.0 * self.cell
        )  # a mirrored eye may look a little under the water's edge
        hit &= y >= floor - shore
        return View(hit, (z * aside[None]).astype(np.float32), y.astype(np.float32), z.astype(np.float32))
