"""A hot-air balloon as a solid: gores, belt, open mouth, skirt, cables, burner and wicker basket."""

from dataclasses import dataclass

import cv2
import numpy as np
from film import blend, light, step
from ground import Camera
from noise import Noise, Plane

HEIGHT, GIRTH, MOUTH, SKIRT = 20.5, 8.9, 1.75, 1.5  # m: mouth to crown, largest radius, mouth radius, skirt length
WAIST = 11.6  # m over the mouth, where the balloon is widest
GORES = 28


@dataclass(frozen=True)
class Paint:
    """The colours of one balloon: two for the gores, two for the belt."""

    gores: tuple[str, str, str, str]
    belt: tuple[str, str]


def _girths() -> Plane:
    """Radius in metres for 8192 heights from the skirt's rim to the crown."""
    y = np.linspace(-SKIRT, HEIGHT, 8192)
    up, down = np.clip((y - WAIST) / (HEIGHT - WAIST), 0.0, 1.0), np.clip((WAIST - y) / WAIST, 0.0, 1.0)
    body = np.where(y > WAIST, GIRTH * np.sqrt(1.0 - up**2.15), MOUTH + (GIRTH - MOUTH) * (1.0 - down**1.85) ** 1.06)
    return np.where(y < 0.0, MOUTH - 0.10 * y, body).astype(np.float32)


GIRTHS = _girths()


def girth(y: Plane) -> Plane:
    """Radius in metres at a height over the mouth in metres; the skirt hangs below 0."""
    place = np.clip((y + SKIRT) * np.float32(8191 / (HEIGHT + SKIRT)), 0.0, 8190.0)
    index = place.astype(np.int32)
    low = np.take(GIRTHS, index)
    return low + (np.take(GIRTHS, index + 1) - low) * (place - index).astype(np.float32)


class Balloon:
    """One balloon at a place in metres; x and z across the ground, y the height of its mouth over the eye."""

    def __init__(self, x: float, y: float, z: float, paint: Paint, sun: Plane, turn: float = 0.0) -> None:
        self.x, self.y, self.z, self.paint, self.sun, self.turn = x, y, z, paint, sun, turn
        self.noise = Noise(301)

    def draw(self, picture: Plane, camera: Camera, air: Plane, amount: float) -> None:
        """Paint it in place, veiled by an amount of air (0 to 1)."""
        eye = Camera(camera.width, camera.height, camera.focal, camera.horizon, 0.0)
        left, top = eye.project(self.x - GIRTH * 1.15, self.y + HEIGHT, self.z - 0.9 * GIRTH)
        right, bottom = eye.project(self.x + GIRTH * 1.15, self.y - 8.5, self.z)
        rows = slice(max(int(top), 0), min(int(bottom) + 2, camera.height))
        columns = slice(max(int(left), 0), min(int(right) + 2, camera.width))
        py, px = np.mgrid[rows, columns].astype(np.float32)
        u, v = (px + 0.5 - camera.width / 2) / camera.focal, (camera.horizon - py - 0.5) / camera.focal
        part = picture[rows, columns].copy()
        self._rigging(part, u, v, camera)
        self._cloth(part, u, v, camera)
        self._basket(part, u, v, camera)
        keep = np.any(part != picture[rows, columns], axis=2)
        part = np.where(keep[..., None], blend(part, air, amount), part)
        picture[rows, columns] = part

    def _cloth(self, part: Plane, u: Plane, v: Plane, camera: Camera) -> None:
        """Envelope and skirt: the first wall each ray meets, the inner one where it enters through the mouth."""
        ray = np.sqrt(1.0 + u * u)
        middle = (self.z + u * self.x) / (1.0 + u * u)
        reach = GIRTH * 1.03

        def gap(t: Plane) -> Plane:
            dx, dz, y = u * t - self.x, t - self.z, v * t - self.y
            return np.where((y > -SKIRT) & (y < HEIGHT), np.hypot(dx, dz) - girth(y), 1.0)

        count = 40
        start = middle - reach / ray
        pace = 2 * reach / ray / count
        deepest, least = start.copy(), np.full_like(u, 9.0)
        for k in range(count + 1):
            here = gap(start + k * pace)
            deepest = np.where(here < least, start + k * pace, deepest)
            least = np.minimum(least, here)
        for k in range(1, 8):  # the deepest point decides whether a grazing ray hits at all
            for side in (-1.0, 1.0):
                t = deepest + side * pace * 0.6**k
                here = gap(t)
                deepest, least = np.where(here < least, t, deepest), np.minimum(least, here)
        found = least < 0.0
        near, far = start, deepest.copy()
        for _ in range(16):
            half = (near + far) / 2
            within = gap(half) < 0.0
            far, near = np.where(within, half, far), np.where(within, near, half)
        t = far
        entry = v * near - self.y
        through = found & ((entry < -SKIRT) | ((v * t - self.y) < -SKIRT + 0.02))
        back = t.copy()
        for k in range(1, 41):  # inside: go on to the far wall
            ahead = t + k * (2 * MOUTH + 6.0) / 40
            back = np.where(through & (back == t) & (gap(ahead) > 0.0), ahead, back)
        t = np.where(through, back, t)
        colour = self._shade(u * t - self.x, v * t - self.y, t - self.z, through)
        cover = np.clip(0.5 - least * camera.focal / self.z, 0.0, 1.0)
        part += (colour - part) * cover[..., None]

    def _shade(self, dx: Plane, y: Plane, dz: Plane, inner: np.ndarray) -> Plane:
        angle = np.arctan2(dz, dx) + np.float32(self.turn)
        radius = np.maximum(np.hypot(dx, dz), 1e-3)
        slope = (girth(y + 0.05) - girth(y - 0.05)) / 0.1
        slope = np.clip(slope, -9.0, 9.0)
        gore = angle / (2 * np.pi) * GORES
        place = gore - np.floor(gore) - 0.5
        full = step(-0.2, 3.5, y) * step(HEIGHT, HEIGHT - 1.2, y)
        swell = place * 0.62 * full  # every gore bulges between its tapes
        panel = y / 1.28 - np.floor(y / 1.28) - 0.5
        pucker = self.noise.fbm(gore * 1.7, y * 0.9, 3) * 0.05 + 0.06 * panel * full
        cos, sin = dx / radius, dz / radius
        nx, ny, nz = cos - swell * sin, -slope + pucker, sin + swell * cos
        size = np.sqrt(nx * nx + ny * ny + nz * nz)
        nx, ny, nz = nx / size, ny / size, nz / size
        albedo = self._pattern(gore, y)
        seam = step(0.46, 0.50, np.abs(place)) * step(0.02, 0.06, radius / GIRTH)
        ring = step(0.475, 0.5, np.abs(panel)) * full
        albedo = albedo * (1.0 - 0.30 * seam - 0.10 * ring)[..., None]
        sun = nx * self.sun[0] + ny * self.sun[1] + nz * self.sun[2]
        direct = np.clip(sun, 0, 1)
        passed = np.clip(-sun, 0, 1) * 0.14 + 0.05 * np.clip(1 - np.abs(sun), 0, 1) ** 2
        sky = 0.5 + 0.5 * ny
        earth = np.clip(-ny, 0, 1)
        shine = direct[..., None] * light("#ffd8a4", 2.05) + passed[..., None] * light("#ffc98e", 1.5)
        shine += sky[..., None] * light("#8fb0ea", 0.40) + earth[..., None] * light("#d8b98c", 0.26)
        shine += (np.exp(-np.maximum(y, 0) / 3.2) * 0.55 * step(-2.0, 0.5, y))[..., None] * light("#ffb055", 1.0)
        half = np.array([self.sun[0], self.sun[1], self.sun[2] - 1.0], np.float32)
        half /= np.linalg.norm(half)
        gloss = np.clip(nx * half[0] + ny * half[1] + nz * half[2], 0, 1)
        colour = albedo * shine + (gloss**26 * 0.16 + gloss**5 * 0.035)[..., None] * light("#fff0d8")
        lining = albedo * (0.35 + 1.6 * np.exp(-np.maximum(y, 0) / 5.0))[..., None] * light("#ffb76a", 0.85)
        return np.where(inner[..., None], lining, colour)

    def _pattern(self, gore: Plane, y: Plane) -> Plane:
        """Warm stripes round the balloon, a dark belt with a zigzag at the waist, a plain crown and mouth."""
        cloths = np.stack([light(code) for code in self.paint.gores])
        place = gore - np.floor(gore) - 0.5
        number = np.floor(gore).astype(int)
        beside = cloths[(number + np.sign(place).astype(int)) % 4]
        cloth = blend(cloths[number % 4], beside, 0.5 * step(0.48, 0.5, np.abs(place)))
        zig = np.abs((gore * 0.5) % 1.0 - 0.5) * 2.0  # 0 to 1 and back over two gores
        low, high = 8.2 + 1.7 * zig, 12.0 + 1.7 * zig
        dark, pale = light(self.paint.belt[0]), light(self.paint.belt[1])
        soft = 0.03
        belt = step(low - soft, low + soft, y) * step(high + soft, high - soft, y)
        cloth = blend(
            cloth, pale, step(low - 0.62 - soft, low - 0.62 + soft, y) * step(high + 0.62 + soft, high + 0.62 - soft, y)
        )
        cloth = blend(cloth, dark, belt)
        cloth = blend(
            cloth, pale, step(1.15, 1.35, y / 1.0 - 9.0 - 1.7 * zig) * step(1.95, 1.75, y - 9.0 - 1.7 * zig) * 0.95
        )
        cloth = blend(cloth, dark, np.maximum(step(18.9, 19.0, y), step(1.25, 1.20, y)))
        cloth = blend(cloth, pale, step(1.20, 1.25, y) * step(1.65, 1.60, y))
        return blend(cloth, light("#5a2022"), step(0.02, -0.02, y))

    def _lines(
        self, part: Plane, camera: Camera, u: Plane, v: Plane, segments: list[tuple], colour: Plane, wide: float
    ) -> None:
        """Straight rods between points in metres from the mouth's middle, wide in metres."""
        mask = np.zeros(u.shape, np.float32)
        pixel = self.z / camera.focal
        for (ax, ay, az), (bx, by, bz) in segments:
            a = np.array([(self.x + ax) / (self.z + az), (self.y + ay) / (self.z + az)]) * self.z
            b = np.array([(self.x + bx) / (self.z + bz), (self.y + by) / (self.z + bz)]) * self.z
            px, py = u * self.z - a[0], v * self.z - a[1]
            d = b - a
            along = np.clip((px * d[0] + py * d[1]) / float(d @ d), 0, 1)
            away = np.hypot(px - along * d[0], py - along * d[1])
            mask = np.maximum(mask, np.clip((wide / 2 - away) / pixel + 0.5, 0, 1) * min(1.0, wide / pixel))
        part += (colour - part) * mask[..., None]

    def _rigging(self, part: Plane, u: Plane, v: Plane, camera: Camera) -> None:
        """Cables from the skirt to the burner frame, uprights from there to the basket, the flame."""
        rim, frame, wall = -SKIRT + 0.1, -3.9, -5.35
        cables = []
        for k in range(16):
            turn = 2 * np.pi * (k + 0.5) / 16
            sx, sz = 1.88 * np.cos(turn), 1.88 * np.sin(turn)
            cables.append(((sx, rim, sz), (np.sign(sx) * 0.72, frame, np.sign(sz) * 0.55)))
        self._lines(part, camera, u, v, cables, light("#3b332f"), 0.035)
        posts = [((sx * 0.72, frame, sz * 0.55), (sx * 1.0, wall, sz * 0.75)) for sx in (-1, 1) for sz in (1, -1)]
        self._lines(part, camera, u, v, posts, light("#6b4a30"), 0.10)
        bars = [((-0.78, frame, sz * 0.55), (0.78, frame, sz * 0.55)) for sz in (1, -1)]
        self._lines(part, camera, u, v, bars, light("#6d6a6c"), 0.11)
        cans = [((sx, frame + 0.02, 0), (sx, frame + 0.52, 0)) for sx in (-0.26, 0.26)]
        self._lines(part, camera, u, v, cans, light("#77757a", 0.8), 0.26)
        px, py = u * self.z - self.x, v * self.z - self.y - frame - 0.5
        for sx in (-0.26, 0.26):
            width = 0.19 * np.sqrt(np.clip(1.0 - py / 3.1, 0, 1)) * step(-0.1, 0.35, py) + 1e-3
            body = np.exp(-(((px - sx * (1 - py * 0.2)) / width) ** 2)) * step(-0.05, 0.25, py) * step(3.1, 1.2, py)
            part += (body * 1.0)[..., None] * blend(light("#5a8cff", 0.9), light("#ff8f2c", 1.9), step(0.0, 0.9, py))

    def _basket(self, part: Plane, u: Plane, v: Plane, camera: Camera) -> None:
        """Woven willow with leather edges, and three people who look out over it."""
        px, py = u * self.z - self.x, v * self.z - self.y
        pixel = self.z / camera.focal

        def edge(distance: Plane) -> Plane:
            return np.clip(0.5 - distance / pixel, 0, 1)

        top, bottom = -5.25, -7.0
        for sx, tall, coat, hair in (
            (-0.60, 0.80, "#27405f", "#3a281e"),
            (-0.08, 0.68, "#7d3a30", "#1f1815"),
            (0.58, 0.76, "#4f5b3c", "#4b3320"),
        ):
            shade = np.clip(0.95 - (px - sx) * 1.5, 0.35, 1.5)[..., None] * light("#ffe2bd", 1.0)
            body = np.hypot((px - sx) / 0.25, (py - top - tall + 0.60) / 0.44) - 1
            self._over(part, light(coat) * shade, edge(body * 0.27) * step(top - 0.3, top - 0.1, py))
            head = np.hypot(px - sx, (py - top - tall) * 0.88) - 0.12
            self._over(part, light("#b87f60") * shade, edge(head))
            cap = np.maximum(np.hypot(px - sx, (py - top - tall - 0.02) * 0.88) - 0.14, top + tall + 0.02 - py)
            self._over(part, light(hair) * shade, edge(cap))
        lean = 1.16 - 0.10 * np.clip((top - py) / (top - bottom), 0, 1)
        q = np.clip(px / lean, -1.2, 1.2)
        body = np.maximum(np.abs(px) - lean, np.maximum(py - top, bottom - py))
        corner = np.hypot(np.maximum(np.abs(px) - lean + 0.18, 0), np.maximum(bottom + 0.18 - py, 0)) - 0.18
        mask = edge(np.maximum(body, np.where(py < bottom + 0.2, corner, body)))
        face = np.where(q < -0.42, 1.0, 0.0)  # the narrow side to the sun, the long one to us
        row, reed = py * 9.5, px * 6.2
        weave = np.sin(reed * np.pi + np.pi * np.floor(row)) * 0.5 + 0.5
        cord = np.abs(row - np.floor(row) - 0.5) * 2
        relief = (0.55 + 0.45 * weave) * (1.0 - 0.45 * cord**2)
        grain = 1.0 + 0.25 * self.noise.fbm(px * 6, py * 14, 3)
        willow = blend(light("#6e4522"), light("#d39a58"), np.clip(relief, 0, 1)) * grain[..., None]
        lit = blend(light("#b9b2c0", 0.62), light("#ffdcae", 1.75), face * 0.9 + 0.1)
        fade = (1.0 - 0.35 * np.clip((top - py) / (top - bottom), 0, 1)) * (1.0 - 0.25 * np.clip(q, 0, 1))
        self._over(part, willow * lit * fade[..., None], mask)
        self._over(
            part,
            np.broadcast_to(light("#5b3a22", 0.6), part.shape),
            mask * step(0.03, 0.0, np.abs(q + 0.42) - 0.01) * 0.6,
        )
        for level, thick in ((top + 0.02, 0.13), (bottom + 0.10, 0.10)):
            roll = (py - level) / thick
            band = edge(np.maximum(np.abs(py - level) - thick, np.abs(px) - lean - 0.05))
            shade = (0.55 + 0.55 * np.clip(0.5 + roll * 0.6, 0, 1))[..., None]
            self._over(part, light("#4b2b1b") * shade * lit * 1.5, band)
        ropes = [((sx, top, -0.8), (sx * 0.97, bottom + 0.1, -0.8)) for sx in (-0.86, 0.1, 0.86)]
        self._lines(part, camera, u, v, ropes, light("#3a2416"), 0.05)

    def _over(self, part: Plane, colour: Plane, mask: Plane) -> None:
        part += (colour - part) * mask[..., None]


def stamp(size: int, seed: int) -> tuple[Plane, Plane]:
    """A round leafy crown of a size in pixels: cover and brightness, for hedges and copses."""
    noise = Noise(seed)
    py, px = (np.mgrid[0:size, 0:size].astype(np.float32) + 0.5) / size * 2 - 1
    lump = 0.30 * noise.fbm(px * 1.6 + seed, py * 1.6, 4, 0.6)
    away = np.hypot(px, py * 1.08) + lump
    cover = step(0.98, 0.80, away)
    puff = noise.fbm(px * 3.1, py * 3.1 + seed, 4, 0.65)
    bright = np.clip(0.52 - 0.42 * px - 0.36 * py + 0.55 * puff, 0.0, 1.0)
    return cover, cv2.GaussianBlur(bright, (0, 0), size / 90)
