"""The first still: a lighthouse on a headland at dusk, its lamp just lit."""

import cv2
import numpy as np
from film import blend, bloom, develop, light, ramp, step
from ground import Camera, Ground, View
from noise import Noise, Plane
from tower import Tower

SIZE = (1920, 1080)  # px, 16:9
SUN = np.array([-0.86, 0.16, 0.48], np.float32)  # towards the afterglow: left, low, behind the scene
TOWER = (27.0, 152.0)  # m, x and z of the lighthouse
GLOW = -0.30  # slope of the ray to the place on the horizon where the sun went down


def draw(scale: int) -> Plane:
    """The finished still as screen values; scale is the supersampling per axis."""
    width, height = SIZE[0] * scale, SIZE[1] * scale
    camera = Camera(width, height, focal=1.2 * width, horizon=0.665 * height, eye=15.0)
    ground = headland()
    layers = weather(ground)
    sky = heaven(camera)
    picture = sea(camera, sky, ground, layers)
    picture[: int(camera.horizon)] = sky[: int(camera.horizon)]
    view = ground.cast(camera, 60.0, 460.0, 1800, 0.0)
    picture = blend(picture, rock(view, ground, layers), view.hit.astype(np.float32))
    tower = Tower(camera, *TOWER, float(ground.read(ground.heights, *(np.float32([[v]]) for v in TOWER))[0, 0]))
    tower.light_ground(picture, view)
    tower.paint(picture, view)
    haze(picture, camera, view)
    tower.shine(picture, Noise(77))
    birds(picture, scale)
    picture = bloom(picture, 1.1, {0.006: 0.35, 0.02: 0.20, 0.07: 0.16})
    return develop(picture, SIZE, exposure=0.84, vignette=0.22, grain=0.011, seed=5)


def headland() -> Ground:
    """The cliff and its skerries; the sea is at 0 m and its floor below."""
    x, z = Ground.grid(-130.0, 270.0, 55.0, 470.0, 0.2)
    noise = Noise(11)
    wobble = noise.fbm(x / 34, z / 34, 5, 0.5)
    inside = np.minimum((x + 1.0 - 0.0016 * (z - 150.0) ** 2) / 26.0, (z - 124.0 + 0.10 * (x - 20.0)) / 24.0)
    inside += 0.55 * wobble + 0.16 * (noise.ridged(x / 13, z / 13, 5) - 0.5)
    top = 11.0 + 13.0 * step(-10.0, 20.0, x) + 7.0 * step(45.0, 150.0, x)
    top += 2.4 * noise.fbm(x / 30, z / 30, 4) + 0.5 * noise.fbm(x / 5, z / 5, 3)
    near = np.hypot(x - TOWER[0] - 3.0, z - TOWER[1])
    top = top + (24.3 - top) * (1.0 - step(9.0, 24.0, near))
    ledge = 0.05 * noise.fbm(x / 11 + 3, z / 11, 4)
    face = np.zeros_like(x)
    for low, high, share in [
        (-0.14, -0.02, 0.26),
        (0.02, 0.10, 0.20),
        (0.12, 0.24, 0.26),
        (0.25, 0.34, 0.16),
        (0.36, 0.62, 0.12),
    ]:
        face += share * step(low, high, inside + ledge)
    heights = -6.0 + (top + 6.0) * face
    for cx, cz, radius, tall in [
        (-15, 131, 9, 8),
        (-27, 141, 6, 4.5),
        (-7, 118, 6, 3.4),
        (10, 104, 7, 2.6),
        (-42, 160, 7, 3.4),
    ]:
        away = np.hypot(x - cx, (z - cz) * 0.8) / radius + 0.55 * noise.fbm(x / 4.5, z / 4.5, 5, 0.6)
        heights = np.maximum(heights, -4.0 + (tall + 4.0) * (1.0 - step(0.10, 1.2, away)) ** 1.2)
    stone = step(0.02, 0.2, face) * (1.0 - step(0.86, 1.0, face))
    heights += stone * (1.5 * noise.fbm(x / 3.6, z / 3.6, 5, 0.55) + 1.0 * (noise.ridged(x / 5, z / 5, 4) - 0.5))
    return Ground(-130.0, 55.0, 0.2, heights.astype(np.float32))


def weather(ground: Ground) -> dict[str, Plane]:
    """Light on the headland's grid: normals, shadow, how open to the sky, nearness of the shore."""
    heights = ground.heights
    wide = cv2.GaussianBlur(heights, (0, 0), 14) - heights
    fine = cv2.GaussianBlur(heights, (0, 0), 4) - heights
    return {
        "normals": ground.normals(),
        "sun": ground.sunlit(tuple(float(v) for v in SUN), 90.0, 40, 1.0),
        "open": np.clip(1.0 - 0.10 * wide - 0.26 * fine, 0.12, 1.3),
        "shore": cv2.GaussianBlur((heights > -0.3).astype(np.float32), (0, 0), 16),
    }


def heaven(camera: Camera) -> Plane:
    """The whole sky dome above the horizon (rows below repeat it mirrored), with two sheets of cloud."""
    small = Camera(camera.width // 2, camera.height // 2, camera.focal / 2, camera.horizon / 2, camera.eye)
    u, v = small.rays()
    v = np.maximum(np.abs(v), 0.0004)
    away = u - GLOW
    warm = np.exp(-((away / 0.42) ** 2))
    near = ramp(
        [
            (0.00, light("#ff9448", 1.00)),
            (0.03, light("#ff8350", 0.86)),
            (0.09, light("#ee6f6c", 0.66)),
            (0.18, light("#aa6094", 0.56)),
            (0.32, light("#565490", 0.52)),
            (0.60, light("#232c5e", 0.50)),
        ],
        v,
    )
    far = ramp(
        [
            (0.00, light("#d08c9c", 0.62)),
            (0.07, light("#a07ca4", 0.52)),
            (0.18, light("#64649a", 0.48)),
            (0.32, light("#3c4a82", 0.46)),
            (0.60, light("#192552", 0.46)),
        ],
        v,
    )
    sky = blend(far, near, warm)
    sky += np.exp(-((away / 0.16) ** 2 + (v / 0.045) ** 2))[..., None] * light("#ffb45e", 1.15)
    noise = Noise(3)
    sky = cirrus(sky, u, v, warm, noise)
    sky = cumulus(sky, u, v, away, noise)
    return cv2.resize(sky, (camera.width, camera.height), interpolation=cv2.INTER_CUBIC)


def cirrus(sky: Plane, u: Plane, v: Plane, warm: Plane, noise: Noise) -> Plane:
    """A high, combed sheet that catches the last pink."""
    reach = 1.0 / (v + 0.10)
    x, z = u * reach * 1.5, reach * 0.9
    bend = noise.fbm(x * 0.7 + 3, z * 0.7, 3)
    strand = noise.fbm(x * 0.9 + bend * 0.9 + z * 0.5, z * 2.4 + bend * 0.6 - x * 0.6, 6, 0.56)
    body = noise.fbm(x * 0.6 + 9, z * 0.8, 3)
    cover = step(-0.02, 0.62, strand * 0.75 + body * 0.55) * step(0.06, 0.17, v) * 0.85
    colour = blend(light("#8a80b8", 0.52), light("#f5a496", 0.90), np.clip(warm * 1.1 + 0.16 - v * 0.5, 0, 1))
    return blend(sky, colour, cover)


def cumulus(sky: Plane, u: Plane, v: Plane, away: Plane, noise: Noise) -> Plane:
    """The low sheet in perspective, lit from underneath and behind."""
    reach = 1.0 / (v + 0.045)
    x, z = u * reach * 0.62, reach * 0.62

    def density(px: Plane, pz: Plane, octaves: int) -> Plane:
        wx = noise.fbm(px * 0.55 + 5.2, pz * 0.55 + 1.3, 3)
        wz = noise.fbm(px * 0.55 - 8.1, pz * 0.55 + 6.7, 3)
        return noise.fbm(px * 0.62 + wx * 0.85, pz * 1.05 + wz * 0.85, octaves, 0.53)

    here = density(x, z, 7)
    toward = density(x + (GLOW * reach * 0.62 - x) * 0.06, z + 0.20, 5)
    rows = step(0.0, 0.02, v) * (1.0 - step(0.22, 0.50, v))
    cover = step(0.02, 0.34, here + 0.16 * rows - 0.10) * (0.15 + 0.85 * rows)
    thick = np.clip(here * 1.7, 0.0, 1.0)
    lit = np.clip(0.52 + 1.5 * (here - toward) - 0.50 * thick, 0.0, 1.0)
    fire = np.exp(-((away / 0.36) ** 2)) * np.exp(-v * 3.2)
    bright = blend(light("#d58bab", 0.85), light("#ff9a5a", 1.75), np.clip(fire * 1.25, 0, 1))
    dark = blend(light("#4a4579", 0.50), light("#84507a", 0.62), np.clip(fire * 1.4, 0, 1))
    cloud = blend(dark, bright, lit)
    rim = step(0.0, 0.45, cover) * (1.0 - step(0.35, 0.95, cover)) * np.clip(fire * 1.3, 0, 1)
    cloud = cloud + rim[..., None] * light("#ffb877", 0.5)
    return blend(sky, cloud, cover * 0.93)


def sea(camera: Camera, sky: Plane, ground: Ground, layers: dict[str, Plane]) -> Plane:
    """Water to the horizon: waves tilt the mirror, the slope decides how much it shows, foam lies along the shore."""
    top = int(camera.horizon)
    u, v = (plane[top:] for plane in camera.rays())
    z = camera.eye / np.maximum(-v, 2e-4)
    x = u * z
    noise = Noise(21)
    pixel = z / camera.focal * (z / camera.eye)  # metres of water under one pixel, looking along
    tilt, lean = np.zeros_like(z), np.zeros_like(z)
    for size, steep in [(34.0, 0.030), (15.0, 0.040), (6.5, 0.050), (2.8, 0.050), (1.2, 0.045), (0.55, 0.035)]:
        keep = steep * np.clip(1.4 - pixel / size * 1.2, 0.0, 1.0)
        if float(keep.max()) > 0:
            swirl = noise.at(x / size * 0.5 + 7, z / size * 0.6) * 0.9
            tilt += keep * noise.at(x / size * 0.62 + swirl + size, z / size * 1.15 - x / size * 0.25)
            lean += keep * noise.at(x / size * 0.62 - size * 3, z / size * 1.15 + swirl)
    rough = 0.020 + 0.05 * np.clip(pixel / 12.0, 0.0, 1.0)
    rise = np.abs(-v + 1.15 * tilt * (0.35 + 1.0 * np.minimum(-v * 6, 1.0)) + rough)
    column = (u + lean * 0.5) * camera.focal + camera.width / 2
    row = camera.horizon - rise * camera.focal
    mirror = cv2.remap(
        sky, column.astype(np.float32), row.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    half = Camera(camera.width // 2, camera.height // 2, camera.focal / 2, camera.horizon / 2, -camera.eye)
    below = ground.cast(half, 60.0, 460.0, 700, 0.0)
    dark = rock(below, ground, layers)
    shape = below.hit.astype(np.float32)
    bounce = camera.horizon - (-v + 0.7 * tilt + 0.004) * camera.focal
    spot = ((column * 0.5).astype(np.float32), (bounce * 0.5).astype(np.float32))
    over = cv2.remap(cv2.GaussianBlur(shape, (0, 0), 2), *spot, cv2.INTER_LINEAR)
    mirror = blend(mirror, cv2.remap(dark, *spot, cv2.INTER_LINEAR) * 0.8, over * 0.92)
    facing = np.clip(-v + 1.1 * tilt, 0.015, 1.0)
    fresnel = 0.03 + 0.97 * (1.0 - np.clip(facing / np.sqrt(1 + v**2), 0, 1)) ** 5.5
    deep = blend(light("#16304f", 0.55), light("#2b3f63", 0.6), np.clip(tilt * 8 + 0.3, 0, 1))
    water = blend(deep, mirror, np.clip(fresnel, 0.10, 0.96))
    glint = np.clip(tilt * 9.0 - 0.30, 0, 1) ** 2 * np.exp(-(((u - GLOW) / 0.12) ** 2)) * np.exp(v * 4.0)
    water += glint[..., None] * light("#ffb070", 1.5)
    shore = ground.read(layers["shore"], x, z) * (z < 455) * (z > 57)
    lace = noise.fbm(x / 2.6, z / 4.0, 5, 0.6) + 0.4 * noise.at(x / 9, z / 12)
    foam = step(0.0, 0.60, shore * 1.5 + 0.75 * lace - 0.30) * step(0.005, 0.12, shore)
    water = blend(water, light("#c9b6cc", 0.62), foam * 0.8)
    whole = np.zeros_like(sky)
    whole[top:] = water
    return whole


def rock(view: View, ground: Ground, layers: dict[str, Plane]) -> Plane:
    """Colour of the headland where it is seen: strata and lichen on the faces, grass on the flats, wet at the foot."""
    x, y, z = view.x, view.y, view.z
    noise = Noise(31)
    normal = ground.read(layers["normals"], x, z)
    side = np.abs(normal[..., 0])
    along = np.where(side > 0.6, z, x) * 0.8 + np.where(side > 0.6, x, z) * 0.35
    rough = noise.fbm(along / 1.3, y / 1.0 + z * 0.2, 5, 0.6)
    crack = noise.ridged(along / 3.4 + 0.5 * rough, y / 5.0 + along / 9, 4)
    bed = y / 2.3 + 0.9 * noise.fbm(x / 16, z / 16, 3) + 0.10 * x / 2.3
    strata = noise.fbm(along / 13, bed * 1.6, 4, 0.6)
    bump = np.stack([0.50 * rough + 0.40 * (crack - 0.5), 0.55 * strata + 0.2 * rough, 0.3 * rough], axis=-1)
    normal = normal + bump * 1.05
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    flat = step(0.58, 0.82, normal[..., 1] + 0.10 * rough) * step(9.0, 17.0, y + 3.0 * rough)
    stone = blend(light("#6a5f66"), light("#a08d80"), np.clip(0.5 + 0.65 * strata + 0.3 * rough, 0, 1))
    speck = noise.fbm(along * 3.1, y * 3.1 + z, 4, 0.65)
    stone *= (1.0 + 0.55 * speck)[..., None]
    stone = blend(stone, light("#2e2a33"), step(0.50, 0.85, crack) * 0.75)
    stone = blend(stone, light("#8d8450"), step(0.25, 0.75, noise.fbm(x / 6, (y + z) / 6, 4)) * step(8, 20, y) * 0.35)
    wet = 1.0 - step(0.3, 3.4, y + 1.3 * rough)
    stone = blend(stone, light("#26252d"), wet * 0.8)
    tuft = noise.fbm(x / 1.2, z / 1.2, 4, 0.6)
    grass = blend(
        light("#46552f"), light("#8c8748"), np.clip(0.5 + 0.5 * tuft + 0.45 * noise.fbm(x / 14, z / 14, 3), 0, 1)
    )
    albedo = blend(stone, grass, flat)
    opening = ground.read(layers["open"], x, z)
    sun = np.clip(normal @ SUN, 0.0, 1.0) * ground.read(layers["sun"], x, z)
    fill = (0.42 + 0.38 * normal[..., 1] - 0.22 * normal[..., 2]) * opening
    side = np.clip(-normal[..., 0], 0.0, 1.0) * opening
    shine = (
        sun[..., None] * light("#ff8a4c", 3.6)
        + fill[..., None] * light("#7f7fc8", 0.46)
        + side[..., None] * light("#e0787c", 0.40)
    )
    return albedo * shine * (0.75 + 0.35 * (1.0 - step(0.5, 0.9, crack)))[..., None]


def haze(picture: Plane, camera: Camera, view: View) -> None:
    """A thin bright band of moisture along the horizon, in place."""
    u, v = camera.rays()
    veil = np.exp(-np.abs(v) / 0.016) * 0.5 + np.exp(-np.abs(v) / 0.07) * 0.12
    warm = np.exp(-(((u - GLOW) / 0.40) ** 2))
    colour = blend(light("#b98aa6", 0.62), light("#ffae78", 1.2), warm)
    veil = np.where(
        view.hit, 0.16 * step(110.0, 260.0, view.z) + 0.05 * warm, veil
    )  # the headland stands in front of it
    picture += (colour - picture) * veil[..., None]


def birds(picture: Plane, scale: int) -> None:
    """Gulls over the water, drawn as tapered wings, in place."""
    flock = [(640, 300, 17, 0.3, -0.16), (712, 262, 12, -0.3, 0.20), (742, 330, 9, 0.5, 0.05), (548, 356, 7, 0.1, -0.3)]
    flock += [(838, 246, 7, -0.4, 0.14), (1010, 404, 10, 0.6, 0.26), (1064, 372, 6, 0.0, -0.18)]
    mask = np.zeros(picture.shape[:2], np.uint8)
    for x, y, span, lift, roll in flock:
        t = np.linspace(-1.0, 1.0, 41)
        arch = -np.abs(np.sin(np.abs(t) ** 0.8 * np.pi * 0.62)) * (0.42 + 0.18 * lift) + 0.12 * t**2
        thick = 0.085 * (1.0 - np.abs(t)) ** 0.7 + 0.012 + 0.10 * np.exp(-((t / 0.07) ** 2))
        upper = np.stack([t, arch + roll * t - thick / 2], axis=1)
        lower = np.stack([t, arch + roll * t + thick / 2 + 0.05 * np.exp(-((t / 0.09) ** 2))], axis=1)
        outline = np.concatenate([upper, lower[::-1]]) * span * scale + np.array([x, y]) * scale
        cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    picture += (light("#2b2846", 0.8) - picture) * (mask.astype(np.float32) / 255.0 * 0.9)[..., None]
