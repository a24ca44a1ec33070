"""Make a face model of another format one of ours: find the landmarks on it, and sample its surface between them.

No table of vertex numbers is needed. The mean face is drawn as clay and shown to the landmark detector; each landmark
is then lifted from the picture onto the surface. So that upper and lower lip are told apart, this is done again with
the mouth opened by the model's own expressions. Between the landmarks the surface is sampled on the triangles of the
bundled model, each divided as finely as the foreign mesh is there: eyes and mouth are openings then, whatever the
format has there, and what the renderer cannot use (neck, teeth, lashes) stays out. Every vertex of ours is a weighted
mean of vertices of theirs, so coefficients keep their meaning.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int32
from scipy.sparse import csr_array
from scipy.spatial import KDTree

from faceanime.core.errors import MorphableModelError
from faceanime.face.config import FitConfig
from faceanime.face.detect import LandmarkDetector
from faceanime.face.fit import fit_face
from faceanime.face.surface_samples import FrontView, Surface, replaced
from faceanime.geometry.camera import project
from faceanime.geometry.procrustes import weighted_procrustes
from faceanime.geometry.subdivide import DividedMesh, divided
from faceanime.morphable.axes import AXES, measure_landmarks, measure_matrix, measures_of, named_axes
from faceanime.morphable.face_parts import parts_of
from faceanime.morphable.formats.raw_model import RawModel, first_of
from faceanime.morphable.landmark_embedding import LandmarkEmbedding
from faceanime.morphable.landmark_schema import LandmarkSchema
from faceanime.morphable.model import MIRROR_X, MorphableModel, Part, Region, fingerprint
from faceanime.render.head.sheet import source_shape
from faceanime.structures.frames import Pixels

MOST_IDENTITIES, MOST_EXPRESSIONS = 80, 100
"""Identity and expression directions that are kept, the largest: 478 landmarks determine no more. Chosen by eye."""


@dataclass(frozen=True)
class AdoptionLimits:
    """Bounds of the search for landmarks. Chosen by eye on ICT-FaceKit and the Surrey model."""

    least_score: float = 0.3
    """Score of the detector below which the mean face counts as none."""
    least_seen: float = 0.5
    """Fraction of the landmarks at whose places front-facing skin must be seen."""
    opened: float = 0.25
    """How far the lips are opened for the second picture, in distances of the outer eye corners."""
    most_unusual: float = 3.0
    """Standard deviations within which the model's own expressions must be able to move a part of the face."""
    closed: float = 0.08
    """Distance of the lips in the mean face below which its mouth is a closed one, in the same unit."""
    finest: int = 8
    """Largest number of parts into which an edge between landmarks is divided."""


_LIMITS = AdoptionLimits()

_NO_FACE = (
    "no face is seen on the mean of this face model, from the front as clay; has it y up and z out of it?"
)
_PART_MOVES: dict[Part, dict[str, float]] = {
    Part.RIGHT_EYE: {"lids_apart_right": 0.07, "gaze_left": 0.02},
    Part.LEFT_EYE: {"lids_apart_left": 0.07, "gaze_left": 0.02},
    Part.RIGHT_BROW: {"brow_up_right": 0.06},
    Part.LEFT_BROW: {"brow_up_left": 0.06},
    Part.MOUTH: {"lips_apart": 0.2},
}
"""Measures of each part, and how much every model can change them, in model units. Chosen by eye."""
_DRIFT_MEASURES = ("lips_apart", "lids_apart_right", "lids_apart_left")
"""The measures on which a detector's drift depends, as it was learned (`faceanime.train.morphable.drift`)."""


def adopt(raw: RawModel, detector: LandmarkDetector, reference: MorphableModel) -> MorphableModel:
    """The model in our conventions, on the triangles of `reference`, whose vertices are the detector's landmarks.

    Its identity coefficients are the first `MOST_IDENTITIES` of the format's own. Its expression coefficients are the
    first `MOST_EXPRESSIONS`, followed by the reference's of each part of the face that these cannot move. Raises
    MorphableModelError if the detector finds no face on the mean, or if the reference has further vertices.
    """
    if not reference.embedding.is_identity(len(reference.mean)):
        raise MorphableModelError(f"model {reference.id} has vertices that are no landmarks, expected none")
    surface, schema = Surface.of(raw), reference.schema
    view = _view(surface, raw.mean, detector, reference)
    landmarks = _landmarks(surface, view, reference)
    opened = raw.mean + raw.expression @ _opening(landmarks, raw, schema)
    mouth_view = _view(surface, opened, detector, reference)
    landmarks = replaced(landmarks, schema.mouth, _landmarks(surface, mouth_view, reference)[schema.mouth])
    skin = reference.region == Region.SKIN
    parts = round(float(np.sqrt(surface.triangles_seen(view) / skin.sum())))
    mesh = divided(reference.triangles, reference.landmark_count, min(max(parts, 1), _LIMITS.finest))
    at_mouth = np.isin(reference.triangles, schema.mouth).any(axis=1)
    shown = [(view, (skin & ~at_mouth)[mesh.parent]), (mouth_view, (skin & at_mouth)[mesh.parent])]
    samples = surface.samples(landmarks, mesh, shown, schema)
    mean, to_model = _in_model_space(samples @ raw.mean, reference)
    if not len(raw.eyeballs):
        _place_irises(mean, reference)
    mean += _closing(mean[: reference.landmark_count], mesh, schema)
    identity = _moved(samples, first_of(raw.identity, MOST_IDENTITIES), to_model)
    expression = _moved(samples, first_of(raw.expression, MOST_EXPRESSIONS), to_model)
    return _model(raw, mean, identity, expression, mesh, reference)


def _view(
    surface: Surface, shape: Float64[np.ndarray, "V 3"], detector: LandmarkDetector, reference: MorphableModel
) -> FrontView:
    """The shape from the front with its face: the mean of the landmarks of its picture and of the mirrored one."""

    def read(pixels: Pixels) -> Float64[np.ndarray, "L 3"]:
        both = []
        for shown in (pixels, np.ascontiguousarray(pixels[:, ::-1])):
            faces = detector.detect(shown, _LIMITS.least_score)
            if not faces:
                raise MorphableModelError(_NO_FACE)
            both.append(faces[0].points_image.astype(np.float64))
        direct, mirrored = both[0], both[1][reference.landmark_mirror]
        mirrored[:, 0] = pixels.shape[1] - mirrored[:, 0]
        return (direct + mirrored) / 2

    return surface.view(shape, read)


def _landmarks(surface: Surface, view: FrontView, reference: MorphableModel) -> csr_array:
    """The landmarks of a view as points on the surface, near the depths that the reference has there."""
    fitted = fit_face(view.landmarks, reference, FitConfig())
    depth = project(source_shape(fitted, reference), fitted.coefficients.pose)[:, 2]
    if surface.share_seen(view) < _LIMITS.least_seen:
        raise MorphableModelError(_NO_FACE)
    return surface.landmarks(view, depth, reference.schema)


def _opening(landmarks: csr_array, raw: RawModel, schema: LandmarkSchema) -> Float64[np.ndarray, " K_exp"]:
    """The most probable expression that opens the mouth; none where the model's own cannot."""
    upper, lower = schema.lip_midline[:2]
    corners = landmarks[[eye.outer_corner for eye in schema.eyes]] @ raw.mean
    wanted = _LIMITS.opened * float(np.linalg.norm(corners[1] - corners[0]))
    height = landmarks @ raw.expression[:, 1]
    response = height[upper] - height[lower]
    size = float(response @ response)
    if not wanted <= _LIMITS.most_unusual * np.sqrt(size):
        return np.zeros(len(response))
    return np.asarray(wanted / size * response)


def _in_model_space(
    shape: Float[np.ndarray, "W 3"], reference: MorphableModel
) -> tuple[Float64[np.ndarray, "W 3"], Float64[np.ndarray, "3 3"]]:
    """The mean in model space, and the matrix that brings displacements there.

    Turned as the reference's; its size and place are those of docs/reference/conventions.md.
    """
    schema, count = reference.schema, reference.landmark_count
    _, rotation, _ = weighted_procrustes(
        shape[:count], reference.landmark_mean, reference.rigid_weight.astype(np.float64)
    )
    right, left = (shape[eye.outer_corner] for eye in schema.eyes)
    to_model = rotation / np.linalg.norm(left - right)
    return np.asarray((shape - shape[schema.rigid].mean(axis=0)) @ to_model.T), np.asarray(to_model)


def _place_irises(mean: Float64[np.ndarray, "W 3"], reference: MorphableModel) -> None:
    """Put the irises where the reference's lie between the lids, in place."""
    theirs = reference.landmark_mean.astype(np.float64)
    for eye in reference.schema.eyes:
        scale, rotation, offset = weighted_procrustes(
            theirs[eye.lids], mean[eye.lids], np.ones(len(eye.lids))
        )
        mean[eye.iris] = scale * theirs[eye.iris] @ rotation.T + offset


def _closing(
    mean: Float64[np.ndarray, "L 3"], mesh: DividedMesh, schema: LandmarkSchema
) -> Float64[np.ndarray, "W 3"]:
    """The displacement that lets the lips of a closed mouth meet: their edges are read a little outside of them."""
    upper, lower = schema.inner_lips_upper[1:-1], schema.inner_lips_lower[1:-1]
    apart = mean[upper] - mean[lower]
    moves = np.zeros_like(mean)
    if apart[:, 1].max() < _LIMITS.closed:
        moves[upper], moves[lower] = -apart / 2, apart / 2
    return np.asarray(np.einsum("wc,wcx->wx", mesh.weight, moves[mesh.corner]))


def _moved(
    samples: csr_array, basis: Float64[np.ndarray, "V 3 K"], to_model: Float64[np.ndarray, "3 3"]
) -> Float64[np.ndarray, "W 3 K"]:
    """A basis of the samples in model space."""
    at_samples = (samples @ basis.reshape(len(basis), math.prod(basis.shape[1:]))).reshape(
        samples.shape[0], *basis.shape[1:]
    )
    return np.asarray(np.einsum("xy,wyk->wxk", to_model, at_samples))


def _model(
    raw: RawModel,
    mean: Float64[np.ndarray, "W 3"],
    identity: Float64[np.ndarray, "W 3 K_id"],
    expression: Float64[np.ndarray, "W 3 K"],
    mesh: DividedMesh,
    reference: MorphableModel,
) -> MorphableModel:
    schema, count = reference.schema, reference.landmark_count
    part = parts_of(expression[:count], mean[:count], schema)
    lacking = _immovable(expression[:count], part, schema)
    added = np.isin(reference.part, lacking)
    borrowed = reference.landmark_expression_basis[..., added].astype(np.float64)
    spread = np.einsum("wc,wcxk->wxk", mesh.weight, borrowed[mesh.corner])
    expression = np.concatenate([expression, spread], axis=2)
    part = np.concatenate([part, reference.part[added]]).astype(np.int32)
    own_axes = np.eye(len(raw.expression_names), expression.shape[2])[: len(part) - int(added.sum())]
    axes = named_axes(expression[:count], part, schema) * _lid_factors(mean[:count], reference)[:, None]
    numbers = {"mean": mean, "identity_basis": identity, "expression_basis": expression}
    numbers = {name: array.astype(np.float32) for name, array in numbers.items()}
    return MorphableModel(
        id=fingerprint(**numbers),
        schema=schema,
        embedding=LandmarkEmbedding.selecting(np.arange(count)),
        **numbers,
        triangles=mesh.triangles,
        region=reference.region[mesh.parent],
        fit_weight=reference.fit_weight,
        rigid_weight=reference.rigid_weight,
        mirror=_mirrored(mean, mesh, reference),
        part=part,
        drift=_drift(expression[:count], reference).astype(np.float32),
        axes=np.concatenate([axes, own_axes]).astype(np.float32),
        axis_names=(*AXES, *raw.expression_names[: len(own_axes)]),
    )


def _mirrored(
    mean: Float64[np.ndarray, "W 3"], mesh: DividedMesh, reference: MorphableModel
) -> Int32[np.ndarray, " W"]:
    """The vertex that mirrors each vertex: a landmark's as in the reference, else the nearest to its mirror image.

    Vertices of the skin mirror those of the skin.
    """
    is_skin = np.zeros(len(mean), bool)
    is_skin[mesh.triangles[reference.region[mesh.parent] == Region.SKIN]] = True
    mirror = np.empty(len(mean), np.int32)
    for alike in (np.flatnonzero(is_skin), np.flatnonzero(~is_skin)):
        mirror[alike] = alike[KDTree(mean[alike]).query(mean[alike] * MIRROR_X)[1]]
    mirror[: reference.landmark_count] = reference.mirror
    return mirror


def _immovable(
    basis: Float64[np.ndarray, "L 3 K"], part: Int32[np.ndarray, " K"], schema: LandmarkSchema
) -> list[Part]:
    """The parts of the face that a model's expressions do not move as every model should.

    Eyes and brows must have directions of their own, so that the other stays open in a wink.
    """
    response = measure_matrix(basis, schema)
    names = list(measures_of(schema))
    lacking: list[Part] = []
    for of, changes in _PART_MOVES.items():
        for measure, change in changes.items():
            reach = _LIMITS.most_unusual * float(np.linalg.norm(response[names.index(measure), part == of]))
            if reach < change and of not in lacking:
                lacking.append(of)
    return lacking


def _lid_factors(mean: Float64[np.ndarray, "L 3"], reference: MorphableModel) -> Float64[np.ndarray, " N"]:
    """A factor on each of `AXES`: those of lids are as strong as this face's eyes are open, against the reference's."""
    factors = np.ones(len(AXES))
    for k, changes in enumerate(AXES.values()):
        measure = next(iter(changes))
        if measure.startswith("lids_apart"):
            here, there = (
                measure_landmarks(measure, shape, reference.schema)
                for shape in (mean, reference.landmark_mean)
            )
            factors[k] = here / there
    return factors


def _drift(basis: Float64[np.ndarray, "L 3 K"], reference: MorphableModel) -> Float64[np.ndarray, "K 7"]:
    """The detector's drift: for the same openings of lips and lids it is that of the reference."""
    rows = [list(measures_of(reference.schema)).index(name) for name in _DRIFT_MEASURES]
    theirs = measure_matrix(reference.landmark_expression_basis, reference.schema)[rows]
    per_opening = np.linalg.lstsq(theirs.T, reference.drift.astype(np.float64), rcond=None)[0]
    return np.asarray(measure_matrix(basis, reference.schema)[rows].T @ per_opening)
