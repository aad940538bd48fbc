"""The third still, upright: a hot-air balloon over a patchwork of fields on a clear morning."""

import cv2
import numpy as np
from envelope import Balloon, Paint, stamp
from film import blend, bloom, develop, light, ramp, step
from ground import Camera, Ground, View
from noise import Noise, Plane

SIZE = (1080, 1920)  # px, 9:16
SUN = np.array([-0.87, 0.37, -0.32], np.float32)  # morning light: low, from the left, a little over our shoulder
EYE = 430.0  # m over the plain
FAR = 17000.0  # m, where the ground ends
FIELD = 210.0  # m, the usual size of a field


def draw(scale: int) -> Plane:
    """The finished still as screen values; scale is the supersampling per axis."""
    width, height = SIZE[0] * scale, SIZE[1] * scale
    camera = Camera(width, height, focal=1.25 * width, horizon=0.615 * height, eye=EYE)
    ground = country()
    sunlit = ground.sunlit(tuple(float(v) for v in SUN), 1500.0, 40, 14.0)
    layers = {"normals": ground.normals(), "sun": sunlit}
    picture = heaven(camera)
    view = ground.cast(camera, 560.0, FAR, 1300)
    picture = blend(picture, fields(view, camera, ground, layers), view.hit.astype(np.float32))
    hedges(picture, view, camera, ground)
    veil(picture, camera)
    sun = SUN / np.linalg.norm(SUN)
    air = light("#f0d3bd", 0.92)
    warm = Paint(("#e5484d", "#f6e7cf", "#f0953a", "#f6e7cf"), ("#1f3354", "#f6e7cf"))
    teal = Paint(("#2f7f86", "#f3e9d6", "#2f7f86", "#f2c14e"), ("#1d3f4a", "#f3e9d6"))
    plum = Paint(("#7b4b94", "#f4e3d7", "#d8718a", "#f4e3d7"), ("#4a2b63", "#f4e3d7"))
    Balloon(-62.0, 17.0, 235.0, teal, sun, 0.3).draw(picture, camera, air, 0.20)
    Balloon(112.0, -22.0, 400.0, plum, sun, 0.1).draw(picture, camera, air, 0.32)
    Balloon(1.5, 4.0, 35.0, warm, sun, 0.06).draw(picture, camera, air, 0.015)
    picture = bloom(picture, 1.05, {0.008: 0.16, 0.03: 0.12, 0.10: 0.10})
    return develop(picture, SIZE, exposure=0.86, vignette=0.16, grain=0.010, seed=8)


def country() -> Ground:
    """Rolling farmland that rises to hills at the horizon."""
    x, z = Ground.grid(-7200.0, 7200.0, 500.0, FAR, 7.0)
    noise = Noise(201)
    heights = 62 * noise.fbm(x / 900, z / 900, 4, 0.42) + 60 * noise.fbm(x / 2600, z / 2600, 3) * step(1500, 5000, z)
    far = step(5200, 12500, z)
    heights += far * (120 + 420 * noise.ridged(x / 4200, z / 4200, 6, 0.45))
    bank = np.abs(x - river(z))
    heights = heights * (0.25 + 0.75 * step(10.0, 420.0, bank)) - 4.0 * step(60.0, 10.0, bank)
    return Ground(-7200.0, 500.0, 7.0, heights.astype(np.float32))


def river(z: Plane) -> Plane:
    """The x of the river at a distance, metres."""
    wave = 170 * np.sin(z / 330 + 0.4) + 330 * np.sin(z / 940 + 1.9) + 240 * np.sin(z / 2300)
    return (wave * step(200, 1500, z) + 0.07 * z - 140).astype(np.float32)


def heaven(camera: Camera) -> Plane:
    """Pale blue over peach, and fair-weather cumulus lit from the left."""
    small = Camera(camera.width // 2, camera.height // 2, camera.focal / 2, camera.horizon / 2, camera.eye)
    u, v = small.rays()
    v = np.maximum(v, 0.0)
    stops = [(0.0, light("#ffdcb8", 1.15)), (0.06, light("#fbd3b4", 1.05)), (0.15, light("#dccfce", 0.95))]
    stops += [(0.32, light("#a4bddb", 0.86)), (0.62, light("#6d9ed3", 0.80)), (0.95, light("#4179b8", 0.76))]
    sky = ramp(stops, v + 0.05 * u)
    noise = Noise(61)
    wisp = noise.fbm(u * 1.5 + 0.8 * noise.fbm(u * 1.2, v * 2, 3), v * 5.5 - u * 0.8, 6, 0.56)
    sky = blend(sky, light("#fbeee2", 1.05), step(0.05, 0.75, wisp) * step(0.20, 0.5, v) * 0.55)
    for base, depth, size, seed in (
        (0.030, 0.045, 0.10, 1),
        (0.075, 0.075, 0.17, 2),
        (0.155, 0.14, 0.30, 3),
        (0.47, 0.26, 0.46, 5),
    ):
        sky = cumulus(sky, u, v, base, depth, size, Noise(400 + seed))
    return cv2.resize(sky, (camera.width, camera.height), interpolation=cv2.INTER_CUBIC)


def cumulus(sky: Plane, u: Plane, v: Plane, base: float, depth: float, size: float, noise: Noise) -> Plane:
    """One bank of heaped cloud: flat soft base at a slope, heaps of a depth, puffs shaded by how they face the sun."""
    far = np.exp(-base / 0.16)

    def density(pu: Plane, pv: Plane, octaves: int) -> Plane:
        rise = (pv - base) / depth + 0.10 * noise.at(pu / size * 2, pv / size)
        wu, wv = pu / size, pv / size * 1.25
        warp = 0.35 * noise.fbm(wu * 1.2 + 4, wv * 1.2, 3)
        heap = noise.fbm(wu * 0.62 + 3, wv * 0.5, 3) * 1.8 + 0.16
        puffs = noise.billow(wu * 2.1 + warp, wv * 2.1 - warp, octaves, 0.52)
        fine = noise.fbm(wu * 9.0, wv * 9.0, 4, 0.6)
        return (
            heap
            + 0.42 * puffs
            + 0.10 * fine
            - 0.62 * np.maximum(rise, 0.0) ** 2.0
            - 3.0 * np.maximum(-rise, 0.0)
            - 0.16
        )

    here = density(u, v, 5)
    cover = step(0.0, 0.24, here)
    lit = np.zeros_like(here)
    for reach in (0.06, 0.16, 0.36):
        lit += np.clip((here - density(u - reach * size, v + 0.55 * reach * size, 4)) * 1.5 + 0.34, 0.0, 1.0) / 3.0
    height = np.clip((v - base) / depth, 0.0, 1.4)
    bright = np.clip(0.10 + 0.85 * lit + 0.28 * height - 0.10 * np.clip(here, 0, 1), 0.0, 1.0)
    shade = blend(light("#9fb0d0", 0.72), light("#e3c2b4", 0.90), far)
    glow = blend(light("#fff3e2", 1.45), light("#ffe2c0", 1.30), far)
    cloud = blend(shade, glow, bright**1.15)
    return blend(sky, cloud, cover * (0.94 - 0.30 * far))


def plots(x: Plane, z: Plane) -> tuple[Plane, Plane, Plane]:
    """Which field a point is in: a random number 0 to 1, its ploughing angle, metres to its hedge."""
    noise = Noise(211)
    px = (x + 55 * noise.at(x / 520, z / 520)) / FIELD
    pz = (z + 55 * noise.at(x / 520 + 31, z / 520)) / (FIELD * 1.25)
    cx, cz = np.floor(px), np.floor(pz)
    first, second = np.full_like(px, 9.0), np.full_like(px, 9.0)
    owner = np.zeros_like(px)
    for ox in (-1, 0, 1):
        for oz in (-1, 0, 1):
            gx, gz = cx + ox, cz + oz
            spot = np.sin(gx * 127.1 + gz * 311.7) * 43758.5453
            other = np.sin(gx * 269.5 + gz * 183.3) * 43758.5453
            spot, other = spot - np.floor(spot), other - np.floor(other)
            dx, dz = np.abs(gx + 0.5 + 0.62 * (spot - 0.5) - px), np.abs(gz + 0.5 + 0.62 * (other - 0.5) - pz)
            away = (dx**2.6 + dz**2.6) ** (1 / 2.6)
            closer = away < first
            second = np.where(closer, first, np.minimum(second, away))
            owner = np.where(closer, (spot * 7.31 + other * 3.17) % 1.0, owner)
            first = np.where(closer, away, first)
    return (
        owner.astype(np.float32),
        (owner * 57.0 % np.pi).astype(np.float32),
        ((second - first) * FIELD * 0.5).astype(np.float32),
    )


CROPS = (
    "#6f8a3c",
    "#8fa24a",
    "#c9b25e",
    "#55743a",
    "#a88a55",
    "#dcc473",
    "#7d9a48",
    "#4d6a35",
    "#b7a761",
    "#93734c",
    "#86a552",
    "#e0cd62",
)


def fields(view: View, camera: Camera, ground: Ground, layers: dict[str, Plane]) -> Plane:
    """Colour of the farmland through the morning haze: crops, furrows, hedges with their shadows, woods, the river."""
    x, y, z = view.x, view.y, view.z
    noise = Noise(223)
    owner, angle, hedge = plots(x, z)
    crops = np.stack([light(code) for code in CROPS])[(owner * 977 % len(CROPS)).astype(int)]
    pixel = z / camera.focal * np.maximum(z / EYE * 0.6, 1.0)
    across = x * np.cos(angle) + z * np.sin(angle)
    rows = np.sin(across * 2 * np.pi / 13.0) * np.clip(1.5 - pixel / 5.0, 0, 1) + 0.7 * np.sin(
        across * 2 * np.pi / 41.0
    ) * np.clip(1.4 - pixel / 16.0, 0, 1)
    mottle = noise.fbm(x / 60, z / 60, 5, 0.6)
    crops = crops * (1.0 + 0.10 * rows * step(0.1, 0.4, owner) + 0.26 * mottle)[..., None]
    wood = copse(x, z, noise)
    leaf = noise.billow(x / 13, z / 17, 3, 0.6)
    trees = blend(light("#223a20"), light("#5b7434"), np.clip(0.45 + 0.6 * leaf, 0, 1))
    near = np.clip(1.0 - hedge / 5.5, 0, 1)
    shadow = np.clip(1.0 - plots(x - 9.0, z - 5.0)[2] / 7.0, 0, 1)
    albedo = blend(crops, trees, np.maximum(step(0.1, 0.6, near) * step(0.05, 0.2, owner), wood))
    normal = ground.read(layers["normals"], x, z)
    bump = np.stack([leaf * 0.5, 0 * leaf, leaf * 0.3], axis=-1) * wood[..., None]
    normal = normal + bump + np.stack([mottle, 0 * mottle, mottle], axis=-1) * 0.04
    sun = np.clip(normal @ SUN, 0, 1) * ground.read(layers["sun"], x, z)
    dark = np.maximum(
        step(0.1, 0.7, shadow) * (1 - wood) * step(0.6, 0.2, near),
        0.75 * step(0.2, 0.9, copse(x - 20, z - 12, noise)) * (1 - wood),
    )
    drift = 0.72 + 0.36 * step(-0.25, 0.25, noise.fbm(x / 2100 + 8, z / 2100, 4))  # shadows of clouds
    light_in = (sun * (1 - 0.72 * dark) * drift)[..., None] * light("#ffd092", 4.0)
    colour = albedo * (light_in + (0.5 + 0.5 * normal[..., 1])[..., None] * light("#8fb0e2", 0.40))
    bank = np.abs(x - river(z)) - 17.0 - 7.0 * noise.at(z / 160, 2.2)
    u, v = camera.rays()
    water = blend(light("#9fb9d6", 0.85), light("#ffe0bd", 1.25), step(-0.34, -0.05, v))
    water = water * (1.0 + 0.10 * noise.fbm(x / 9, z / 30, 3))[..., None]
    rim = step(16.0, 4.0, bank) * step(-4.0, 4.0, bank)
    colour = blend(colour, trees * light("#c8b890", 0.9), rim * 0.85)
    colour = blend(colour, water, np.clip(0.5 - bank / np.maximum(pixel, 1.0), 0, 1))
    amount, air = haze(u, v, z, y)
    return blend(colour, air, amount)


def copse(x: Plane, z: Plane, noise: Noise) -> Plane:
    """Where woods stand, 0 to 1."""
    return step(0.30, 0.36, noise.fbm(x / 640 + 3, z / 640, 4, 0.55) + 0.12 * step(5000, 11000, z))


def haze(u: Plane, v: Plane, z: Plane, y: Plane) -> tuple[Plane, Plane]:
    """Morning air before a point: how much (0 to 1) and its colour; thicker in the hollows."""
    noise = Noise(231)
    banks = noise.fbm(u * 2.6 + z / 5200, z / 2300, 5, 0.55)
    low = np.exp(-np.maximum(y + 10.0, 0.0) / 42.0)
    amount = 1.0 - np.exp(
        -np.maximum(z - 700.0, 0.0) / 11500.0
        - low * np.clip(0.25 + 1.5 * banks, 0, 2) * np.clip((z - 600.0) / 4600.0, 0, 1.5)
    )
    colour = blend(
        light("#c3cbe0", 0.82), light("#ffd9b4", 1.10), np.clip(step(1500, 9000, z) * 0.75 + 0.2 - 0.4 * u, 0, 1)
    )
    return amount, colour


def hedges(picture: Plane, view: View, camera: Camera, ground: Ground) -> None:
    """Round trees along hedges, in copses and by the river, far ones first, in place."""
    rng = np.random.default_rng(41)
    count = 260000
    z = (600.0 * (5200.0 / 600.0) ** np.sqrt(rng.uniform(0, 1, count))).astype(np.float32)
    x = (rng.uniform(-0.43, 0.43, count) * z).astype(np.float32)
    x, z = x.reshape(-1, 1000), z.reshape(-1, 1000)
    owner, _, hedge = plots(x, z)
    noise = Noise(223)
    wood = copse(x, z, noise)
    bank = np.abs(x - river(z)) - 17.0 - 7.0 * noise.at(z / 160, 2.2)
    chance = rng.uniform(0, 1, x.shape)
    gaps = step(-0.2, 0.25, noise.at(x / 90, z / 90))
    keep = (
        ((hedge < 3.5) & (owner > 0.1) & (chance < 0.75 * gaps))
        | ((wood > 0.5) & (chance < 0.5))
        | ((bank < 14) & (bank > 4) & (chance < 0.5))
    )
    keep |= chance < 0.0004
    keep &= bank > 3
    y = ground.read(ground.heights, x, z)
    order = np.argsort(-z[keep])
    x, y, z = (part[keep][order] for part in (x, y, z))
    column, row = camera.project(x, y, z)
    size = (6.0 + 8.0 * rng.uniform(0.0, 1.0, len(x)) ** 1.7) / z * camera.focal
    u, v = (column - camera.width / 2) / camera.focal, (camera.horizon - row) / camera.focal
    amount, air = (part[0] for part in haze(u[None], v[None], z[None], y[None]))
    crowns = [stamp(64, seed) for seed in range(6)]
    pick = rng.integers(0, 6, len(x))
    hue = rng.uniform(0, 1, len(x)).astype(np.float32)
    dark, pale = (
        blend(light("#1c2f1c"), light("#2b3a1e"), hue[:, None]) * 0.55,
        blend(light("#5f7d33"), light("#958a3e"), hue[:, None]) * 1.15,
    )
    shade = np.zeros(picture.shape[:2], np.uint8)
    for c, r, big in zip(column, row, size, strict=True):  # every tree's shadow falls to the right, on the grass
        centre, axes = (
            (round((float(c) + 0.9 * big) * 16), round((float(r) + 0.02 * big) * 16)),
            (round(big * 1.15 * 16), round(big * 0.24 * 16)),
        )
        cv2.ellipse(shade, centre, axes, 0, 0, 360, 165, -1, cv2.LINE_AA, 4)
    picture *= (
        1.0
        - 0.8 * cv2.GaussianBlur(shade, (0, 0), 1.0).astype(np.float32) / 255.0 * np.clip(1.2 - view.z / 5200.0, 0, 1)
    )[..., None]
    shrunk: dict[tuple[int, int], tuple[Plane, Plane]] = {}
    height, width = picture.shape[:2]
    for i in range(len(x)):
        grade = max(round(float(size[i])), 2)
        c, r = int(column[i]), int(row[i])
        if not (0 <= c < width and 0 <= r < height) or size[i] < 2.5:
            continue
        if view.hit[r, c] and view.z[r, c] < z[i] * 0.96:
            continue
        key = (int(pick[i]), grade)
        if key not in shrunk:
            shrunk[key] = tuple(
                cv2.resize(part, (grade, grade), interpolation=cv2.INTER_AREA) for part in crowns[pick[i]]
            )  # type: ignore[assignment]
        cover, bright = shrunk[key]
        top, left = r - int(grade * 0.85), c - grade // 2
        r0, r1, c0, c1 = max(top, 0), min(top + grade, height), max(left, 0), min(left + grade, width)
        cut = (slice(r0 - top, r1 - top), slice(c0 - left, c1 - left))
        paint = (dark[i] + (pale[i] - dark[i]) * bright[cut][..., None]) * (1 - amount[i]) + air[i] * amount[i]
        spot = picture[r0:r1, c0:c1]
        spot += (paint - spot) * cover[cut][..., None]


def veil(picture: Plane, camera: Camera) -> None:
    """The band where ground and sky meet, softened, in place."""
    u, v = camera.rays()
    band = np.exp(-np.abs(v + 0.004) / 0.018) * 0.45
    picture += (blend(light("#f4d4c0", 1.0), light("#ffe2c2", 1.15), np.clip(0.5 - u, 0, 1)) - picture) * band[
        ..., None
    ]
