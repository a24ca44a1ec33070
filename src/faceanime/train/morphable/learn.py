"""Learn a morphable model from landmarks of many people.

Pose is removed by Procrustes alignment of the rigid points only, so that expression directions contain no motion of
the head. Identity and expression are then separated by alternation, as in an EM algorithm for a two-factor model:
expression directions are principal directions of the variation within each person, identity directions those of the
people's neutral faces. Both use the weights of the fit, and every shape together with its mirror image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int32
from scipy.linalg import eigh
from scipy.optimize import linear_sum_assignment

from faceanime.core.errors import MorphableModelError
from faceanime.geometry.camera import FLIP_Y
from faceanime.geometry.procrustes import weighted_procrustes
from faceanime.geometry.rotation import angles_from_rotation
from faceanime.geometry.surface import consistent_winding
from faceanime.morphable.axes import AXES, named_axes
from faceanime.morphable.face_parts import landmark_weights
from faceanime.morphable.landmark_embedding import LandmarkEmbedding
from faceanime.morphable.landmark_schema import Group, LandmarkSchema
from faceanime.morphable.mediapipe_schema import MEDIAPIPE, skin_triangles
from faceanime.morphable.model import MIRROR_X, MorphableModel, Part, Region, fingerprint
from faceanime.train.morphable.config import LearnConfig
from faceanime.train.morphable.drift import RIDGE, apparent_drift

_FOREHEAD_WEIGHT = 0.3
"""Weight of the forehead's points in reading the pose, against 1 for other rigid points: its skin moves with the brows
and in speech. Chosen by errors on validation clips (docs/log/training.md, below "The face model")."""
_MEAN_ROUNDS = 5
"""Rounds of aligning all shapes to their mean; chosen by eye."""


@dataclass(frozen=True, eq=False)
class Person:
    """Landmarks of one person in px, z toward the viewer.

    `points` (N,L,3); those of videos are pinned to an anchor frame's skin (`face.anchor`). `as_read` (M,L,3): the
    landmarks of all frames as the detector reads them, by default `points`; drift is measured on these.
    """

    name: str
    points: Float[np.ndarray, "N L 3"]
    as_read: Float[np.ndarray, "M L 3"] | None = None


def learn_model(
    people: Sequence[Person],
    config: LearnConfig,
    schema: LandmarkSchema = MEDIAPIPE,
    skin: Int32[np.ndarray, "M 3"] | None = None,
) -> MorphableModel:
    """Learn a model whose vertices are the landmarks. Raises MorphableModelError for too few people or shapes.

    `skin` holds the triangles that join the landmarks, without the openings of eyes and mouth. Schema and triangles
    are by default the bundled detector's.
    """
    filmed, wanted = sum(len(p.points) for p in people if len(p.points) > 1), config.expressions
    if len(people) <= config.identities or filmed <= 4 * wanted:
        raise MorphableModelError(
            f"{len(people)} people with {filmed} frames of video, expected more than {config.identities} people and "
            f"{4 * wanted} frames for {config.identities} identity and {wanted} expression directions; "
            "give more data or learn fewer directions"
        )
    rigid_weight = _rigid_weight(schema)
    mean, mirror = _mean_shape([p.points for p in people], rigid_weight, schema)
    shapes = [_aligned(p.points, mean, rigid_weight, config) for p in people]
    shapes = [s for s in shapes if len(s)]
    weight = _fit_weight(config, schema)
    metric = np.sqrt(weight[:, None] * np.array([1.0, 1.0, config.depth_weight]))
    mean, identity, expression = _identity_and_expression(shapes, mean, mirror, metric, config, schema)
    read = [p.points if p.as_read is None else p.as_read for p in people]
    sequences = [points for points in read if len(points) > 1]
    drift = apparent_drift(sequences, mean, expression, metric, rigid_weight, schema)
    drift = _mirrored_drift(drift, expression, mirror, _parts(config))
    triangles, region = _triangles(mean, skin_triangles() if skin is None else skin, schema)
    numbers = {"mean": mean, "identity_basis": identity, "expression_basis": expression}
    numbers = {name: array.astype(np.float32) for name, array in numbers.items()}
    return MorphableModel(
        id=fingerprint(**numbers),
        schema=schema,
        embedding=LandmarkEmbedding.selecting(np.arange(schema.count)),
        **numbers,
        triangles=triangles,
        region=region,
        fit_weight=weight.astype(np.float32),
        rigid_weight=rigid_weight.astype(np.float32),
        mirror=_mirror_map(mean),
        part=_parts(config),
        drift=drift.astype(np.float32),
        axes=named_axes(expression, _parts(config), schema).astype(np.float32),
        axis_names=tuple(AXES),
    )


def _rigid_weight(schema: LandmarkSchema) -> Float[np.ndarray, " L"]:
    """Weight of each landmark in reading the pose."""
    weight = np.zeros(schema.count)
    weight[schema.rigid] = 1.0
    weight[schema.forehead] = _FOREHEAD_WEIGHT
    return weight


def _fit_weight(config: LearnConfig, schema: LandmarkSchema) -> Float[np.ndarray, " L"]:
    """Weight of each landmark in fitting."""
    weight = np.ones(schema.count)
    weight[schema.lips] = config.lip_weight
    weight[schema.lids] = config.lid_weight
    weight[schema.irises] = config.iris_weight
    return weight


def _mean_shape(
    stacks: Sequence[Float[np.ndarray, "N L 3"]],
    rigid_weight: Float[np.ndarray, " L"],
    schema: LandmarkSchema,
) -> tuple[Float[np.ndarray, "L 3"], Int32[np.ndarray, " L"]]:
    """The mean of people's middle shapes (upright, frontal, symmetric, in model units), and its mirror map."""
    middle = np.stack([s[len(s) // 2] for s in stacks]) * FLIP_Y
    mean = _normalised(middle.mean(axis=0), schema)
    for _ in range(_MEAN_ROUNDS):
        scale, rotation, offset = weighted_procrustes(middle, mean, rigid_weight)
        aligned = scale[:, None, None] * middle @ np.swapaxes(rotation, 1, 2) + offset[:, None]
        mean = _normalised(np.median(aligned, axis=0), schema)
        mirror = _mirror_map(mean)
        mean = _normalised((mean + mean[mirror] * MIRROR_X) / 2, schema)
    return mean, mirror


def _normalised(shape: Float[np.ndarray, "L 3"], schema: LandmarkSchema) -> Float[np.ndarray, "L 3"]:
    """Move the center of the rigid points to the origin and scale the distance of the outer eye corners to 1."""
    centered = shape - shape[schema.rigid].mean(axis=0)
    right, left = (eye.outer_corner for eye in schema.eyes)
    return np.asarray(centered / np.linalg.norm(centered[left] - centered[right]))


def _mirror_map(shape: Float[np.ndarray, "V 3"]) -> Int32[np.ndarray, " V"]:
    """The vertex that mirrors each vertex: the assignment with the least sum of squared distances.

    Raises MorphableModelError if mirroring twice does not return every vertex to itself.
    """
    mirrored = shape * MIRROR_X
    distance = ((shape[:, None] - mirrored[None]) ** 2).sum(axis=-1)
    twin = linear_sum_assignment(distance)[1].astype(np.int32)
    if (twin[twin] != np.arange(len(shape))).any():
        raise MorphableModelError(
            "the mean face is too asymmetric to find which points mirror each other; give more data"
        )
    return twin


def _aligned(
    points: Float[np.ndarray, "N L 3"],
    mean: Float[np.ndarray, "L 3"],
    rigid_weight: Float[np.ndarray, " L"],
    config: LearnConfig,
) -> Float[np.ndarray, "M L 3"]:
    """A sample of one person's shapes without those turned too far, aligned to the mean shape."""
    keep = np.linspace(0, len(points) - 1, min(len(points), config.frames_per_person)).astype(int)
    sample = points[keep].astype(np.float64) * FLIP_Y
    scale, rotation, offset = weighted_procrustes(sample, mean, rigid_weight)
    aligned = scale[:, None, None] * sample @ np.swapaxes(rotation, 1, 2) + offset[:, None]
    frontal = np.abs(np.degrees(angles_from_rotation(rotation)[:, 0])) <= config.max_yaw_deg
    return np.asarray(aligned[frontal])


def _identity_and_expression(
    shapes: Sequence[Float[np.ndarray, "N L 3"]],
    mean: Float[np.ndarray, "L 3"],
    mirror: Int32[np.ndarray, " L"],
    metric: Float[np.ndarray, "L 3"],
    config: LearnConfig,
    schema: LandmarkSchema,
) -> tuple[Float[np.ndarray, "L 3"], Float[np.ndarray, "L 3 K_id"], Float[np.ndarray, "L 3 K_exp"]]:
    """The mean and the bases of identity and expression, by alternation.

    Expression directions are learned from the deviations of filmed people from their neutral faces, identity
    directions from these neutral faces.
    """
    neutral = np.stack([s.mean(axis=0) for s in shapes])
    filmed = [i for i, s in enumerate(shapes) if len(s) > 1]
    for _ in range(config.rounds):
        deviation = np.concatenate([shapes[i] - neutral[i] for i in filmed])
        expression = _expressions(deviation, mean, mirror, metric, config, schema)
        mean = neutral.mean(axis=0)
        mean = (mean + mean[mirror] * MIRROR_X) / 2
        identity = _principal(_covariance(neutral - mean, mirror), 1.0, metric, config.identities)
        neutral = np.stack([_neutral(s, mean, identity, expression, metric) for s in shapes])
    return mean, identity, expression


_VIDEO_RIDGE = 3.0
"""Factor on the ridge of the mean expression of a video, which is nearer to neutral than that of a single picture.
Chosen by eye."""


def _neutral(
    shapes: Float[np.ndarray, "N L 3"],
    mean: Float[np.ndarray, "L 3"],
    identity: Float[np.ndarray, "L 3 K_id"],
    expression: Float[np.ndarray, "L 3 K_exp"],
    metric: Float[np.ndarray, "L 3"],
) -> Float[np.ndarray, "L 3"]:
    """A person's neutral face: the mean shape minus its most probable mean expression."""
    average = shapes.mean(axis=0)
    basis = np.concatenate([identity, expression], axis=2) * metric[..., None]
    basis = basis.reshape(-1, basis.shape[2])
    ridge = np.full(basis.shape[1], RIDGE)
    ridge[identity.shape[2] :] *= _VIDEO_RIDGE if len(shapes) > 1 else 1.0
    target = basis.T @ ((average - mean) * metric).ravel()
    coefficients = np.linalg.solve(basis.T @ basis + np.diag(ridge), target)
    return np.asarray(average - expression @ coefficients[identity.shape[2] :])


def _expressions(
    deviation: Float[np.ndarray, "N L 3"],
    mean: Float[np.ndarray, "L 3"],
    mirror: Int32[np.ndarray, " L"],
    metric: Float[np.ndarray, "L 3"],
    config: LearnConfig,
    schema: LandmarkSchema,
) -> Float[np.ndarray, "L 3 K"]:
    """Principal directions of each part of the face separately, in the order of `model.Part`.

    They are local, so that a blink moves no lip and a face can wink although winks are rare in the data. The left
    side's directions are those of the right side, mirrored.
    """
    masks = landmark_weights(mean, schema)
    covariance = _covariance(deviation, mirror)
    counts = (config.eye_expressions, config.brow_expressions, config.mouth_expressions)
    eye, brow, mouth = (
        _principal(covariance, masks[name][:, None], metric, count)
        for name, count in zip(("right_eye", "right_brow", "mouth"), counts, strict=True)
    )
    eye_left, brow_left = (b[mirror] * MIRROR_X[:, None] for b in (eye, brow))
    return np.concatenate([eye, eye_left, brow, brow_left, mouth], axis=2)


def _parts(config: LearnConfig) -> Int32[np.ndarray, " K_exp"]:
    """The part of the face that each expression direction moves."""
    counts = [config.eye_expressions] * 2 + [config.brow_expressions] * 2 + [config.mouth_expressions]
    return np.repeat(np.arange(len(Part)), counts).astype(np.int32)


def _mirrored_drift(
    drift: Float[np.ndarray, "K 7"],
    expression: Float[np.ndarray, "L 3 K"],
    mirror: Int32[np.ndarray, " L"],
    part: Int32[np.ndarray, " K"],
) -> Float[np.ndarray, "K 7"]:
    """The drift made symmetric: a mirrored expression has the mirrored drift."""
    flip = np.array([1.0, 1.0, -1.0, -1.0, -1.0, 1.0, 1.0])  # mirrors log scale, rotation vector, translation
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
    deviation: Float[np.ndarray, "N L 3"], mirror: Int32[np.ndarray, " L"]
) -> Float[np.ndarray, "D D"]:
    """Covariance of the flattened deviations and their mirror images."""
    flat = deviation.reshape(len(deviation), -1)
    covariance = flat.T @ flat / len(flat)
    twin = (3 * mirror[:, None] + np.arange(3)).ravel()
    sign = np.tile(MIRROR_X, len(mirror))
    return np.asarray((covariance + covariance[np.ix_(twin, twin)] * np.outer(sign, sign)) / 2)


def _principal(
    covariance: Float[np.ndarray, "D D"],
    mask: float | Float[np.ndarray, "L 1"],
    metric: Float[np.ndarray, "L 3"],
    count: int,
) -> Float[np.ndarray, "L 3 K"]:
    """Principal directions of masked shapes under the metric, each one standard deviation long."""
    weight = (mask * metric).ravel()
    size = len(covariance)
    values, vectors = eigh(covariance * np.outer(weight, weight), subset_by_index=(size - count, size - 1))
    basis = (vectors * np.sqrt(np.maximum(values, 0.0)))[:, ::-1]
    sign = np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(count)])
    return np.asarray((basis * sign).reshape(*metric.shape, count) / metric[..., None])


def _triangles(
    vertices: Float[np.ndarray, "V 3"], skin: Int32[np.ndarray, "M 3"], schema: LandmarkSchema
) -> tuple[Int32[np.ndarray, "F 3"], Int32[np.ndarray, " F"]]:
    """The triangles of skin and closed openings, counter-clockwise seen from the front, with their regions."""
    right, left = schema.eyes
    parts = [
        (skin.tolist(), Region.SKIN),
        (strip_between(right.lower, right.upper), Region.RIGHT_EYE),
        (strip_between(left.lower, left.upper), Region.LEFT_EYE),
        (strip_between(schema.inner_lips_lower, schema.inner_lips_upper), Region.MOUTH),
    ]
    triangles = np.concatenate([np.asarray(t, np.int32) for t, _ in parts])
    region = np.concatenate([np.full(len(t), r, np.int32) for t, r in parts])
    a, b, c = (vertices[triangles[:, i], :2] for i in range(3))
    area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    triangles[area < 0] = triangles[area < 0][:, ::-1]
    return consistent_winding(triangles), region  # seen from the front, a nostril's wall runs either way


def strip_between(lower: Group, upper: Group) -> list[tuple[int, int, int]]:
    """The triangles between two contours of equal length that share their end points."""
    faces = []
    for i in range(len(lower) - 1):
        a, b, c, d = (int(v) for v in (lower[i], lower[i + 1], upper[i], upper[i + 1]))
        faces += [f for f in ((a, b, d), (a, d, c)) if len(set(f)) == 3]
    return faces
