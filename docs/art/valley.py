"""The second still: sunrise over a lake among misty ridges, spruces in front."""

import cv2
import numpy as np
from conifer import Spruce, grow
from film import blend, bloom, develop, light, ramp, step
from ground import Camera, Ground, View
from noise import Noise, Plane

SIZE = (1920, 1280)  # px, 3:2
SUN = np.array([0.74, 0.27, 0.40], np.float32) / np.float32(
    0.883
)  # light on the slopes: from the right, a little from behind
DISC = (0.118, 0.105)  # slopes of the ray to the sun itself, just over the far ridge
EYE = 62.0  # m over the lake
FAR = 15000.0  # m, where the ground ends


def draw(scale: int) -> Plane:
    """The finished still as screen values; scale is the supersampling per axis."""
    width, height = SIZE[0] * scale, SIZE[1] * scale
    camera = Camera(width, height, focal=1.02 * width, horizon=0.515 * height, eye=EYE)
    ground = mountains()
    layers = {"normals": ground.normals(), "sun": ground.sunlit(tuple(float(v) for v in SUN), 5000.0, 70, 40.0)}
    stamps = [grow(300, seed, slim) for seed, slim in ((1, 0.17), (2, 0.15), (3, 0.19), (4, 0.14), (5, 0.16))]
    mirror = upper(Camera(width // 2, height // 2, camera.focal / 2, camera.horizon / 2, -EYE), ground, layers, stamps)
    picture = upper(camera, ground, layers, stamps, lake=mirror)
    picture = rays(picture, camera)
    foreground(picture, scale)
    picture = bloom(picture, 1.0, {0.006: 0.22, 0.025: 0.16, 0.09: 0.14})
    return develop(picture, SIZE, exposure=0.95, vignette=0.20, grain=0.010, seed=6)


def upper(
    camera: Camera, ground: Ground, layers: dict[str, Plane], stamps: list[Spruce], lake: Plane | None = None
) -> Plane:
    """Sky, lake if its mirror image is given, slopes and their forest, as this camera sees them."""
    picture = heaven(camera)
    if lake is not None:
        water(picture, camera, lake)
    view = ground.cast(camera, 90.0, FAR, 1500, 0.0)
    land = slopes(view, camera, ground, layers)
    picture = blend(picture, land, view.hit.astype(np.float32))
    forest(picture, view, camera, ground, layers, stamps)
    return picture


def mountains() -> Ground:
    """A valley that winds away from us between ridges, closed by peaks; the lake lies at 0 m."""
    x, z = Ground.grid(-8200.0, 8200.0, 60.0, FAR, 9.0)
    noise = Noise(101)
    wx, wz = noise.fbm(x / 2600, z / 2600, 4), noise.fbm(x / 2600 + 40, z / 2600, 4)
    ridge = noise.ridged((x + 800 * wx) / 3700, (z + 800 * wz) / 3700, 7, 0.44)
    axis = 300 * np.sin(z / 1500 + 0.5) * step(200, 1500, z) + 0.105 * z + 220 * noise.at(z / 1700, 3.3)
    axis += 620 * np.sin(z / 800 + 2.2) * step(2300, 3600, z)  # spurs that overlap, each with mist behind it
    half = 330 + 150 * noise.at(z / 900, 7.7) + 0.05 * z - 320 * step(2000, 4000, z)
    away = np.abs(x - axis) - half + 150 * noise.fbm(x / 420, z / 420, 4)
    rise = 1.0 - np.exp(-np.maximum(away, 0.0) / 3300)
    heights = 0.14 * np.maximum(away, -200) + rise * (140 + 2700 * ridge * (0.45 + 0.55 * step(800, 6000, z)))
    close = step(3800, 9500, z)
    heights += close * (-80 + 2050 * (ridge - 0.12) * (0.80 + 0.6 * noise.at(x / 3100 + 9, z / 3100)))
    spurs = step(0.0, 900.0, away) * 120 * noise.ridged(x / 640, z / 640, 5)
    heights += spurs + np.clip(away / 300, 0, 1) * 22 * noise.fbm(x / 130, z / 130, 4)
    notch = np.exp(-(((x / z - DISC[0]) / 0.085) ** 2)) * step(3500, 8200, z)
    heights *= 1.0 - 0.50 * notch
    for at, deep, slope in ((7200, 900, 0.040), (10200, 1300, 0.060), (13600, 1300, 0.078)):
        crest = (
            slope + 0.030 * noise.fbm(x / 1500 + at, z / 4000, 5) + 0.010 * (noise.ridged(x / 900, z / 900, 5) - 0.5)
        )
        heights = np.maximum(
            heights, at * crest * np.exp(-(((z - at) / deep) ** 2)) * step(2.2, 1.2, np.abs(z - at) / deep) - 6.0
        )
    return Ground(-8200.0, 60.0, 9.0, heights.astype(np.float32))


def phase(u: Plane, v: Plane) -> tuple[Plane, Plane]:
    """How near the sun a ray points: a broad and a narrow glow, 0 to 1."""
    angle2 = (u - DISC[0]) ** 2 + ((v - DISC[1]) * 1.15) ** 2
    return np.exp(-angle2 / 0.075), np.exp(-angle2 / 0.008)


def heaven(camera: Camera) -> Plane:
    """Morning sky: gold at the sun, peach round it, clear blue above, thin combed cloud."""
    u, v = camera.rays()
    v = np.maximum(v, 0.0)
    broad, narrow = phase(u, v)
    cool = ramp(
        [
            (0.0, light("#e9c9b4", 0.95)),
            (0.12, light("#c9c4cc", 0.85)),
            (0.28, light("#8fb0d4", 0.80)),
            (0.55, light("#4f83bd", 0.75)),
        ],
        v,
    )
    warm = ramp(
        [
            (0.0, light("#ffcf92", 1.25)),
            (0.14, light("#ffd9a6", 1.20)),
            (0.30, light("#e3cdb8", 0.95)),
            (0.55, light("#7fa3c8", 0.8)),
        ],
        v,
    )
    sky = blend(cool, warm, broad)
    noise = Noise(7)
    reach = 1.0 / (v + 0.16)
    x, z = u * reach * 1.3, reach * 1.0
    bend = noise.fbm(x * 0.6 + 2, z * 0.8, 3)
    strand = noise.fbm(x * 0.8 + bend * 0.8, z * 2.6 + bend * 0.7 + x * 0.35, 6, 0.55)
    puff = noise.fbm(x * 1.5 + bend, z * 3.4 - x * 0.3, 6, 0.58) + 0.5 * bend
    cover = np.maximum(step(0.0, 0.75, strand + 0.25 * bend) * 0.75, step(0.18, 0.72, puff) * 0.85) * step(
        0.07, 0.20, v
    )
    edge = blend(light("#e4d3d6", 1.0), light("#ffdcae", 1.6), broad)
    sky = blend(sky, edge * (1.06 - 0.28 * step(0.45, 1.0, cover))[..., None], cover)
    sky += (narrow * 0.9)[..., None] * light("#ffc878", 1.1)
    far = np.hypot(u - DISC[0], v - DISC[1])
    return (
        sky
        + step(0.0130, 0.0060, far)[..., None] * light("#ffeec4", 7.0)
        + np.exp(-far / 0.016)[..., None] * light("#ffd68c", 1.5)
    )


def fog(u: Plane, v: Plane, z: Plane, bottom: Plane, eye: float, noise: Noise) -> tuple[Plane, Plane]:
    """How much air lies before a point (0 none, 1 all) and its colour; bottom is the point's height in metres."""
    scale = 170.0
    low, high = np.maximum(bottom, 0.0) / scale, eye / scale
    level = np.abs(low - high) < 0.02
    mean = np.where(level, np.exp(-high), (np.exp(-low) - np.exp(-high)) / np.where(level, 1.0, high - low))
    banks = noise.fbm(u * 3.2 + z / 2600, z / 1500 + bottom / 230, 5, 0.55)
    thick = np.maximum(mean * (1.0 + 1.5 * banks), 0.0) / 3700.0
    amount = 1.0 - np.exp(-z * thick * step(150.0, 1800.0, z) - z / 19000.0)
    broad, narrow = phase(u, np.maximum(v, 0.0))
    colour = blend(light("#7f9cc6", 0.62), light("#ffbe84", 1.12), np.clip(broad * 1.05, 0, 1))
    return amount, colour + narrow[..., None] * light("#ffb45e", 0.6)


def slopes(view: View, camera: Camera, ground: Ground, layers: dict[str, Plane]) -> Plane:
    """Colour of the mountains through the air: woods below, scree and snow above."""
    x, y, z = view.x, view.y, view.z
    noise = Noise(113)
    normal = ground.read(layers["normals"], x, z)
    rough = noise.fbm(x / 46 + y / 60, z / 46 - y / 60, 5, 0.62)
    wood = noise.fbm(x / 11, z / 16 + y / 9, 3, 0.7)
    bump = np.stack([rough, 0.4 * rough, 0.6 * rough], axis=-1) * (0.35 + 0.2 * step(700, 1400, y))[..., None]
    normal = normal + bump
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    rock = blend(light("#5d5a60"), light("#8c8078"), np.clip(0.5 + rough, 0, 1))
    trees = blend(light("#1f2f22"), light("#41522f"), np.clip(0.45 + 0.8 * wood + 0.3 * rough, 0, 1))
    meadow = blend(light("#5d6a3a"), light("#8a8650"), np.clip(0.5 + rough, 0, 1))
    line = y + 190 * rough + 160 * noise.fbm(x / 700, z / 700, 3)
    albedo = blend(trees, meadow, step(560, 820, line))
    albedo = blend(
        albedo, rock, np.maximum(step(820, 1150, line), step(0.80, 0.62, normal[..., 1]) * step(300, 700, line))
    )
    snow = step(1180, 1420, line + 350 * (normal[..., 1] - 0.75))
    albedo = blend(albedo, light("#e8eaf2"), snow)
    sun = np.clip(normal @ SUN, 0, 1) * ground.read(layers["sun"], x, z)
    fill = 0.5 + 0.5 * normal[..., 1]
    colour = albedo * (sun[..., None] * light("#ffb470", 3.6) + fill[..., None] * light("#7c9cd4", 0.50))
    u, v = camera.rays()
    amount, air = fog(u, v, z, y, EYE, Noise(9))
    return blend(colour, air, amount)


def forest(
    picture: Plane, view: View, camera: Camera, ground: Ground, layers: dict[str, Plane], stamps: list[Spruce]
) -> None:
    """Thousands of spruces on the nearer slopes, far ones first, in place."""
    rng = np.random.default_rng(17)
    count = 120000
    z = 260.0 * (6200.0 / 260.0) ** np.sqrt(rng.uniform(0.0, 1.0, count))
    x = rng.uniform(-0.56, 0.56, count) * z
    x, z = (part.astype(np.float32).reshape(-1, 1000) for part in (x, z))
    y = ground.read(ground.heights, x, z)
    clump = Noise(23).fbm(x / 170, z / 170, 3)
    keep = (y > 2.0) & (y < 520 + 160 * clump) & (clump > -0.42 + 0.25 * step(120, 400, y))
    normal = ground.read(layers["normals"], x, z)
    sun = ground.read(layers["sun"], x, z) * np.clip(normal @ SUN * 1.6, 0, 1)
    order = np.argsort(-z[keep])
    x, y, z, sun = (part[keep][order] for part in (x, y, z, sun))
    tall = rng.uniform(15.0, 29.0, len(x)) * np.clip(0.7 + y / 60, 0.7, 1.0)
    column, row = camera.project(x, y, z)
    size = np.round(tall / z * camera.focal).astype(int)
    amount, air = fog(
        ((column - camera.width / 2) / camera.focal)[None],
        ((camera.horizon - row) / camera.focal)[None],
        z[None],
        (y + 8)[None],
        EYE,
        Noise(9),
    )
    pick = rng.integers(0, len(stamps), len(x))
    dark = blend(light("#16231b"), light("#2c3a26"), rng.uniform(0, 1, (len(x), 1)).astype(np.float32)) * 0.62
    rim = light("#e0b25c", 0.70)
    shrunk: dict[tuple[int, int], Spruce] = {}
    height, width = picture.shape[:2]
    for i in range(len(x)):
        if size[i] < 4 or not 0 <= column[i] < width:
            continue
        mark = min(max(round(row[i] - 0.45 * size[i]), 0), height - 1)
        c = min(int(column[i]), width - 1)
        if view.hit[mark, c] and view.z[mark, c] < z[i] * 0.97:
            continue
        grade = max(4, round(1.07 ** round(np.log(size[i]) / np.log(1.07))))
        key = (int(pick[i]), grade)
        if key not in shrunk:
            shrunk[key] = stamps[pick[i]].shrink(grade)
        tree = shrunk[key]
        th, tw = tree.cover.shape
        top, left = round(row[i]) - th + 1, round(column[i]) - tw // 2
        r0, r1, c0, c1 = max(top, 0), min(top + th, height), max(left, 0), min(left + tw, width)
        if r0 >= r1 or c0 >= c1:
            continue
        cut = (slice(r0 - top, r1 - top), slice(c0 - left, c1 - left))
        body = dark[i] * (1 - amount[0, i]) + air[0, i] * amount[0, i]
        paint = body + (tree.lit[cut] ** 1.3)[..., None] * (rim * (0.10 + 0.75 * sun[i]) * (1 - amount[0, i]))
        spot = picture[r0:r1, c0:c1]
        spot += (paint - spot) * tree.cover[cut][..., None]


def water(picture: Plane, camera: Camera, lake: Plane) -> None:
    """The lake in place: the mirrored world, stirred by breezes, over dark green depth, with mist lying on it."""
    top = int(camera.horizon)
    u, v = (plane[top:] for plane in camera.rays())
    z = camera.eye / np.maximum(-v, 1e-3)
    x = u * z
    noise = Noise(29)
    breeze = step(0.0, 0.6, noise.fbm(x / 260 + 4, z / 420, 4) + 0.1)
    ripple = np.zeros_like(z)
    for size, steep in [(30.0, 0.0035), (12.0, 0.005), (5.0, 0.006), (2.2, 0.006)]:
        pixel = z * z / camera.eye / camera.focal
        ripple += steep * np.clip(1.3 - pixel / size, 0, 1) * noise.at(x / size * 0.35, z / size)
    ripple *= 0.35 + 1.3 * breeze
    spread = 0.003 + 0.010 * breeze + 0.006 * step(0.02, 0.20, -v)
    total = np.zeros((*z.shape, 3), np.float32)
    for k in (-1.0, -0.6, -0.25, 0.0, 0.25, 0.6, 1.0):  # an upright smear, as small waves make it
        rise = -v + ripple * 2.0 + k * spread
        column = (u * camera.focal + camera.width / 2 + ripple * camera.focal * 0.25) * 0.5
        row = (camera.horizon - np.abs(rise) * camera.focal) * 0.5
        total += cv2.remap(
            lake, column.astype(np.float32), row.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
    mirror = total / 7.0
    fresnel = np.clip(0.06 + 0.94 * (1.0 - np.clip(-v + ripple, 0, 1)) ** 5.0, 0, 1)
    surface = blend(light("#12303a", 0.5), mirror * 0.92, fresnel)
    sheen = blend(light("#9fb3cc", 0.6), light("#ffcf98", 1.0), phase(u, np.zeros_like(v))[0])
    surface = blend(surface, sheen, breeze * 0.10)
    amount, air = fog(u, np.zeros_like(v), z, np.zeros_like(z), EYE, Noise(9))
    picture[top:] = blend(surface, air, np.clip(amount * 0.9, 0, 1))


def rays(picture: Plane, camera: Camera) -> Plane:
    """Shafts of light: the bright sky near the sun, smeared away from it where the ridges let it through."""
    small = cv2.resize(picture, (camera.width // 4, camera.height // 4), interpolation=cv2.INTER_AREA)
    column, row = camera.project(DISC[0], camera.eye + DISC[1], 1.0)
    centre = (float(column) / 4, float(row) / 4)
    rows, columns = np.mgrid[0 : small.shape[0], 0 : small.shape[1]].astype(np.float32)
    near = np.hypot(columns - centre[0], rows - centre[1]) / small.shape[1]
    source = np.clip(small.max(axis=2) - 0.95, 0.0, 2.5) * np.exp(-((near / 0.16) ** 2))
    reach, turns = int(small.shape[1] * 0.85), 2048
    polar = cv2.warpPolar(source, (reach, turns), centre, reach, cv2.WARP_POLAR_LINEAR | cv2.WARP_FILL_OUTLIERS)
    shaft = np.zeros_like(polar)
    radius = np.arange(reach, dtype=np.float32)
    for k in range(48):  # march each pixel back towards the sun
        column_map = np.broadcast_to(radius * (1.0 - k / 48.0), polar.shape).astype(np.float32)
        row_map = np.broadcast_to(np.arange(turns, dtype=np.float32)[:, None], polar.shape).copy()
        shaft += cv2.remap(polar, column_map, row_map, cv2.INTER_LINEAR) * np.float32(0.975**k)
    angle = np.linspace(0, 2 * np.pi, turns, endpoint=False, dtype=np.float32)
    streak = 0.35 + 1.3 * step(-0.35, 0.55, Noise(37).fbm(np.cos(angle) * 4, np.sin(angle) * 4, 5, 0.7))
    shaft *= streak[:, None] * np.exp(-radius / (0.42 * reach))[None] / 48.0
    back = cv2.warpPolar(
        shaft, small.shape[1::-1], centre, reach, cv2.WARP_POLAR_LINEAR | cv2.WARP_FILL_OUTLIERS | cv2.WARP_INVERSE_MAP
    )
    back = cv2.GaussianBlur(back, (0, 0), 1.5)
    full = cv2.resize(back, (camera.width, camera.height), interpolation=cv2.INTER_CUBIC)
    return picture + full[..., None] * light("#ffc480", 0.9)


def foreground(picture: Plane, scale: int) -> None:
    """The dark bank we stand on and the large spruces that frame the view, in place."""
    height, width = picture.shape[:2]
    columns = np.arange(width, dtype=np.float32) / width
    noise = Noise(53)
    edge = (
        0.93
        + 0.055 * np.cos((columns - 0.5) * 5.6)
        + 0.012 * noise.fbm(columns * 6, 0 * columns, 5)
        + 0.006 * noise.fbm(columns * 60, 0 * columns + 3, 4)
    )
    rows = np.arange(height, dtype=np.float32)[:, None] / height
    bank = np.clip((rows - edge[None]) * height / 1.5 + 0.5, 0, 1)
    py, px = np.mgrid[0:height, 0:width].astype(np.float32) / width
    heath = blend(light("#0d1512"), light("#323a22"), np.clip(0.35 + noise.fbm(px * 70, py * 150, 5, 0.6), 0, 1))
    heath += (np.exp(-np.clip(rows - edge[None], 0, 1) / 0.012) * 0.8)[..., None] * light("#5a4a2c", 0.30)
    picture += (heath - picture) * bank[..., None]
    grass(picture, edge, scale)
    trees = [(0.215, 0.47, 61, 0.17), (0.015, 0.86, 62, 0.20), (0.125, 0.70, 63, 0.185), (0.30, 0.23, 67, 0.17)]
    trees += [(0.845, 0.36, 64, 0.17), (0.985, 0.74, 65, 0.20), (0.915, 0.55, 66, 0.18)]
    for place, tall, seed, slim in sorted(trees, key=lambda tree: tree[1]):
        tree = grow(int(tall * height), seed, slim, 0.06)
        foot = int((edge[int(place * (width - 1))] + 0.02) * height)
        left, top = int(place * width) - tree.cover.shape[1] // 2, foot - tree.cover.shape[0]
        c0, c1, r0 = max(left, 0), min(left + tree.cover.shape[1], width), max(top, 0)
        cut = (slice(r0 - top, None), slice(c0 - left, c1 - left))
        sheer = np.linspace(1.0, 0.0, tree.cover.shape[0], dtype=np.float32)[cut[0], None, None]
        body = light("#121c1c", 0.85) + sheer * light("#3c4a48", 0.30)
        facing = 1.0 if place < 0.5 else 0.35
        paint = body + (tree.lit[cut] ** 1.5)[..., None] * light("#cdb45c", 0.24 * facing)
        spot = picture[r0:foot, c0:c1]
        spot += (paint - spot) * tree.cover[cut][..., None]


def grass(picture: Plane, edge: Plane, scale: int) -> None:
    """Blades along the top of the bank against the light, in place."""
    height, width = picture.shape[:2]
    rng = np.random.default_rng(71)
    cover, lit = np.zeros((height, width), np.uint8), np.zeros((height, width), np.uint8)
    for down in np.sort(rng.uniform(0.0, 1.0, 26000) ** 1.3):
        x = rng.uniform(0, width)
        y = (edge[int(x)] + 0.15 * down) * height
        tall, bend = rng.gamma(3.0, 3.4) * scale * (1.0 + 1.5 * down), rng.normal(0.15, 0.35)
        blade = np.array([(x, y), (x + bend * tall * 0.35, y - tall * 0.6), (x + bend * tall, y - tall)])
        layer, other = (lit, cover) if rng.random() < 0.45 * (1.0 - 0.8 * down) else (cover, lit)
        fixed = [np.round(blade * 16).astype(np.int32)]
        cv2.polylines(layer, fixed, False, int(rng.integers(90, 255)), 1, cv2.LINE_AA, 4)
        cv2.polylines(other, fixed, False, 0, 1, cv2.LINE_AA, 4)
    picture += (light("#141c12", 0.9) - picture) * (cover.astype(np.float32) / 255.0)[..., None]
    picture += (light("#6d5a34", 0.42) - picture) * (lit.astype(np.float32) / 255.0 * 0.75)[..., None]
