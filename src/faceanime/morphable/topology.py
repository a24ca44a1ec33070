"""The face mesh of 478 points: which point lies where.

Facts of MediaPipe's canonical face mesh (Kartynnik et al., arXiv 1907.06724; Grishchenko et al.,
arXiv 2006.10962). Left and right are the subject's. Contours are ordered; those of holes start at the
corner nearer to the subject's right and run along the lower edge first.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Float, Int32

LANDMARK_COUNT = 478

OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
"""From the top of the forehead, over the subject's left cheek, to the chin and back up."""

OUTER_LIPS = (
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185,
)  # fmt: skip
INNER_LIPS_LOWER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
INNER_LIPS_UPPER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
RIGHT_EYE_LOWER = (33, 7, 163, 144, 145, 153, 154, 155, 133)
RIGHT_EYE_UPPER = (33, 246, 161, 160, 159, 158, 157, 173, 133)
LEFT_EYE_LOWER = (362, 382, 381, 380, 374, 373, 390, 249, 263)
LEFT_EYE_UPPER = (362, 398, 384, 385, 386, 387, 388, 466, 263)
RIGHT_BROW = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
LEFT_BROW = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
RIGHT_IRIS = (468, 469, 470, 471, 472)
LEFT_IRIS = (473, 474, 475, 476, 477)
"""Centre first, then four points of the rim."""

NOSE = (1, 2, 4, 5, 6, 19, 45, 48, 64, 94, 97, 98, 115, 129, 168, 195, 197, 220, 237,
        275, 278, 294, 326, 327, 344, 358, 440, 457)  # fmt: skip

_CHEEKS = (50, 280, 205, 425, 123, 352, 116, 345, 117, 346, 118, 347, 101, 330, 36, 266, 234, 454, 93, 323)

FOREHEAD = (10, 338, 297, 332, 284, 251, 109, 67, 103, 54, 21, 162, 389)
RIGID = (
    *FOREHEAD,
    151, 9, 8, 168, 6, 197, 195, 122, 351, 193, 417, 245, 465,    # glabella and bridge of the nose
    33, 133, 362, 263, 130, 359, 243, 463,                        # corners of the eyes
    127, 356, 34, 264, 143, 372, 234, 454, 227, 447, 116, 345,    # temples and cheek bones
    4, 5, 1, 45, 275,                                             # ridge and tip of the nose
)  # fmt: skip
"""Points that no muscle moves much: the head's pose is read from these alone."""

EDGES_NOT_TRIANGLES = frozenset({(49, 64, 129), (279, 294, 358)})
"""3-cliques of the edge list that are no faces (the nostrils' outlines)."""


def triangles_from_edges(edges: Iterable[tuple[int, int]]) -> Int32[np.ndarray, "M 3"]:
    """The faces of a mesh given by its edges: every 3-clique, in sorted order, each with sorted corners."""
    neighbours: dict[int, set[int]] = {}
    for a, b in edges:
        neighbours.setdefault(a, set()).add(b)
        neighbours.setdefault(b, set()).add(a)
    faces = {
        (a, b, c)
        for a in neighbours
        for b, c in itertools.combinations(sorted(n for n in neighbours[a] if n > a), 2)
        if c in neighbours[b]
    }
    return np.array(sorted(faces - EDGES_NOT_TRIANGLES), dtype=np.int32)


def strip_between(lower: tuple[int, ...], upper: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """Triangles that close a hole between two contours of equal length with common ends."""
    faces = []
    for i in range(len(lower) - 1):
        a, b, c, d = lower[i], lower[i + 1], upper[i], upper[i + 1]
        faces += [f for f in ((a, b, d), (a, d, c)) if len(set(f)) == 3]
    return faces


def point_mask(*groups: tuple[int, ...]) -> Bool[np.ndarray, "478"]:
    """True at the points of the groups."""
    mask = np.zeros(LANDMARK_COUNT, dtype=bool)
    for group in groups:
        mask[list(group)] = True
    return mask


LIPS = point_mask(OUTER_LIPS, INNER_LIPS_LOWER, INNER_LIPS_UPPER)
LIDS = point_mask(RIGHT_EYE_LOWER, RIGHT_EYE_UPPER, LEFT_EYE_LOWER, LEFT_EYE_UPPER)
IRISES = point_mask(RIGHT_IRIS, LEFT_IRIS)


_PART_SOFTNESS = 0.09
"""Width of the seam between two parts, model units (1 = distance of the outer eye corners)."""


def part_masks(shape: Float[np.ndarray, "478 3"]) -> dict[str, Float[np.ndarray, "478"]]:
    """How much each point belongs to each part of the face; smooth, and 1 in sum at every point."""
    groups = {
        "right_eye": (*RIGHT_EYE_LOWER, *RIGHT_EYE_UPPER, *RIGHT_IRIS),
        "left_eye": (*LEFT_EYE_LOWER, *LEFT_EYE_UPPER, *LEFT_IRIS),
        "right_brow": RIGHT_BROW,
        "left_brow": LEFT_BROW,
        "mouth": (*OUTER_LIPS, *NOSE, *_CHEEKS),
    }
    near = {
        name: np.linalg.norm(shape[:, None, :2] - shape[None, list(group), :2], axis=-1).min(axis=1)
        for name, group in groups.items()
    }
    closeness = {name: np.exp(-((d / _PART_SOFTNESS) ** 2)) + 1e-12 for name, d in near.items()}
    total = sum(closeness.values())
    return {name: c / total for name, c in closeness.items()}
