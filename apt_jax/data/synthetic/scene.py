"""A photograph of a variant: pose, livery, light, background, lens, obstacles.

One knob, `variance` in [0, 1], scales all of these nuisances: at 0 every picture is the
same studio shot of its variant, at 1 two pictures of one variant can differ more than
two variants do. Faces are drawn back to front (painter's algorithm) with Lambert shading
at twice the size, then reduced.
"""

import colorsys

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from apt_jax.data.synthetic import airframe as parts

OVERSAMPLING = 2
STUDIO_POSE = (-38.0, 22.0, 0.0)  # yaw, pitch, roll in degrees
POSE_RANGE = (55.0, 16.0, 14.0)  # at variance 1, to either side
STUDIO_LIGHT = (0.35, 0.45, 0.82)
AMBIENT = 0.42


def render(variant, generator: np.random.Generator, variance: float, size: int):
    """[size, size, 3] uint8: one photograph of `variant`.

    Args:
        generator: all chance of the picture.
        variance: the strength of all nuisances, in [0, 1].
    """
    canvas = OVERSAMPLING * size
    image = background(generator, variance, canvas)
    faces = parts.airframe(variant)
    corners = pose(faces.corners, generator, variance)
    colours = shade(faces, corners, generator, variance)
    draw_faces(image, project(corners, generator, variance, canvas), corners, colours)
    obstacle(image, generator, variance)
    image = image.resize((size, size), Image.Resampling.BOX)
    return develop(image, generator, variance)


def pose(corners, generator, variance):
    """Corners turned by yaw, pitch and roll; the camera looks along +y."""
    chance = generator.uniform(-1, 1, 3) * POSE_RANGE * np.array(variance)
    yaw, pitch, roll = np.radians(np.array(STUDIO_POSE) + chance)
    if generator.random() < 0.5 * variance:
        yaw = np.pi - yaw  # flying the other way
    about_x = _turn(roll, 1, 2)
    about_z = _turn(yaw, 0, 1)
    tilt = _turn(pitch, 1, 2)  # of the camera, from above
    return corners @ (tilt @ about_z @ about_x).T


def project(corners, generator, variance, canvas):
    """[F, 4, 2] places on the canvas, in weak perspective."""
    distance = 4.0
    shrink = distance / (distance + corners[..., 1:2])
    flat = corners[..., [0, 2]] * shrink * [1, -1]
    scale = 0.84 * canvas * (1 + 0.22 * variance * generator.uniform(-1, 0.4))
    shift = canvas * (0.5 + 0.09 * variance * generator.uniform(-1, 1, 2))
    return flat * scale + shift


def shade(faces, corners, generator, variance):
    """[F, 3] colours in [0, 255] after paint and light."""
    normal = np.cross(corners[:, 3] - corners[:, 1], corners[:, 2] - corners[:, 0])
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-9
    light = np.array(STUDIO_LIGHT) * [1, -1, 1]
    light = light + 0.7 * variance * generator.uniform(-1, 1, 3)
    light /= np.linalg.norm(light)
    facing = normal @ light
    facing = np.where(faces.sheet, np.abs(facing), np.maximum(facing, 0))
    brightness = AMBIENT + (1 - AMBIENT) * facing
    brightness = brightness * (1 + 0.25 * variance * generator.uniform(-1, 1))
    return np.clip(
        livery(generator, variance)[faces.paint] * brightness[:, None], 0, 255
    )


def livery(generator, variance):
    """[8, 3] colours of the paints: white and blue in the studio, any colour outside."""
    accent = _hue(0.6 + variance * generator.uniform(-0.5, 0.5), 0.75, 0.62)
    second = _hue(0.6 + variance * generator.uniform(-0.5, 0.5), 0.6, 0.75)
    body = np.array([240.0, 242, 245])
    dyed = _hue(generator.random(), 0.45, 0.9)
    body = body + (dyed - body) * variance * (generator.random() < 0.35)
    stripe = accent if generator.random() < 1 - 0.5 * variance else body
    grey = 178 + 30 * variance * generator.uniform(-1, 1)
    colours = [body, 0.78 * body, stripe, accent, [grey] * 3, second, [45, 50, 60]]
    return np.array([*colours, [205, 208, 212]], float)


def draw_faces(image, places, corners, colours):
    """Paints the faces, the farthest first."""
    draw = ImageDraw.Draw(image)
    order = np.argsort(-corners[..., 1].mean(1), kind="stable")
    polygons = places.reshape(len(places), -1)[order].tolist()
    fills = colours[order].astype(int).tolist()
    for polygon, fill in zip(polygons, fills, strict=True):
        draw.polygon(polygon, fill=tuple(fill))


def background(generator, variance, canvas) -> Image.Image:
    """Sky, perhaps with clouds, hills or an apron."""
    top = _hue(0.58 + 0.08 * variance * generator.uniform(-1, 1), 0.45, 0.86)
    bottom = _hue(0.56, 0.12, 0.97)
    warm = _hue(0.07, 0.35, 0.95)
    bottom = bottom + (warm - bottom) * variance * generator.random()
    dim = 1 - 0.45 * variance * generator.random()
    share = np.linspace(0, 1, canvas)[:, None, None]
    sky = np.broadcast_to((top + (bottom - top) * share) * dim, (canvas, canvas, 3))
    image = Image.fromarray(sky.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(generator.binomial(6, 0.6 * variance)):
        _cloud(draw, generator, canvas, dim)
    ground = generator.random()
    if ground < 0.45 * variance:
        _hills(draw, generator, canvas, dim)
    elif ground < 0.75 * variance:
        _apron(draw, generator, canvas, dim)
    return image


def obstacle(image, generator, variance):
    """Now and then a pole, a fence or a bush in front."""
    if generator.random() >= 0.4 * variance:
        return
    canvas, draw = image.size[0], ImageDraw.Draw(image)
    tone = tuple(int(v) for v in generator.integers(30, 120, 3))
    if generator.random() < 0.5:
        left = generator.uniform(0.05, 0.9) * canvas
        draw.rectangle(
            [left, 0, left + generator.uniform(0.02, 0.06) * canvas, canvas], tone
        )
        return
    for _ in range(5):
        x, r = generator.uniform(0, canvas), generator.uniform(0.06, 0.15) * canvas
        draw.ellipse([x - r, canvas - 1.6 * r, x + r, canvas + r], fill=tone)


def develop(image, generator, variance) -> np.ndarray:
    """Blur and sensor noise."""
    radius = 1.1 * variance * generator.random()
    if radius > 0.2:
        image = image.filter(ImageFilter.GaussianBlur(radius))
    pixels = np.asarray(image, np.float32)
    pixels = pixels + 9 * variance * generator.random() * generator.normal(
        size=pixels.shape
    )
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _cloud(draw, generator, canvas, dim):
    x, y = generator.uniform(0, canvas), generator.uniform(0, 0.6 * canvas)
    tone = int(dim * generator.integers(228, 252))
    for _ in range(4):
        dx, dy = generator.uniform(-0.14, 0.14, 2) * canvas
        w, h = (
            generator.uniform(0.06, 0.16) * canvas,
            generator.uniform(0.025, 0.06) * canvas,
        )
        draw.ellipse(
            [x + dx - w, y + dy / 4 - h, x + dx + w, y + dy / 4 + h], (tone,) * 3
        )


def _hills(draw, generator, canvas, dim):
    x = np.linspace(0, canvas, 9)
    y = canvas * (0.86 + 0.07 * generator.uniform(-1, 1, 9))
    colour = tuple(int(v * dim) for v in _hue(generator.uniform(0.2, 0.42), 0.4, 0.5))
    draw.polygon([*zip(x, y, strict=True), (canvas, canvas), (0, canvas)], fill=colour)


def _apron(draw, generator, canvas, dim):
    top = canvas * generator.uniform(0.72, 0.9)
    grey = int(dim * generator.integers(110, 160))
    draw.rectangle([0, top, canvas, canvas], fill=(grey, grey, grey + 5))
    line = top + generator.uniform(0.03, 0.08) * canvas
    draw.line([0, line, canvas, line], fill=(220, 200, 90), width=canvas // 64)


def _turn(angle, i, j):
    """A rotation in the plane of axes i and j."""
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = np.cos(angle)
    matrix[i, j], matrix[j, i] = -np.sin(angle), np.sin(angle)
    return matrix


def _hue(hue, saturation, value):
    return 255 * np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value))
