"""The landmark schema of MediaPipe's face mesh with its 478 points.

The contours are facts of the canonical face mesh (Kartynnik et al., arXiv 1907.06724; irises and refined lips and
eyes: Grishchenko et al., arXiv 2006.10962). Smaller selections, such as rigid points and skin, are chosen by eye.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
from jaxtyping import Int32

from faceanime.morphable.landmark_schema import EyeLandmarks, Group, LandmarkSchema


def _group(*indices: int) -> Group:
    group = np.array(indices, np.int64)
    group.setflags(write=False)
    return group


_FOREHEAD = (10, 338, 297, 332, 284, 251, 109, 67, 103, 54, 21, 162, 389)
"""Landmarks of the forehead."""

_RIGHT_EYE = EyeLandmarks(
    lower=_group(33, 7, 163, 144, 145, 153, 154, 155, 133),
    upper=_group(33, 246, 161, 160, 159, 158, 157, 173, 133),
    lower_middle=_group(144, 145, 153),
    upper_middle=_group(160, 159, 158),
    fold=_group(247, 30, 29, 27, 28, 56, 190),
    iris=_group(468, 469, 470, 471, 472),
    brow_upper=_group(70, 63, 105, 66, 107),
    brow_lower=_group(55, 65, 52, 53, 46),
    outer_corner=33,
    inner_corner=133,
)
_LEFT_EYE = EyeLandmarks(
    lower=_group(362, 382, 381, 380, 374, 373, 390, 249, 263),
    upper=_group(362, 398, 384, 385, 386, 387, 388, 466, 263),
    lower_middle=_group(373, 374, 380),
    upper_middle=_group(387, 386, 385),
    fold=_group(414, 286, 258, 257, 259, 260, 467),
    iris=_group(473, 474, 475, 476, 477),
    brow_upper=_group(300, 293, 334, 296, 336),
    brow_lower=_group(285, 295, 282, 283, 276),
    outer_corner=263,
    inner_corner=362,
)

MEDIAPIPE = LandmarkSchema(
    name="mediapipe-478",
    count=478,
    oval=_group(
        10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
        152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
    ),
    outer_lips=_group(
        61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185,
    ),
    inner_lips_lower=_group(78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308),
    inner_lips_upper=_group(78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308),
    lower_lip_middle=_group(87, 14, 317),
    upper_lip_middle=_group(82, 13, 312),
    lip_midline=_group(0, 17, 13, 14),
    upper_lip_edge=_group(0, 37, 267),
    lip_red=_group(0, 17, 37, 267, 84, 314),
    right_mouth_corner=_group(61, 78),
    left_mouth_corner=_group(291, 308),
    right_eye=_RIGHT_EYE,
    left_eye=_LEFT_EYE,
    chin=_group(152, 148, 377),
    forehead=_group(*_FOREHEAD),
    temples=_group(21, 127, 251, 356),
    skull_outline=_group(10, 109, 338, 67, 297, 54, 284, 21, 251, 162, 389),
    nose=_group(
        1, 2, 4, 5, 6, 19, 45, 48, 64, 94, 97, 98, 115, 129, 168, 195, 197, 220, 237,
        275, 278, 294, 326, 327, 344, 358, 440, 457,
    ),
    nose_ridge=_group(168, 197, 5, 1),
    nose_bridge=_group(6, 168),
    nose_base=_group(98, 2, 327),
    nose_wings=_group(64, 294, 98, 327),
    nose_tip=4,
    cheeks=_group(
        50, 280, 205, 425, 123, 352, 116, 345, 117, 346, 118, 347, 101, 330, 36, 266, 234, 454, 93, 323,
    ),
    cheek_skin=_group(50, 280, 205, 425, 101, 330, 36, 266),
    right_cheek=_group(117, 118, 50, 205, 187, 123),
    left_cheek=_group(346, 347, 280, 425, 411, 352),
    plain_skin=_group(
        9, 151, 108, 337, 69, 299, 4, 195, 50, 280, 101,
        330, 117, 346, 205, 425, 187, 411, 207, 427, 199, 200,
    ),
    rigid=_group(
        *_FOREHEAD,
        151, 9, 8, 168, 6, 197, 195, 122, 351, 193, 417, 245, 465,    # glabella and bridge of the nose
        33, 133, 362, 263, 130, 359, 243, 463,                        # corners of the eyes
        127, 356, 34, 264, 143, 372, 234, 454, 227, 447, 116, 345,    # temples and cheek bones
        4, 5, 1, 45, 275,                                             # ridge and tip of the nose
    ),
)  # fmt: skip
"""The landmark schema of the bundled detector and of the bundled morphable model."""

_NOSTRILS = frozenset({(49, 64, 129), (279, 294, 358)})
"""Outlines of the nostrils: three vertices joined by edges, but not a triangle of the mesh."""


def skin_triangles() -> Int32[np.ndarray, "M 3"]:
    """The triangles between the landmarks, without the openings of eyes and mouth."""
    from mediapipe.python.solutions.face_mesh_connections import FACEMESH_TESSELATION

    return triangles_from_edges(FACEMESH_TESSELATION)


def triangles_from_edges(edges: Iterable[tuple[int, int]]) -> Int32[np.ndarray, "M 3"]:
    """The triangles of a mesh that is given by its edges: all sets of three vertices that are joined pairwise.

    Both the triangles and the vertices of each are sorted. The outlines of the nostrils are left out.
    """
    neighbors: dict[int, set[int]] = {}
    for a, b in edges:
        neighbors.setdefault(a, set()).add(b)
        neighbors.setdefault(b, set()).add(a)
    faces = {
        (a, b, c)
        for a in neighbors
        for b, c in itertools.combinations(sorted(n for n in neighbors[a] if n > a), 2)
        if c in neighbors[b]
    }
    return np.array(sorted(faces - _NOSTRILS), dtype=np.int32)
