"""Learn a morphable model from landmarks of many people.

Pose is removed by Procrustes alignment of the rigid points alone, so that expression directions hold no head
motion. Identity and expression are then separated by alternation (as in an EM algorithm for a two-factor
model): expressions are what varies within a person, identities what is left of a person without them. Both
are principal directions under the weights of the fit, learned on every shape and its mirror image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int32
from scipy.linalg import eigh
from scipy.optimize import linear_sum_assignment

from faceanime.core.errors import ConfigError, MorphableModelError
from faceanime.geometry.camera import FLIP_Y
from faceanime.geometry.procrustes import weighted_procrustes
from faceanime.geometry.rotation import angles_from_rotation
from faceanime.morphable import topology
from faceanime.morphable.axes import AXES, named_axes
from faceanime.morphable.model import MIRROR_X, MorphableModel, Part, Region
from faceanime.train.morphable.drift import apparent_drift

OUTER_EYE_CORNERS = (33, 263)
_FOREHEAD_WEIGHT = 0.3
"""Of the points that the pose is read from: a forehead's skin rises with brows and speech."""


@dataclass(frozen=True)
class LearnConfig:
    """How a morphable model is learned."""

    identities: int = 40
    """Identity directions."""
    eye_expressions: int = 8
    """Expression directions of each eye: lids and gaze."""
    brow_expressions: int = 6
    """Expression directions of each brow."""
    mouth_expressions: int = 40
    """Expression directions of everything else, mouth and jaw before all (the paper has 10 in all)."""
    lid_weight: float = 6.0
    """How much the points of the eyelids count against the skin's."""
    lip_weight: float = 2.0
    """How much the points of the lips count."""
    iris_weight: float = 4.0
    """How much the irises count."""
    depth_weight: float = 0.1
    """How much the detector's depth counts against x and y."""
    rounds: int = 4
    """Alternations of identity and expression."""
    max_yaw_deg: float = 35.0
    """Shapes turned further are left out: the detector guesses their far side."""
    frames_per_person: int = 240
    """At most so many frames of a person, evenly taken, so that long clips do not rule."""

    def __post_init__(self) -> None:
        for name in (
            *("identities", "eye_expressions", "brow_expressions", "mouth_expressions"),
            *("rounds", "frames_per_person"),
        ):
            if getattr(self, name) < 1:
                raise ConfigError(f"learn: {name} is {getattr(self, name)}, expected at least 1")
        for name in ("lid_weight", "lip_weight", "iris_weight", "depth_weight", "max_yaw_deg"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"learn: {name} is {getattr(self, name)}, expected above 0")

    @property
    def expressions(self) -> int:
        """Expression directions in all."""
        return 2 * (self.eye_expressions + self.brow_expressions) + self.mouth_expressions


@dataclass(frozen=True, eq=False)
class Person:
    """What was seen of one person, landmarks in px, z toward the viewer.

    `points` (N,478,3); of films those that lie on an anchor's skin (`face.anchor`). `as_read` (M,478,3), of all frames
    as the detector reads them, by default `points`: these alone know of a drift.
    """

    name: str
    points: Float[np.ndarray, "N 478 3"]
    as_read: Float[np.ndarray, "M 478 3"] | None = None


def learn_model(people: Sequence[Person], config: LearnConfig) -> MorphableModel:
    """A model from landmarks. Raises MorphableModelError when there are too few people or shapes."""
    seen, wanted = sum(len(p.points) for p in people if len(p.points) > 1), config.expressions
    if len(people) <= config.identities or seen <= 4 * wanted:
        raise MorphableModelError(
            f"{len(people)} people with {seen} filmed shapes cannot carry {config.identities} identity and "
            f"{wanted} expression directions; give more data"
        )
    rigid_weight = _rigid_weight()
    mean, mirror = _reference([p.points for p in people], rigid_weight)
    shapes = [_aligned(p.points, mean, rigid_weight, config) for p in people]
    shapes = [s for s in shapes if len(s)]
    weight = _fit_weight(config)
    metric = np.sqrt(weight[:, None] * np.array([1.0, 1.0, config.depth_weight]))
    mean, identity, expression = _two_factors(shapes, mean, mirror, metric, config)
    read = [p.points if p.as_read is None else p.as_read for p in people]
    drift = apparent_drift([film for film in read if len(film) > 1], mean, expression, metric, rigid_weight)
    drift = _mirrored_drift(drift, expression, mirror, _parts(config))
    ring = _ring(mean)
    everything = np.concatenate([mean, ring])
    identity_ring = identity[list(topology.OVAL)]
    triangles, region = _triangles(len(mean), len(ring) // len(topology.OVAL), everything)
    expression_all = np.concatenate([expression, np.zeros((len(ring), 3, expression.shape[2]))])
    repeats = len(ring) // len(topology.OVAL)
    return MorphableModel(
        mean=everything.astype(np.float32),
        identity_basis=np.concatenate([identity, *[identity_ring] * repeats]).astype(np.float32),
        expression_basis=expression_all.astype(np.float32),
        triangles=triangles,
        region=region,
        fit_weight=weight.astype(np.float32),
        rigid_weight=rigid_weight.astype(np.float32),
        mirror=_mirror_map(everything),
        part=_parts(config),
        drift=drift.astype(np.float32),
        axes=named_axes(expression, _parts(config)).astype(np.float32),
        axis_names=tuple(AXES),
    )


def _rigid_weight() -> Float[np.ndarray, "478"]:
    weight = np.zeros(topology.LANDMARK_COUNT)
    weight[list(topology.RIGID)] = 1.0
    weight[list(topology.FOREHEAD)] = _FOREHEAD_WEIGHT
    return weight


def _fit_weight(config: LearnConfig) -> Float[np.ndarray, "478"]:
    weight = np.ones(topology.LANDMARK_COUNT)
    weight[topology.LIPS] = config.lip_weight
    weight[topology.LIDS] = config.lid_weight
    weight[topology.IRISES] = config.iris_weight
    return weight


def _reference(
    stacks: Sequence[Float[np.ndarray, "N 478 3"]], rigid_weight: Float[np.ndarray, "478"]
) -> tuple[Float[np.ndarray, "478 3"], Int32[np.ndarray, "478"]]:
    """The mean shape, upright, frontal, symmetric, in model units; and the mirror map."""
    first = np.stack([s[len(s) // 2] for s in stacks]) * FLIP_Y
    mean = _normalised(first.mean(axis=0))
    for _ in range(5):
        scale, rotation, offset = weighted_procrustes(first, mean, rigid_weight)
        moved = scale[:, None, None] * first @ np.swapaxes(rotation, 1, 2) + offset[:, None]
        mean = _normalised(np.median(moved, axis=0))
        mirror = _mirror_map(mean)
        mean = _normalised((mean + mean[mirror] * MIRROR_X) / 2)
    return mean, mirror


def _normalised(shape: Float[np.ndarray, "478 3"]) -> Float[np.ndarray, "478 3"]:
    """The middle of the rigid points is the origin, the distance of the eyes' outer corners 1."""
    centred = shape - shape[list(topology.RIGID)].mean(axis=0)
    right, left = OUTER_EYE_CORNERS
    return np.asarray(centred / np.linalg.norm(centred[left] - centred[right]))


def _mirror_map(shape: Float[np.ndarray, "V 3"]) -> Int32[np.ndarray, " V"]:
    """Each vertex's twin in the mirrored shape: all of them paired so that they lie nearest.

    Raises MorphableModelError where twins of twins are others.
    """
    mirrored = shape * MIRROR_X
    distance = ((shape[:, None] - mirrored[None]) ** 2).sum(axis=-1)
    twin = linear_sum_assignment(distance)[1].astype(np.int32)
    if (twin[twin] != np.arange(len(shape))).any():
        raise MorphableModelError(
            "the mean face is too askew to say which points mirror which; give more data"
        )
    return twin


def _aligned(
    points: Float[np.ndarray, "N 478 3"],
    mean: Float[np.ndarray, "478 3"],
    rigid_weight: Float[np.ndarray, "478"],
    config: LearnConfig,
) -> Float[np.ndarray, "M 478 3"]:
    keep = np.linspace(0, len(points) - 1, min(len(points), config.frames_per_person)).astype(int)
    seen = points[keep].astype(np.float64) * FLIP_Y
    scale, rotation, offset = weighted_procrustes(seen, mean, rigid_weight)
    moved = scale[:, None, None] * seen @ np.swapaxes(rotation, 1, 2) + offset[:, None]
    frontal = np.abs(np.degrees(angles_from_rotation(rotation)[:, 0])) <= config.max_yaw_deg
    return np.asarray(moved[frontal])


def _two_factors(
    shapes: Sequence[Float[np.ndarray, "N 478 3"]],
    mean: Float[np.ndarray, "478 3"],
    mirror: Int32[np.ndarray, "478"],
    metric: Float[np.ndarray, "478 3"],
    config: LearnConfig,
) -> tuple[Float[np.ndarray, "478 3"], Float[np.ndarray, "478 3 K_id"], Float[np.ndarray, "478 3 K_exp"]]:
    """Alternate: expressions from how filmed people stray from their own face, identities from those faces."""
    neutral = np.stack([s.mean(axis=0) for s in shapes])
    films = [i for i, s in enumerate(shapes) if len(s) > 1]
    for _ in range(config.rounds):
        strayed = np.concatenate([shapes[i] - neutral[i] for i in films])
        expression = _expressions(strayed, mean, mirror, metric, config)
        mean = neutral.mean(axis=0)
        mean = (mean + mean[mirror] * MIRROR_X) / 2
        identity = _principal(_covariance(neutral - mean, mirror), 1.0, metric, config.identities)
        neutral = np.stack([_neutral(s, mean, identity, expression, metric) for s in shapes])
    return mean, identity, expression


_RIDGE = 3e-3
"""Of a single shape's coefficients, against weighted squared distance in model units."""
_FILM_RIDGE = 3.0
"""The mean expression of a film is this much nearer to neutral than that of a single picture."""


def _neutral(
    shapes: Float[np.ndarray, "N 478 3"],
    mean: Float[np.ndarray, "478 3"],
    identity: Float[np.ndarray, "478 3 K_id"],
    expression: Float[np.ndarray, "478 3 K_exp"],
    metric: Float[np.ndarray, "478 3"],
) -> Float[np.ndarray, "478 3"]:
    """A person's mean shape less its most probable mean expression."""
    average = shapes.mean(axis=0)
    basis = np.concatenate([identity, expression], axis=2) * metric[..., None]
    basis = basis.reshape(-1, basis.shape[2])
    ridge = np.full(basis.shape[1], _RIDGE)
    ridge[identity.shape[2] :] *= _FILM_RIDGE if len(shapes) > 1 else 1.0
    target = basis.T @ ((average - mean) * metric).ravel()
    coefficients = np.linalg.solve(basis.T @ basis + np.diag(ridge), target)
    return np.asarray(average - expression @ coefficients[identity.shape[2] :])


def _expressions(
    strayed: Float[np.ndarray, "N 478 3"],
    mean: Float[np.ndarray, "478 3"],
    mirror: Int32[np.ndarray, "478"],
    metric: Float[np.ndarray, "478 3"],
    config: LearnConfig,
) -> Float[np.ndarray, "478 3 K"]:
    """Principal directions of each part of the face by itself, in the order of `model.Part`.

    Localised, so that a blink moves no lip and a person can wink although people seldom do. The left side's
    directions are the right side's, mirrored.
    """
    masks = topology.part_masks(mean)
    covariance = _covariance(strayed, mirror)
    counts = (config.eye_expressions, config.brow_expressions, config.mouth_expressions)
    eye, brow, mouth = (
        _principal(covariance, masks[name][:, None], metric, count)
        for name, count in zip(("right_eye", "right_brow", "mouth"), counts, strict=True)
    )
    eye_left, brow_left = (b[mirror] * MIRROR_X[:, None] for b in (eye, brow))
    return np.concatenate([eye, eye_left, brow, brow_left, mouth], axis=2)


def _parts(config: LearnConfig) -> Int32[np.ndarray, " K_exp"]:
    counts = [config.eye_expressions] * 2 + [config.brow_expressions] * 2 + [config.mouth_expressions]
    return np.repeat(np.arange(len(Part)), counts).astype(np.int32)


def _mirrored_drift(
    drift: Float[np.ndarray, "K 7"],
    expression: Float[np.ndarray, "478 3 K"],
    mirror: Int32[np.ndarray, "478"],
    part: Int32[np.ndarray, " K"],
) -> Float[np.ndarray, "K 7"]:
    """The drift made symmetric: mirrored expressions drift in mirrored ways."""
    flip = np.array([1.0, 1.0, -1.0, -1.0, -1.0, 1.0, 1.0])
    result = drift.copy()
    for right, left in ((Part.RIGHT_EYE, Part.LEFT_EYE), (Part.RIGHT_BROW, Part.LEFT_BROW)):
        both = (drift[part == right] + drift[part == left] * flip) / 2
        result[part == right], result[part == left] = both, both * flip
    for k in np.flatnonzero(part == Part.MOUTH):
        twin = expression[mirror, :, k] * MIRROR_X
        symmetric = np.sign((twin * expression[..., k]).sum())
        result[k] = (drift[k] + symmetric * drift[k] * flip) / 2
    return result


def _covariance(
    deviation: Float[np.ndarray, "N 478 3"], mirror: Int32[np.ndarray, "478"]
) -> Float[np.ndarray, "D D"]:
    """Of the flattened shapes and their mirror images."""
    flat = deviation.reshape(len(deviation), -1)
    covariance = flat.T @ flat / len(flat)
    twin = (3 * mirror[:, None] + np.arange(3)).ravel()
    sign = np.tile(MIRROR_X, len(mirror))
    return np.asarray((covariance + covariance[np.ix_(twin, twin)] * np.outer(sign, sign)) / 2)


def _principal(
    covariance: Float[np.ndarray, "D D"],
    mask: float | Float[np.ndarray, "478 1"],
    metric: Float[np.ndarray, "478 3"],
    count: int,
) -> Float[np.ndarray, "478 3 K"]:
    """Weighted principal directions of masked shapes, each one standard deviation long."""
    weight = (mask * metric).ravel()
    size = len(covariance)
    values, vectors = eigh(covariance * np.outer(weight, weight), subset_by_index=(size - count, size - 1))
    basis = (vectors * np.sqrt(np.maximum(values, 0.0)))[:, ::-1]
    sign = np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(count)])
    return np.asarray((basis * sign).reshape(*metric.shape, count) / metric[..., None])


RING_STEPS = ((1.12, 0.35), (1.28, 0.75), (1.5, 1.0))
"""Rings around the face's oval: distance from its centre as a factor, and how far back toward the skull."""
SKULL_DEPTH = -1.05
"""z of the head's widest outline, model units (about the plane of the ears)."""


def _ring(mean: Float[np.ndarray, "478 3"]) -> Float[np.ndarray, "R 3"]:
    """Rigid rings over forehead, temples, jaw and neck: what hair and neck hang on."""
    oval = mean[list(topology.OVAL)]
    centre = (oval.max(axis=0) + oval.min(axis=0)) / 2
    rings = []
    for factor, back in RING_STEPS:
        ring = centre + (oval - centre) * factor
        ring[:, 2] = oval[:, 2] + (SKULL_DEPTH - oval[:, 2]) * back
        rings.append(ring)
    return np.concatenate(rings)


def _triangles(
    landmarks: int, rings: int, vertices: Float[np.ndarray, "V 3"]
) -> tuple[Int32[np.ndarray, "F 3"], Int32[np.ndarray, " F"]]:
    """Skin, closed holes and rings, counter-clockwise seen from the front, with their regions."""
    from mediapipe.python.solutions.face_mesh_connections import FACEMESH_TESSELATION

    skin = topology.triangles_from_edges(FACEMESH_TESSELATION)
    parts = [
        (skin.tolist(), Region.SKIN),
        (topology.strip_between(topology.RIGHT_EYE_LOWER, topology.RIGHT_EYE_UPPER), Region.RIGHT_EYE),
        (topology.strip_between(topology.LEFT_EYE_LOWER, topology.LEFT_EYE_UPPER), Region.LEFT_EYE),
        (topology.strip_between(topology.INNER_LIPS_LOWER, topology.INNER_LIPS_UPPER), Region.MOUTH),
        (_ring_triangles(landmarks, rings), Region.RING),
    ]
    triangles = np.concatenate([np.asarray(t, np.int32) for t, _ in parts])
    region = np.concatenate([np.full(len(t), r, np.int32) for t, r in parts])
    a, b, c = (vertices[triangles[:, i], :2] for i in range(3))
    area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    triangles[area < 0] = triangles[area < 0][:, ::-1]
    return triangles, region


def _ring_triangles(landmarks: int, rings: int) -> list[tuple[int, int, int]]:
    n = len(topology.OVAL)
    loops = [list(topology.OVAL)] + [[landmarks + r * n + k for k in range(n)] for r in range(rings)]
    faces = []
    for inner, outer in zip(loops, loops[1:], strict=False):
        for k in range(n):
            m = (k + 1) % n
            faces += [(inner[k], inner[m], outer[m]), (inner[k], outer[m], outer[k])]
    return faces
