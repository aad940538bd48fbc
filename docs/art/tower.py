"""The lighthouse itself: a turned profile shaded as a solid, a cottage at its foot, and the beam."""

import cv2
import numpy as np
from film import blend, light, step
from ground import Camera, View
from noise import Noise, Plane

SHAFT = 16.5  # m, height of the gallery floor over the ground
LAMP = 18.9  # m, height of the lamp over the ground


class Tower:
    """Knows where it stands in the picture; paints in place."""

    def __init__(self, camera: Camera, x: float, z: float, foot: float) -> None:
        self.camera, self.x, self.z, self.foot = camera, x, z, foot
        self.scale = camera.focal / z  # px per metre
        column, row = camera.project(x, foot, z)
        self.column, self.row = float(column), float(row)
        self.lamp = (self.column, self.row - LAMP * self.scale)
        self.noise = Noise(41)

    def _metres(
        self, shape: tuple[int, ...], left: float, right: float, top: float
    ) -> tuple[tuple[slice, slice], Plane, Plane]:
        """The pixels of a box round the tower, and their sideways and upward metres."""
        rows = slice(max(int(self.row - top * self.scale), 0), min(int(self.row + 3 * self.scale), shape[0]))
        columns = slice(
            max(int(self.column + left * self.scale), 0), min(int(self.column + right * self.scale), shape[1])
        )
        py, px = np.mgrid[rows, columns].astype(np.float32)
        return (rows, columns), (px + 0.5 - self.column) / self.scale, (self.row - py - 0.5) / self.scale

    def light_ground(self, picture: Plane, view: View) -> None:
        """The lamp's own warm light on the grass below it."""
        near = np.hypot(view.x - self.x, view.z - self.z)
        spill = np.exp(-((near / 13.0) ** 2)) * view.hit * step(14.0, 22.0, view.y)
        picture += (spill * 0.035)[..., None] * light("#ffc27a")

    def paint(self, picture: Plane, view: View) -> None:
        """Cottage first (it stands behind), then the tower from the foot to the finial; nearer ground stays in front."""
        box, x, y = self._metres(picture.shape, -9.0, 17.0, 27.0)
        part = picture[box].copy()
        self._cottage(part, x, y)
        self._body(part, x, y)
        self._lantern(part, x, y)
        front = cv2.blur((view.hit[box] & (view.z[box] < self.z - 1.0)).astype(np.float32), (3, 3))
        picture[box] += (part - picture[box]) * (1.0 - front)[..., None]

    def _lay(self, part: Plane, colour: Plane, mask: Plane) -> None:
        part += (colour - part) * mask[..., None]

    def _round(self, u: Plane) -> Plane:
        """Light on an upright cylinder at sideways position u from -1 to 1."""
        face = np.sqrt(np.clip(1.0 - u * u, 0.0, 1.0))
        sun = np.clip(-0.93 * u + 0.10 * face - 0.12, 0.0, 1.0)
        fill = 0.22 + 0.26 * face + 0.12 * np.clip(-u, 0, 1)
        bounce = np.clip(u - 0.55, 0, 1) * 0.35
        return (
            sun[..., None] * light("#ff9552", 2.5)
            + fill[..., None] * light("#8a88c8", 0.50)
            + bounce[..., None] * light("#7f8fd0", 0.6)
        )

    def _edge(self, distance: Plane) -> Plane:
        """Coverage from a signed distance in metres, one pixel soft."""
        return np.clip(0.5 - distance * self.scale, 0.0, 1.0)

    def _body(self, part: Plane, x: Plane, y: Plane) -> None:
        t = np.clip(y / SHAFT, 0.0, 1.0)
        radius = 2.05 + 1.15 * (1.0 - t) ** 1.5
        u = np.clip(x / radius, -1.0, 1.0)
        face = np.sqrt(1.0 - u * u)
        true = y - (0.05 + 0.025 * y) * face  # the rings bow upwards: the eye is below them
        wear = self.noise.fbm(u * 3.0 + 5, y * 0.55, 5, 0.6)
        drip = self.noise.fbm(np.arcsin(u) * 7.0, y * 0.16 + 3, 4, 0.6)
        white = blend(light("#e9e2d8"), light("#c9bdb2"), np.clip(0.35 + 0.5 * wear + 0.5 * drip, 0, 1))
        red = blend(light("#b5332c"), light("#8f2a2a"), np.clip(0.4 + 0.6 * wear + 0.3 * drip, 0, 1))
        bands = np.zeros_like(y)
        for low, high in [(3.3, 6.6), (10.0, 13.3)]:
            bands = np.maximum(bands, self._edge(low - true) * self._edge(true - high))
        paint = blend(white, red, bands)
        course = np.abs((true * 1.9) % 1.0 - 0.5)
        paint = paint * (1.0 - 0.10 * step(0.42, 0.5, course))[..., None]
        stone = blend(light("#77706c"), light("#58525a"), np.clip(0.5 + wear, 0, 1))
        paint = blend(paint, stone, self._edge(true - 0.9))
        shade = self._round(u) * (0.72 + 0.28 * step(-0.5, 2.5, y))[..., None]
        shade *= (1.0 - 0.55 * step(SHAFT - 2.2, SHAFT - 0.1, y) * 0.8)[..., None]
        mask = self._edge(np.abs(x) - radius) * self._edge(-y - 1.4) * self._edge(y - SHAFT)
        self._lay(part, paint * shade, mask)
        for place, high in [(-0.45, 4.9), (0.18, 8.2), (-0.30, 11.9), (0.25, 14.6)]:
            wx = (u - place) * radius
            frame = self._pane(wx, true - high, 0.44, 0.74)
            glass = self._pane(wx, true - high, 0.28, 0.56)
            self._lay(part, light("#d9cfc4") * shade * 0.85, frame)
            warm = light("#ffb45e", 1.5) if high in (8.2, 14.6) else light("#2c2a40", 0.8)
            bars = np.maximum(self._edge(np.abs(wx) - 0.03), self._edge(np.abs(true - high) - 0.03))
            self._lay(part, np.broadcast_to(warm, part.shape), glass * (1 - 0.7 * bars))
        du = (u + 0.05) * radius
        door = np.maximum(self._pane(du, true - 1.35, 0.62, 1.15), self._edge(np.hypot(du, true - 2.45) - 0.62))
        self._lay(part, light("#4b2626") * shade, door)

    def _pane(self, x: Plane, y: Plane, half: float, tall: float) -> Plane:
        return self._edge(np.maximum(np.abs(x) - half, np.abs(y) - tall))

    def _lantern(self, part: Plane, x: Plane, y: Plane) -> None:
        def solid(radius: Plane | float, low: float, high: float, colour: Plane, dim: float = 1.0) -> None:
            mask = self._edge(np.abs(x) - radius) * self._edge(low - y) * self._edge(y - high)
            self._lay(part, colour * self._round(np.clip(x / radius, -1, 1)) * dim, mask)

        dark, pale = light("#4d4650"), light("#e2d9d0")
        flare = 2.05 + 0.85 * np.clip((y - SHAFT + 0.9) / 0.9, 0, 1) ** 1.6
        solid(flare, SHAFT - 0.9, SHAFT, pale, 0.55)
        self._lay(
            part,
            np.broadcast_to(light("#2a2434"), part.shape),
            self._edge((np.hypot(x / 2.95, (y - SHAFT + 0.02) / 0.30) - 1) * 0.3),
        )
        solid(1.62, SHAFT + 0.2, SHAFT + 1.15, pale, 0.9)
        self._glass(part, x, y)
        solid(2.95, SHAFT, SHAFT + 0.26, light("#a39a98"))
        self._rail(part, x, y)
        solid(1.95, SHAFT + 3.55, SHAFT + 3.75, dark)
        rise = np.clip((y - SHAFT - 3.75) / 1.75, 0, 1)
        solid(1.80 * np.sqrt(1.0 - rise**1.7) + 1e-3, SHAFT + 3.75, SHAFT + 5.5, light("#9d2f2c"))
        solid(0.32, SHAFT + 5.3, SHAFT + 5.75, dark)
        ball = np.hypot(x, y - SHAFT - 6.0)
        self._lay(part, dark * self._round(np.clip(x / 0.36, -1, 1)), self._edge(ball - 0.36))
        solid(0.05, SHAFT + 6.3, SHAFT + 8.0, dark)

    def _glass(self, part: Plane, x: Plane, y: Plane) -> None:
        low, high = SHAFT + 1.15, SHAFT + 3.55
        mask = self._edge(np.abs(x) - 1.56) * self._edge(low - y) * self._edge(y - high)
        core = np.exp(-((x / 0.62) ** 2 + ((y - LAMP) / 0.85) ** 2))
        lens = 0.75 + 0.25 * np.cos((y - LAMP) * 26.0) * step(1.0, 0.7, np.abs(x))
        glow = (core * lens)[..., None] * light("#fff0c8", 11.0)
        glow += np.exp(-((x / 1.5) ** 2))[..., None] * light("#ffb968", 1.5)
        self._lay(part, glow, mask)
        angles = np.radians(np.arange(-80, 81, 32))
        bars = np.zeros_like(x)
        for slant in (1.0, -1.0):
            for angle in angles:
                shift = slant * (y - (low + high) / 2) / (high - low) * 0.56
                bars = np.maximum(
                    bars, self._edge(np.abs(x - 1.56 * np.sin(np.clip(angle + shift, -1.5, 1.5))) - 0.035)
                )
        for level in (low, high):
            bars = np.maximum(bars, self._edge(np.abs(y - level) - 0.06))
        self._lay(part, np.broadcast_to(light("#3a2c30"), part.shape), bars * mask * 0.85)

    def _rail(self, part: Plane, x: Plane, y: Plane) -> None:
        floor = SHAFT + 0.26
        band = self._edge(floor - y) * self._edge(y - floor - 1.12)
        bars = np.zeros_like(x)
        for angle in np.radians(np.arange(-90, 91, 15)):
            bars = np.maximum(bars, self._edge(np.abs(x - 2.85 * np.sin(angle)) - 0.032))
        for level in (0.40, 0.75, 1.08):
            bars = np.maximum(bars, self._edge(np.abs(y - floor - level) - 0.032) * self._edge(np.abs(x) - 2.88))
        self._lay(part, light("#4a434e") * self._round(np.clip(x / 2.9, -1, 1)) * 1.3, bars * band)

    def _cottage(self, part: Plane, x: Plane, y: Plane) -> None:
        """A gabled house seen from a corner: long wall to us, gable towards the glow."""

        def cover(points: list[tuple[float, float]]) -> Plane:
            origin = np.array([x[0, 0], y[0, 0]])
            place = (np.array(points) - origin) * np.array([1.0, -1.0]) * self.scale
            mask = np.zeros(x.shape, np.uint8)
            cv2.fillPoly(mask, [np.round(place * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
            return mask.astype(np.float32) / 255.0

        grime = self.noise.fbm(x * 0.8, y * 0.8, 5, 0.6)
        wall = blend(light("#d8cfc6"), light("#a99d97"), np.clip(0.4 + 0.6 * grime, 0, 1))
        slate = blend(light("#5b4a52"), light("#3b333f"), np.clip(0.5 + 0.8 * self.noise.fbm(x * 2.5, y * 5, 4), 0, 1))
        slate = slate * (0.82 + 0.18 * step(0.1, 0.4, np.abs((y * 3.2) % 1.0 - 0.5)))[..., None]
        shade, lit = light("#8a88c8", 0.36), light("#ff9258", 1.55) + light("#8a88c8", 0.3)
        fade = (0.65 + 0.35 * step(-0.5, 2.5, y))[..., None]
        self._lay(part, wall * shade * fade, cover([(5.4, -1.6), (13.6, -1.9), (13.6, 2.5), (5.4, 2.7)]))
        self._lay(part, wall * lit * fade, cover([(3.2, -1.5), (5.4, -1.6), (5.4, 2.7), (4.25, 4.75), (3.2, 2.75)]))
        self._lay(
            part, slate * (shade + light("#c98a9a", 0.3)), cover([(5.65, 2.4), (13.9, 2.2), (12.8, 4.5), (4.2, 4.95)])
        )
        self._lay(
            part,
            np.broadcast_to(light("#ff9c78", 0.42), part.shape),
            cover([(4.2, 4.98), (12.8, 4.53), (12.8, 4.43), (4.2, 4.86)]),
        )
        for left in (7.0, 11.0):
            self._lay(
                part, wall * (shade + 0.1), cover([(left, 4.2), (left + 0.9, 4.2), (left + 0.9, 5.7), (left, 5.7)])
            )
            self._lay(part, wall * lit * 0.8, cover([(left, 4.2), (left + 0.25, 4.2), (left + 0.25, 5.7), (left, 5.7)]))
            self._lay(
                part,
                slate * shade,
                cover([(left - 0.1, 5.65), (left + 1.0, 5.65), (left + 1.0, 5.85), (left - 0.1, 5.85)]),
            )
        for left, warm in [(6.6, 1.9), (8.9, 0.0), (11.2, 1.7)]:
            frame = [(left - 0.12, 0.55), (left + 1.02, 0.53), (left + 1.02, 1.92), (left - 0.12, 1.95)]
            pane = [(left, 0.66), (left + 0.9, 0.65), (left + 0.9, 1.82), (left, 1.84)]
            self._lay(part, wall * (shade + 0.12), cover(frame))
            glass = light("#ffb35c", warm) if warm else light("#3a3c5c")
            bars = np.maximum(self._edge(np.abs(x - left - 0.45) - 0.035), self._edge(np.abs(y - 1.25) - 0.035))
            self._lay(part, np.broadcast_to(glass, part.shape), cover(pane) * (1.0 - 0.75 * bars))

    def shine(self, picture: Plane, noise: Noise) -> None:
        """The two arms of the beam and the halo round the lamp, added to the air in place."""
        rows, columns = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]].astype(np.float32)
        dx, dy = (columns - self.lamp[0]) / self.scale, (rows - self.lamp[1]) / self.scale
        far = np.hypot(dx, dy) + 1e-3
        mist = 0.8 + 0.35 * noise.fbm(columns / picture.shape[1] * 9, rows / picture.shape[1] * 14, 4)
        for angle, spread, power in [(np.pi + 0.10, 0.036, 1.0), (-0.16, 0.050, 0.42)]:
            along = dx * np.cos(angle) + dy * np.sin(angle)
            aside = -dx * np.sin(angle) + dy * np.cos(angle)
            width = 0.62 + np.maximum(along, 0.0) * spread
            core = np.exp(-((aside / width) ** 2)) + 0.35 * np.exp(-((aside / (width * 2.3)) ** 2))
            strength = power * core * step(0.0, 1.8, along) * (0.62 / width) ** 0.8 * np.exp(-far / 75.0) * mist
            picture += strength[..., None] * light("#ffe0a8", 1.05)
        picture += (np.exp(-far / 1.3) * 0.7 + np.exp(-far / 7.0) * 0.10)[..., None] * light("#ffca86")
