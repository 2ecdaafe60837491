"""Draw `fixtures/street.png`: a street scene made of formulas, so that no third-party picture is in the repository.

Ground, buildings and cars are convex bodies hit by one ray per sample and textured in world coordinates; trees, poles
and people are flat sprites with a depth. World axes in metres: X right, Y up, Z forward; the camera stands at `EYE`.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT, SAMPLES = 480, 360, 3  # SAMPLES per pixel and axis
FOCAL, HORIZON = 430.0, 176.0  # in output pixels
EYE = np.array([-1.7, 1.55, 0.0])
ROAD_HALF, FACADE = 5.2, 8.6  # the kerb's and the house fronts' distance from the road's middle
HAZE = np.array([214, 220, 226], float)

Array = np.ndarray


def hash01(i: Array, j: Array, seed: int) -> Array:
    """A number in [0, 1) for each lattice point."""
    with np.errstate(over="ignore"):
        h = i.astype(np.int64).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        h ^= j.astype(np.int64).astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F) + np.uint64(seed)
        h = (h ^ (h >> np.uint64(31))) * np.uint64(0xBF58476D1CE4E5B9)
        h ^= h >> np.uint64(29)
    return (h >> np.uint64(40)).astype(float) / 2**24


def noise(x: Array, y: Array, seed: int, octaves: int = 3) -> Array:
    """Smooth noise in [-1, 1]; the coarsest octave has features of size 1."""
    total, size = np.zeros(np.broadcast(x, y).shape), 0.0
    for octave in range(octaves):
        fx, fy = x * 2**octave, y * 2**octave
        i, j = np.floor(fx), np.floor(fy)
        a, b = fx - i, fy - j
        a, b = a * a * (3 - 2 * a), b * b * (3 - 2 * b)
        corners = [[hash01(i + di, j + dj, seed + octave) for di in (0, 1)] for dj in (0, 1)]
        rows = [r[0] + (r[1] - r[0]) * a for r in corners]
        total += (rows[0] + (rows[1] - rows[0]) * b) * 0.5**octave
        size += 0.5**octave
    return 2 * total / size - 1


def tint(colour: tuple, gain: Array) -> Array:
    return np.asarray(colour, float) * gain[..., None]


def paint(colour: Array, where: Array, new: Array | tuple) -> None:
    colour[where] = np.broadcast_to(np.asarray(new, float), colour.shape)[where]


@dataclass
class Body:
    """A convex body `normal . p <= offset`; `shade(points, normal index)` gives its colour."""

    normals: list
    offsets: list
    shade: object


def box(low: tuple, high: tuple, shade: object) -> Body:
    """Faces in the order -x, +x, -y, +y, -z, +z."""
    normals, offsets = [], []
    for axis in range(3):
        for sign, bound in ((-1, low), (1, high)):
            normal = np.zeros(3)
            normal[axis] = sign
            normals.append(normal)
            offsets.append(sign * bound[axis])
    return Body(normals, offsets, shade)


def hit(body: Body, rays: Array) -> tuple[Array, Array]:
    """Distance along each ray (infinite where it misses) and the face that it enters by."""
    enter, leave = np.full(rays.shape[:-1], 0.1), np.full(rays.shape[:-1], np.inf)
    face = np.zeros(rays.shape[:-1], int)
    for k, (normal, offset) in enumerate(zip(body.normals, body.offsets, strict=True)):
        slope, room = rays @ normal, offset - EYE @ normal
        with np.errstate(divide="ignore", invalid="ignore"):
            t = room / slope
        entering = (slope < 0) & (t > enter)
        enter, face = np.where(entering, t, enter), np.where(entering, k, face)
        leave = np.where((slope > 0) & (t < leave), t, leave)
        leave = np.where((slope == 0) & (room < 0), -1, leave)
    return np.where(enter < leave, enter, np.inf), face


def sky(rays: Array) -> Array:
    """A bright, smooth gradient with soft clouds."""
    up = np.clip(rays[..., 1] / np.linalg.norm(rays, axis=-1), 0, 1)
    horizon, zenith = np.array([240, 243, 246]), np.array([176, 208, 240])
    colour = horizon + (zenith - horizon) * np.clip(up * 1.9, 0, 1)[..., None]
    cloud = noise(rays[..., 0] * 3.2 / (up + 0.25), 4 / (up + 0.3), 11, 4)
    return colour + (252 - colour) * np.clip(cloud * 1.3 + 0.25, 0, 0.9)[..., None]


def ground(p: Array) -> Array:
    """Asphalt with marks, kerbs and slabs, by `(X, Z)`."""
    x, z = p[..., 0], p[..., 2]
    grain = noise(x * 9, z * 9, 21, 2) * 0.09 / (1 + z / 9) + noise(x * 0.7, z * 0.16, 22, 4) * 0.10
    wheel = 0.05 * np.cos((np.abs(x) - 1.7) * 4.2)
    colour = tint((97, 97, 101), 1 + grain + wheel)
    worn = noise(x * 5, z * 5, 23, 2) > -0.55
    paint(colour, (np.abs(x) < 0.07) & (z % 6 < 3.2) & worn, (214, 214, 210))
    for edge in (ROAD_HALF - 0.28, ROAD_HALF - 0.5):
        paint(colour, (np.abs(np.abs(x) - edge) < 0.05) & worn, (196, 172, 84))
    patch = (np.abs(x + 2.4) < 0.4) & (np.abs(z - 8.2) < 0.3)
    colour[patch] *= 0.72
    pavement = np.abs(x) > ROAD_HALF + 0.16
    joint = (np.abs((z % 0.9) - 0.02) < 0.025) | (np.abs((x + (z // 0.9 % 2) * 0.3) % 0.6 - 0.02) < 0.02)
    tone = hash01(np.floor((x + (z // 0.9 % 2) * 0.3) / 0.6), np.floor(z / 0.9), 24) * 0.14 - 0.07
    slabs = tint((152, 145, 137), 1 + tone + noise(x * 5, z * 5, 25, 3) * 0.08 - 0.17 * joint / (1 + z / 14))
    colour = np.where(pavement[..., None], slabs, colour)
    kerb = (np.abs(x) > ROAD_HALF) & ~pavement
    paint(colour, kerb, tint((176, 172, 165), 1 + noise(x * 3, z * 2, 26) * 0.1 - 0.3 * (z % 0.95 < 0.03)))
    return colour


@dataclass
class House:
    """One house of a terrace: its wall and sign colours and what its openings look like."""

    wall: tuple
    sign: tuple
    height: float
    seed: int
    bay: float = 2.3
    storey: float = 3.1

    def __call__(self, p: Array, face: Array) -> Array:
        along = np.where(face >= 4, p[..., 0], p[..., 2])
        y = p[..., 1]
        lit = np.select([face == 0, face == 1, face >= 4], [0.74, 1.04, 0.86], 0.6)
        brick = hash01(np.floor(along / 0.24 + (np.floor(y / 0.08) % 2) * 0.5), np.floor(y / 0.08), self.seed)
        near = 1 / (1 + p[..., 2] / 12)
        dirt = noise(along * 0.5, y * 0.4, self.seed + 1, 4) * 0.11 - 0.1 * np.exp(-y / 0.5)
        colour = tint(self.wall, 1 + (brick - 0.5) * 0.32 * near + dirt)
        self.openings(colour, along, y)
        return colour * lit[..., None]

    def openings(self, colour: Array, along: Array, y: Array) -> None:
        bay, storey = np.floor(along / self.bay), np.floor(y / self.storey)
        a, b = along / self.bay - bay, y / self.storey - storey
        upper = (storey >= 1) & (y < self.height - 0.9)
        self.panes(colour, upper, a, b, (0.27, 0.73, 0.22, 0.80), hash01(bay, storey, self.seed + 5))
        paint(
            colour, upper & (np.abs(a - 0.5) < 0.28) & (np.abs(b - 0.195) < 0.025), np.add(self.wall, 45).clip(0, 255)
        )
        shop = storey == 0
        self.panes(colour, shop, a, b, (0.07, 0.93, 0.13, 0.72), 0.15 + 0.3 * hash01(bay, storey, self.seed + 6))
        band = shop & (b > 0.77) & (b < 0.97)
        letters = (noise(along * 7, y * 4, self.seed + 7, 1) > 0.25) & (np.abs(b - 0.87) < 0.05) & (a > 0.2) & (a < 0.8)
        paint(colour, band, self.sign)
        paint(colour, band & letters, (232, 226, 205))
        paint(colour, y > self.height - 0.32, np.multiply(self.wall, 0.72))

    def panes(self, colour: Array, where: Array, a: Array, b: Array, edges: tuple, tone: Array) -> None:
        """Windows within `edges` (of the bay and the storey): a light frame, a mullion, dark glass that mirrors sky."""
        left, right, low, high = edges
        frame = where & (a > left) & (a < right) & (b > low) & (b < high)
        paint(colour, frame, (196, 192, 184))
        mullion = (np.abs(a - (left + right) / 2) < 0.018) | (np.abs(b - (low + 0.62 * (high - low))) < 0.016)
        glass = frame & (a > left + 0.03) & (a < right - 0.03) & (b > low + 0.03) & (b < high - 0.03) & ~mullion
        shine = 26 + 62 * tone + 55 * np.clip(b - low, 0, 1) + 22 * noise(a * 2 + tone * 9, b * 2, self.seed + 9)
        paint(colour, glass, np.stack([shine * 0.92, shine, shine * 1.1], -1))


def houses() -> list[Body]:
    left = [
        (5, 24, 8.4, (126, 84, 66), (38, 60, 52)),
        (24, 34, 10.6, (160, 142, 116), (110, 38, 36)),
        (34, 52, 8.6, (108, 76, 64), (40, 44, 70)),
        (52, 76, 13.0, (150, 132, 112), (60, 60, 60)),
        (76, 130, 10.4, (118, 92, 78), (60, 60, 60)),
    ]
    right = [
        (3, 13, 7.0, (166, 148, 122), (28, 44, 84)),
        (13, 22, 9.6, (132, 90, 72), (96, 30, 32)),
        (22, 33, 7.6, (192, 182, 164), (34, 74, 54)),
        (33, 58, 10.0, (120, 84, 70), (70, 62, 40)),
        (58, 130, 9.6, (150, 130, 108), (60, 60, 60)),
    ]
    bodies = []
    for k, (z0, z1, height, wall, sign) in enumerate(left):
        bodies.append(box((-22, -1, z0), (-FACADE, height, z1), House(wall, sign, height, 100 + 20 * k)))
    for k, (z0, z1, height, wall, sign) in enumerate(right):
        bodies.append(box((FACADE, -1, z0), (22, height, z1), House(wall, sign, height, 300 + 20 * k)))
    return bodies


@dataclass
class Coachwork:
    """Colours of a car by position; `rear` says whether the face that we see shows the tail or the head lamps."""

    x: float
    z: float
    colour: tuple
    rear: bool
    cabin: bool

    def __call__(self, p: Array, face: Array) -> Array:
        u, y, w = p[..., 0] - self.x, p[..., 1], p[..., 2] - self.z
        mirror = 0.72 + 0.36 * np.clip(y / 1.4, 0, 1) + 0.05 * noise(u * 2, w * 1.3, 77)
        lit = np.select([face == 0, face == 1, face == 3], [1.02, 0.8, 1.25], 0.88)
        colour = tint(self.colour, mirror * lit)
        if self.cabin:
            self.glass(colour, face, u, y, w)
        else:
            self.details(colour, face, u, y, w)
        return colour

    def glass(self, colour: Array, face: Array, u: Array, y: Array, w: Array) -> None:
        ends, sides = face >= 4, face <= 1
        pillar = np.where(
            ends, np.abs(u) > 0.68 - 0.25 * (y - 0.9), (np.abs(w) > 1.02 - 0.9 * (y - 0.9)) | (np.abs(w) < 0.05)
        )
        pane = (ends | sides) & (y > 0.94) & (y < 1.36) & ~pillar
        shine = 34 + 70 * np.clip(y - 0.95, 0, 1) + 20 * noise(u * 3, w * 3 + y * 2, 78)
        paint(colour, pane, np.stack([shine * 0.93, shine, shine * 1.08], -1))

    def details(self, colour: Array, face: Array, u: Array, y: Array, w: Array) -> None:
        ends, sides = face >= 4, face <= 1
        axle = np.minimum(np.abs(w - 1.25), np.abs(w + 1.25))
        paint(colour, y < 0.24, (22, 22, 24))
        paint(colour, ends & (np.abs(y - 0.42) < 0.1), np.multiply(self.colour, 0.45) + 18)
        lamp = (168, 26, 24) if self.rear else (226, 226, 216)
        paint(colour, ends & (np.abs(np.abs(u) - 0.68) < 0.13) & (np.abs(y - 0.72) < 0.10), lamp)
        paint(
            colour,
            ends & (np.abs(u) < 0.26) & (np.abs(y - 0.52) < 0.06),
            (212, 186, 70) if self.rear else (224, 224, 220),
        )
        if not self.rear:
            paint(colour, ends & (np.abs(u) < 0.45) & (np.abs(y - 0.72) < 0.06), (30, 30, 32))
        paint(colour, ends & (np.abs(np.abs(u) - 0.66) < 0.11) & (y < 0.3), (14, 14, 15))
        paint(colour, sides & (np.hypot(axle, y - 0.31) < 0.33), (18, 18, 20))
        paint(colour, sides & (np.hypot(axle, y - 0.31) < 0.19), (140, 142, 146))
        paint(colour, sides & (np.abs(y - 0.6) < 0.015), np.multiply(self.colour, 0.5))


def car(x: float, z: float, colour: tuple, rear: bool) -> list[Body]:
    """A body and a tapered cabin; `(x, z)` is the middle of the car on the ground."""
    lower = box((x - 0.86, 0.0, z - 2.05), (x + 0.86, 0.92, z + 2.05), Coachwork(x, z, colour, rear, cabin=False))
    # The bonnet falls away and the sides lean in above the waist.
    for normal, point in (((0, 1, -0.22), (x, 0.9, z - 1.2)), ((0, 1, 0.16), (x, 0.9, z + 1.2))):
        lower.normals.append(np.array(normal))
        lower.offsets.append(float(np.dot(normal, point)))
    cabin = box((x - 0.8, 0.85, z - 1.5), (x + 0.8, 1.45, z + 1.6), Coachwork(x, z, colour, rear, cabin=True))
    cabin.normals = [
        np.array(n, float) for n in ((-1, 0.3, 0), (1, 0.3, 0), (0, -1, 0), (0, 1, 0), (0, 0.7, -1), (0, 0.8, 1))
    ]
    points = ((x - 0.8, 0.9, z), (x + 0.8, 0.9, z), (x, 0.85, z), (x, 1.45, z), (x, 0.9, z - 1.45), (x, 0.9, z + 1.5))
    cabin.offsets = [float(n @ np.array(q)) for n, q in zip(cabin.normals, points, strict=True)]
    return [lower, cabin]


CARS = (
    (-1.75, 14.5, (122, 28, 30), True),
    (1.75, 21.0, (202, 204, 206), False),
    (4.15, 11.0, (52, 72, 104), False),
    (4.15, 17.2, (150, 154, 158), False),
    (4.15, 24.0, (36, 38, 42), False),
    (-4.2, 21.5, (58, 66, 70), True),
    (-1.7, 34.0, (196, 196, 192), True),
)


def shadows(colour: Array, p: Array) -> None:
    """Soft dark ground under each car, and the long shade of the right-hand houses."""
    x, z = p[..., 0], p[..., 2]
    for cx, cz, *_ in CARS:
        away = np.maximum(np.abs(x - cx) - 0.8, 0) ** 2 + np.maximum(np.abs(z - cz) - 2.0, 0) ** 2
        colour *= (1 - 0.72 * np.exp(-away / 0.06))[..., None]
    edge = x - 5.6 + 0.5 * noise(z * 0.3, z * 0, 31)
    colour *= (1 - 0.13 * (1 + np.tanh(edge * 3)))[..., None]


def cast(rays: Array) -> tuple[Array, Array]:
    """Colour and depth of everything that has a volume."""
    colour, depth = sky(rays), np.full(rays.shape[:-1], np.inf)
    down = rays[..., 1] < -1e-4
    t = np.where(down, -EYE[1] / np.where(down, rays[..., 1], -1), np.inf)
    seen = t < 400
    p = EYE + rays[seen] * t[seen][:, None]
    land = ground(p)
    shadows(land, p)
    colour[seen], depth[seen] = land, t[seen]
    for body in houses() + [part for c in CARS for part in car(*c)]:
        t, face = hit(body, rays)
        seen = t < depth
        p = EYE + rays[seen] * t[seen][:, None]
        colour[seen], depth[seen] = body.shade(p, face[seen]), t[seen]
    haze = np.where(np.isfinite(depth), 1 - np.exp(-np.minimum(depth, 400) / 170), 0)[..., None]
    return colour + (HAZE - colour) * haze, depth


def project(point: tuple) -> tuple[float, float, float]:
    """World point to sample coordinates and samples per metre there."""
    x, y, z = np.subtract(point, EYE)
    scale = FOCAL * SAMPLES / z
    return WIDTH * SAMPLES / 2 + x * scale, HORIZON * SAMPLES - y * scale, scale


def place(colour: Array, depth: Array, z: float, draw) -> None:
    """Let `draw(canvas)` paint a sprite at depth `z` over everything that is farther."""
    layer = Image.new("RGBA", (WIDTH * SAMPLES, HEIGHT * SAMPLES))
    draw(ImageDraw.Draw(layer))
    sprite = np.asarray(layer, float)
    cover = (sprite[..., 3] / 255 * (depth > z))[..., None]
    haze = 1 - np.exp(-z / 170)
    colour += (sprite[..., :3] + (HAZE - sprite[..., :3]) * haze - colour) * cover


def limb(canvas, rng, x: float, y: float, angle: float, length: float, width: float, tips: list) -> None:
    """A branch that forks until it is thin; `tips` collects where leaves go."""
    x1, y1 = x + length * np.sin(angle), y - length * np.cos(angle)
    shade = rng.uniform(0.8, 1.15)
    canvas.line((x, y, x1, y1), fill=(*(int(c * shade) for c in (62, 53, 44)), 255), width=max(1, round(width)))
    if width < 1.6:
        tips.append((x1, y1))
        return
    for turn in (-0.42, 0.0, 0.40):
        bent = angle + turn + rng.normal(0, 0.16)
        limb(canvas, rng, x1, y1, bent, length * rng.uniform(0.66, 0.84), width * 0.60, tips)


def tree(x: float, z: float, height: float, seed: int):
    def draw(canvas) -> None:
        rng = np.random.default_rng(seed)
        px, py, scale = project((x, 0, z))
        tips: list = []
        limb(canvas, rng, px, py, rng.normal(0, 0.03), height * scale * 0.30, 0.34 * scale, tips)
        top, bottom = min(t[1] for t in tips), max(t[1] for t in tips)
        for tx, ty in tips:
            for _ in range(26):
                cx, cy = rng.normal(tx, 0.30 * scale), rng.normal(ty, 0.28 * scale)
                r = rng.uniform(0.025, 0.075) * scale
                # Leaves are darker below and on the side away from the light, which comes from the right.
                light = 0.55 + 0.5 * (bottom - cy) / max(1.0, bottom - top) + 0.14 * np.tanh((cx - px) / scale / 2)
                tone = np.array([74, 86, 46]) * light * rng.uniform(0.55, 1.25)
                canvas.ellipse(
                    (cx - r, cy - r * 0.8, cx + r, cy + r * 0.8), fill=(*(int(c) for c in tone.clip(0, 255)), 255)
                )

    return z, draw


def lamp_post(x: float, z: float, side: int):
    def draw(canvas) -> None:
        px, foot, scale = project((x, 0, z))
        w = 0.07 * scale
        top = foot - 6.6 * scale
        for k in range(int(2 * w) + 1):
            tone = int(62 + 46 * np.sin(np.pi * (k + 0.5) / (2 * w + 1)))
            canvas.line((px - w + k, top, px - w + k, foot), fill=(tone, tone, tone + 3, 255))
        canvas.line(
            (px, top, px + side * 1.5 * scale, top - 0.25 * scale), fill=(86, 86, 90, 255), width=max(2, int(w))
        )
        canvas.ellipse(
            (px + side * 1.5 * scale - 3 * w, top - 0.32 * scale, px + side * 1.5 * scale + 3 * w, top - 0.14 * scale),
            fill=(120, 120, 122, 255),
        )

    return z, draw


def road_sign(x: float, z: float):
    def draw(canvas) -> None:
        px, foot, scale = project((x, 0, z))
        canvas.line((px, foot - 2.9 * scale, px, foot), fill=(112, 112, 114, 255), width=max(2, int(0.08 * scale)))
        for r, fill in ((0.36, (176, 28, 30, 255)), (0.27, (232, 232, 228, 255)), (0.12, (44, 44, 48, 255))):
            canvas.ellipse(
                (px - r * scale, foot - (2.7 + r) * scale, px + r * scale, foot - (2.7 - r) * scale), fill=fill
            )

    return z, draw


def person(x: float, z: float, coat: tuple, trousers: tuple, stride: float):
    def draw(canvas) -> None:
        px, foot, s = project((x, 0, z))

        def limb_to(x0, y0, x1, y1, width, fill):
            canvas.line(
                (px + x0 * s, foot - y0 * s, px + x1 * s, foot - y1 * s), fill=(*fill, 255), width=int(width * s)
            )

        limb_to(-0.04, 0.9, -stride, 0.05, 0.16, trousers)
        limb_to(0.05, 0.9, stride, 0.02, 0.16, tuple(int(c * 0.8) for c in trousers))
        for dx in (-stride, stride):
            canvas.ellipse((px + (dx - 0.1) * s, foot - 0.1 * s, px + (dx + 0.12) * s, foot), fill=(24, 22, 22, 255))
        canvas.rounded_rectangle(
            (px - 0.22 * s, foot - 1.48 * s, px + 0.22 * s, foot - 0.8 * s), 0.1 * s, fill=(*coat, 255)
        )
        limb_to(-0.21, 1.4, -0.27, 0.85, 0.12, tuple(int(c * 0.85) for c in coat))
        limb_to(0.21, 1.4, 0.29, 0.87, 0.12, tuple(int(c * 1.15) for c in coat))
        canvas.ellipse((px - 0.11 * s, foot - 1.76 * s, px + 0.11 * s, foot - 1.46 * s), fill=(176, 134, 112, 255))
        canvas.pieslice(
            (px - 0.12 * s, foot - 1.78 * s, px + 0.12 * s, foot - 1.52 * s), 180, 360, fill=(48, 36, 30, 255)
        )

    return z, draw


def sprites() -> list:
    found = [tree(-6.9, 19.0, 5.6, 4), tree(-6.8, 29.0, 6.4, 5), tree(-6.8, 42.0, 7.0, 6)]
    found += [tree(6.9, 30.0, 6.2, 7), tree(6.8, 44.0, 7.2, 8), tree(-3.0, 92.0, 11.0, 9), tree(3.5, 96.0, 12.0, 10)]
    found += [lamp_post(5.8, 14.2, -1), lamp_post(-5.8, 24.5, 1), lamp_post(5.8, 38.0, -1), road_sign(-5.7, 15.0)]
    found += [person(-7.3, 12.0, (44, 46, 62), (38, 40, 48), 0.2), person(-6.5, 14.0, (96, 40, 42), (44, 46, 58), 0.16)]
    return sorted(found, key=lambda sprite: -sprite[0])


def scene() -> Image.Image:
    v, u = np.mgrid[0 : HEIGHT * SAMPLES, 0 : WIDTH * SAMPLES] + 0.5
    rays = np.stack([(u / SAMPLES - WIDTH / 2) / FOCAL, (HORIZON - v / SAMPLES) / FOCAL, np.ones_like(u)], axis=-1)
    colour, depth = cast(rays)
    for z, draw in sprites():
        place(colour, depth, z, draw)
    big = Image.fromarray(colour.clip(0, 255).astype(np.uint8))
    small = big.resize((WIDTH, HEIGHT), Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(0.45))
    # A camera's slight noise, in steps of two so that the PNG stays small.
    grain = np.random.default_rng(1).normal(0, 1.3, (HEIGHT, WIDTH, 1))
    return Image.fromarray(((np.asarray(small) + grain) / 2).round().clip(0, 127).astype(np.uint8) * 2)


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw fixtures/street.png.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "fixtures" / "street.png")
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    scene().save(args.out, optimize=True)


if __name__ == "__main__":
    main()
