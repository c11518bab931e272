"""A variant as faces in space: nose along +x, left along +y, up along +z.

Every part is [F, 4, 3] quadrilaterals with a paint for each face. Tubes are closed rings
of faces that look outward; wings and fins are single sheets, seen from both sides.
"""

from typing import NamedTuple

import numpy as np

SIDES = 12  # of a fuselage ring
BODY, BELLY, STRIPE, FIN, WING, ENGINE, DARK, PROPELLER = range(8)  # paints

# Rings of the fuselage: place along it (nose 0, tail 1), radius, lift of the centre.
BARREL = ((0.22, 1, 0), (0.36, 1, 0), (0.5, 1, 0), (0.64, 1, 0), (0.74, 0.97, 0.03))
TAIL_CONE = ((0.82, 0.8, 0.18), (0.9, 0.55, 0.38), (0.96, 0.32, 0.55), (1.0, 0.1, 0.68))
NOSES = {
    "round": ((0, 0.12, 0), (0.015, 0.45, 0), (0.05, 0.75, 0), (0.1, 0.94, 0)),
    "pointed": ((0, 0.02, -0.1), (0.05, 0.3, -0.05), (0.11, 0.62, 0), (0.17, 0.88, 0)),
    "drooped": (
        (0, 0.1, -0.6),
        (0.03, 0.38, -0.45),
        (0.08, 0.7, -0.2),
        (0.15, 0.93, 0),
    ),
}

WING_HEIGHTS = {"low": -0.6, "mid": 0.0, "high": 0.75}  # in radii of the fuselage


class Faces(NamedTuple):
    """Quadrilaterals of one or more parts."""

    corners: np.ndarray  # [F, 4, 3]
    paint: np.ndarray  # [F] index of a paint
    sheet: np.ndarray  # [F] bool, lit from both sides


def airframe(variant) -> Faces:
    """All faces of a variant; the fuselage is centred at the origin."""
    parts = [fuselage(variant), *wings(variant), *tail(variant), *engines(variant)]
    return Faces(*(np.concatenate(field) for field in zip(*parts, strict=True)))


def fuselage(variant) -> Faces:
    rings = np.array((*NOSES[variant.nose], *BARREL, *TAIL_CONE))
    radius = variant.width / 2
    x = variant.length * (0.5 - rings[:, 0])
    z = radius * rings[:, 2]
    faces = tube(x, radius * rings[:, 1], np.zeros_like(x), z)
    corners = faces.corners
    middle_z = np.repeat((z[:-1] + z[1:]) / 2, SIDES)
    height = (corners[..., 2].mean(1) - middle_z) / radius
    along = 0.5 - corners[..., 0].mean(1) / variant.length
    paint = np.full(len(corners), BODY)
    paint[height < -0.45] = BELLY
    paint[np.abs(height + 0.05) < 0.22] = STRIPE
    paint[(along > 0.035) & (along < 0.085) & (height > 0.3)] = DARK  # cockpit
    return Faces(corners, paint, faces.sheet)


def wings(variant):
    """Both halves, in strips so that parts behind each other sort well."""
    radius = variant.width / 2
    root_z = radius * WING_HEIGHTS[variant.wing]
    root_x = variant.length * variant.wing_at
    tip_y = variant.span / 2
    rise = 0.09 if variant.wing == "low" else 0.02
    slope = np.tan(np.radians(variant.sweep))
    for side in (-1, 1):
        y = np.linspace(0, tip_y, 5)
        share = y / tip_y
        chord = 0.24 * (1 - 0.68 * share)
        lead = root_x + 0.12 - y * slope
        z = root_z + rise * share * tip_y
        yield sheet(lead, lead - chord, side * y, z, WING)
        if variant.winglets:
            top = np.array([z[-1], z[-1] + 0.11])
            lead2 = np.array([lead[-1], lead[-1] - 0.06])
            back2 = np.array([lead[-1] - chord[-1], lead[-1] - chord[-1] - 0.03])
            yield sheet(lead2, back2, side * np.array([tip_y, tip_y + 0.02]), top, FIN)


def tail(variant):
    """The fin and the tailplane, or the two surfaces of a V tail."""
    radius, back = variant.width / 2, -0.5 * variant.length
    base = 0.55 * radius
    if variant.tail == "V":
        for side in (-1, 1):
            yield sheet(
                back + np.array([0.2, 0.02]),
                back + np.array([0.03, -0.07]),
                side * np.array([0, 0.16]),
                base + np.array([0, 0.17]),
                FIN,
            )
        return
    height = 0.2
    yield sheet(
        back + np.array([0.22, 0.1, 0.02]),
        back + np.array([0.02, -0.02, -0.06]),
        np.zeros(3),
        base + np.array([0, 0.5 * height, height]),
        FIN,
    )
    share = {"low": 0.05, "cross": 0.5, "T": 1.0}[variant.tail]
    start = back + 0.13 - 0.12 * share
    for side in (-1, 1):
        yield sheet(
            start + np.array([0, -0.11]),
            start + np.array([-0.1, -0.16]),
            side * np.array([0, 0.18]),
            base + share * height + np.zeros(2),
            WING,
        )


def engines(variant):
    """Nacelles in pairs, a third one in the fin's root."""
    pairs, odd = divmod(variant.engines, 2)
    radius = variant.width / 2
    if odd:
        back = -0.5 * variant.length
        yield from nacelle(back + 0.2, 0, radius + 0.035, 0.16, 0.03)
    for pair in range(pairs):
        for side in (-1, 1):
            if variant.place == "rear":
                x = -0.5 * variant.length + 0.3
                yield from nacelle(x, side * (radius + 0.035), 0.3 * radius, 0.16, 0.03)
                continue
            share = (0.32, 0.62)[pair]
            y = share * variant.span / 2
            lead = variant.length * variant.wing_at + 0.12
            lead -= y * np.tan(np.radians(variant.sweep))
            z = radius * WING_HEIGHTS[variant.wing]
            if variant.place == "wing":
                yield from nacelle(lead + 0.07, side * y, z - 0.04, 0.15, 0.034)
            else:
                yield from nacelle(lead + 0.07, side * y, z, 0.15, 0.02)
                yield disc(lead + 0.08, side * y, z, 0.085, PROPELLER)


def nacelle(x, y, z, length, radius):
    """A tube with a dark mouth, its front at x."""
    places = np.array([x, x - 0.3 * length, x - length])
    radii = radius * np.array([0.9, 1.0, 0.5])
    faces = tube(places, radii, np.full(3, y), np.full(3, z), sides=8, paint=ENGINE)
    yield faces
    yield disc(x + 0.001, y, z, 0.75 * radius, DARK)


def disc(x, y, z, radius, paint) -> Faces:
    """An octagon that looks ahead."""
    angles = np.linspace(0, 2 * np.pi, 9)
    rim = np.stack(
        [np.full(9, x), y + radius * np.cos(angles), z + radius * np.sin(angles)], -1
    )
    middle = np.broadcast_to([x, y, z], (4, 3))
    corners = np.stack([middle, rim[0:8:2], rim[1:9:2], rim[2:10:2]], 1)
    return Faces(corners, np.full(4, paint), np.ones(4, bool))


def tube(x, radius, y, z, sides=SIDES, paint=BODY) -> Faces:
    """Faces between rings of `radius` around (x, y, z)."""
    angles = np.linspace(0, 2 * np.pi, sides + 1)
    ring = np.stack(
        [
            np.broadcast_to(x[:, None], (len(x), sides + 1)),
            y[:, None] + radius[:, None] * np.cos(angles),
            z[:, None] + radius[:, None] * np.sin(angles),
        ],
        -1,
    )
    corners = np.stack(
        [ring[:-1, :-1], ring[:-1, 1:], ring[1:, 1:], ring[1:, :-1]], axis=2
    ).reshape(-1, 4, 3)
    return Faces(corners, np.full(len(corners), paint), np.zeros(len(corners), bool))


def sheet(lead, back, y, z, paint) -> Faces:
    """Strips between a leading and a trailing edge, given by stations along the span."""
    front = np.stack([lead, y, z], -1)
    rear = np.stack([back, y, z], -1)
    corners = np.stack([front[:-1], front[1:], rear[1:], rear[:-1]], axis=1)
    return Faces(corners, np.full(len(corners), paint), np.ones(len(corners), bool))
