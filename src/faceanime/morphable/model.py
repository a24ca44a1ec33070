"""The 3D morphable model: S = mean + A_id a_id + A_exp a_exp (arXiv 2105.14678, eq. 1)."""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int32, Int64

from faceanime.core.errors import MorphableModelError, ShapeError, check_shape
from faceanime.core.weights import Header, Tensors, bundled, load_weights, save_weights
from faceanime.morphable.landmark_embedding import LandmarkEmbedding
from faceanime.morphable.landmark_schema import LandmarkSchema
from faceanime.morphable.mediapipe_schema import MEDIAPIPE

KIND = "morphable"
BUNDLED = "morphable.safetensors"


class Region(enum.IntEnum):
    """What a triangle of the mesh shows. The holes are closed by strips between their two contours."""

    SKIN = 0
    RIGHT_EYE = 1
    LEFT_EYE = 2
    MOUTH = 3


class Part(enum.IntEnum):
    """What an expression direction moves."""

    RIGHT_EYE = 0
    LEFT_EYE = 1
    RIGHT_BROW = 2
    LEFT_BROW = 3
    MOUTH = 4


EYES = (Part.RIGHT_EYE, Part.LEFT_EYE, Part.RIGHT_BROW, Part.LEFT_BROW)
MIRROR_X = np.array([-1.0, 1.0, 1.0])
"""Left and right swapped, in model space."""


@dataclass(frozen=True, eq=False)
class MorphableModel:
    """A linear face: V vertices, which determine a detector's L landmarks.

    `id` names the coefficients: a short fingerprint of the numbers that the model was learned as (`fingerprint`);
    numbers of a model with another id mean nothing here. `schema` says what the landmarks are, `embedding` where the
    vertices have them (`landmarks_of`).
    `mean` (V,3) in model units; `identity_basis` (V,3,K_id) and `expression_basis` (V,3,K_exp), model
    units per standard deviation; `triangles` (F,3), counter-clockwise seen from outside; `region` (F,) of
    `Region`; `fit_weight` (L,), how much a landmark counts in fitting; `rigid_weight` (L,), how much it
    counts for the pose; `mirror` (V,), each vertex's twin across the face; `part` (K_exp,)
    of `Part`; `drift` (K_exp,7), the head's *apparent* motion with each expression (see `apparent_basis`);
    `axis_names` name the rows of
    `axes` (N,K_exp): expressions a person can name, at full strength.
    """

    id: str
    schema: LandmarkSchema
    embedding: LandmarkEmbedding
    mean: Float32[np.ndarray, "V 3"]
    identity_basis: Float32[np.ndarray, "V 3 K_id"]
    expression_basis: Float32[np.ndarray, "V 3 K_exp"]
    triangles: Int32[np.ndarray, "F 3"]
    region: Int32[np.ndarray, " F"]
    fit_weight: Float32[np.ndarray, " L"]
    rigid_weight: Float32[np.ndarray, " L"]
    mirror: Int32[np.ndarray, " V"]
    part: Int32[np.ndarray, " K_exp"]
    drift: Float32[np.ndarray, "K_exp 7"]
    axes: Float32[np.ndarray, "N K_exp"]
    axis_names: tuple[str, ...]

    def __post_init__(self) -> None:
        vertices = len(self.mean)
        check_shape("MorphableModel.mean", self.mean, None, 3)
        check_shape("MorphableModel.identity_basis", self.identity_basis, vertices, 3, None)
        check_shape("MorphableModel.expression_basis", self.expression_basis, vertices, 3, None)
        check_shape("MorphableModel.triangles", self.triangles, None, 3)
        check_shape("MorphableModel.region", self.region, len(self.triangles))
        check_shape("MorphableModel.fit_weight", self.fit_weight, self.schema.count)
        check_shape("MorphableModel.rigid_weight", self.rigid_weight, self.schema.count)
        check_shape("MorphableModel.embedding.vertex", self.embedding.vertex, self.schema.count, 3)
        check_shape("MorphableModel.mirror", self.mirror, vertices)
        check_shape("MorphableModel.part", self.part, self.expression_count)
        check_shape("MorphableModel.drift", self.drift, self.expression_count, 7)
        check_shape("MorphableModel.axes", self.axes, len(self.axis_names), self.expression_count)
        for name, indices in (("triangles", self.triangles), ("landmarks", self.embedding.vertex)):
            if indices.min() < 0 or indices.max() >= vertices:
                raise MorphableModelError(f"the model's {name} point outside its {vertices} vertices")

    @property
    def identity_count(self) -> int:
        return int(self.identity_basis.shape[2])

    @property
    def expression_count(self) -> int:
        return int(self.expression_basis.shape[2])

    @property
    def landmark_count(self) -> int:
        return self.schema.count

    def landmarks_of(self, vertices: Float[np.ndarray, "*B V C"]) -> Float[np.ndarray, "*B L C"]:
        """The landmarks of a mesh of the model's vertices, in any space. May be a view of `vertices`."""
        return self.embedding.of(vertices)

    def spread(self, moves: Float[np.ndarray, "L C"]) -> Float[np.ndarray, "V C"]:
        """The smoothest movement of all vertices that moves the landmarks by `moves`."""
        return self.embedding.spread(moves, self.triangles, len(self.mean))

    @cached_property
    def landmark_mean(self) -> Float[np.ndarray, "L 3"]:
        """The landmarks of the mean face."""
        return self.embedding.of(self.mean)

    @cached_property
    def landmark_identity_basis(self) -> Float[np.ndarray, "L 3 K_id"]:
        """How the landmarks move with the identity."""
        return self._landmark_basis(self.identity_basis)

    @cached_property
    def landmark_expression_basis(self) -> Float[np.ndarray, "L 3 K_exp"]:
        """How the landmarks move with the expression, without what a detector adds (`apparent_basis`)."""
        return self._landmark_basis(self.expression_basis)

    def _landmark_basis(self, basis: Float[np.ndarray, "V 3 K"]) -> Float[np.ndarray, "L 3 K"]:
        return self.embedding.of(basis.reshape(len(basis), -1)).reshape(-1, *basis.shape[1:])

    @cached_property
    def landmark_mirror(self) -> Int64[np.ndarray, " L"]:
        """Each landmark's twin across the face: the one that lies nearest in the mirrored mean face."""
        shape = self.landmark_mean.astype(np.float64)
        apart = np.square(shape[:, None] - shape * MIRROR_X).sum(axis=-1)
        return np.asarray(apart.argmin(axis=1), np.int64)

    def axis(self, name: str) -> Float32[np.ndarray, " K_exp"]:
        """The expression of a named axis at full strength. Raises MorphableModelError for an unknown name."""
        if name not in self.axis_names:
            raise MorphableModelError(
                f"no expression axis '{name}' in model {self.id}; it has {', '.join(self.axis_names)}"
            )
        return np.asarray(self.axes[self.axis_names.index(name)])

    def vertices(
        self, identity: Float[np.ndarray, "*#B K_id"], expression: Float[np.ndarray, "*B K_exp"]
    ) -> Float[np.ndarray, "*B V 3"]:
        """The shape in model space: mean + A_id a_id + A_exp a_exp; one identity serves many expressions."""
        check_shape("identity", identity, "*", self.identity_count)
        check_shape("expression", expression, "*", self.expression_count)
        flat = (
            np.asarray(identity, np.float32) @ self.identity_basis.reshape(-1, self.identity_count).T
            + np.asarray(expression, np.float32) @ self.expression_basis.reshape(-1, self.expression_count).T
        )
        return self.mean + flat.reshape(*flat.shape[:-1], len(self.mean), 3)

    @cached_property
    def identity_mirror(self) -> Float[np.ndarray, "K_id K_id"]:
        """Makes of a person's identity the one whose face is the mirror image: mirrored = M @ identity."""
        return self._mirror_of(self.identity_basis)

    @cached_property
    def expression_mirror(self) -> Float[np.ndarray, "K_exp K_exp"]:
        """Makes of an expression its mirror image: mirrored = M @ expression."""
        return self._mirror_of(self.expression_basis)

    def _mirror_of(self, basis: Float[np.ndarray, "V 3 K"]) -> Float[np.ndarray, "K K"]:
        """The M with basis @ M = the mirrored basis; exact for a model learned on both sides of each face."""
        twin = basis[self.mirror].astype(np.float64) * MIRROR_X[:, None]
        flat = basis.reshape(-1, basis.shape[2]).astype(np.float64)
        return np.asarray(np.linalg.lstsq(flat, twin.reshape(flat.shape), rcond=None)[0])

    @cached_property
    def apparent_basis(self) -> Float[np.ndarray, "L 3 K_exp"]:
        """The expression basis as a landmark detector sees it: with its drift.

        Detectors let the whole face shrink a little in a blink and tilt with the jaw. `drift` holds that per
        expression, as log scale, rotation vector and translation; fitting must explain it, so that it does not
        end up in the head's pose, and rendering must leave it out.
        """
        shape = self.landmark_mean.astype(np.float64)
        log_scale, turn, shift = np.split(self.drift.astype(np.float64), [1, 4], axis=1)
        moved = log_scale[:, None] * shape + np.cross(turn[:, None], shape) + shift[:, None]
        return np.asarray(self.landmark_expression_basis + np.moveaxis(moved, 0, -1))

    def require(self, model_id: str, where: str) -> None:
        """Raise MorphableModelError unless `where` belongs to this model."""
        if model_id != self.id:
            raise MorphableModelError(
                f"{where} belongs to morphable model {model_id}, this is {self.id}; "
                "reconstruct it again with this version"
            )


def fingerprint(
    mean: Float32[np.ndarray, "V 3"],
    identity_basis: Float32[np.ndarray, "V 3 K_id"],
    expression_basis: Float32[np.ndarray, "V 3 K_exp"],
) -> str:
    """The id of a model that is learned with these numbers."""
    digest = hashlib.sha256()
    for array in (mean, identity_basis, expression_basis):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:12]


_VERSION = 2
"""Of the file's layout. Version 1 had no id, schema or embedding: the first L vertices were MediaPipe's landmarks."""
_TENSORS = (
    *("mean", "identity_basis", "expression_basis", "triangles", "region"),
    *("fit_weight", "rigid_weight", "mirror", "part", "drift", "axes"),
)


def save_model(model: MorphableModel, path: Path, licence: str = "", provenance: str = "") -> None:
    """Write a model as safetensors.

    `licence`, under which it may be used, and `provenance`, where it came from, stand in the file's header
    unless empty.
    """
    tensors = {name: getattr(model, name) for name in _TENSORS}
    tensors |= {"landmark_vertex": model.embedding.vertex, "landmark_weight": model.embedding.weight}
    notes = {"licence": licence, "provenance": provenance}
    header = {"id": model.id, "landmarks": model.schema.name, "axis_names": list(model.axis_names)}
    header |= {key: note for key, note in notes.items() if note}
    save_weights(path, tensors, kind=KIND, header=header, version=_VERSION)


def load_model(path: Path | None = None, schema: LandmarkSchema = MEDIAPIPE) -> MorphableModel:
    """Read a model; without a path, the one that is bundled.

    `schema` says what its landmarks are, by default those of the bundled detector. Raises WeightsError,
    MorphableModelError.
    """
    path = bundled(BUNDLED) if path is None else path
    tensors, header = load_weights(path, kind=KIND, newest=_VERSION)
    if header["version"] == 1:
        tensors, header = _from_version_1(path, tensors, header)
    wanted = (*_TENSORS, "landmark_vertex", "landmark_weight")
    missing = [name for name in wanted if name not in tensors]
    missing += [key for key in ("id", "landmarks", "axis_names") if key not in header]
    if missing:
        raise MorphableModelError(f"{path} lacks {', '.join(missing)}; train it again with this version")
    if header["landmarks"] != schema.name:
        raise MorphableModelError(f"{path} has the landmarks {header['landmarks']}, expected {schema.name}")
    try:
        return MorphableModel(
            id=str(header["id"]),
            schema=schema,
            embedding=LandmarkEmbedding(tensors["landmark_vertex"], tensors["landmark_weight"]),
            **{name: tensors[name] for name in _TENSORS},
            axis_names=tuple(map(str, header["axis_names"])),
        )
    except (ShapeError, MorphableModelError) as error:
        raise MorphableModelError(f"{path} is damaged: {error}; train it again") from error


def _from_version_1(path: Path, tensors: Tensors, header: Header) -> tuple[Tensors, Header]:
    """The content of a file of layout 1 in the present layout.

    Behind the L landmarks its mesh had rings of vertices around the head, with triangles of a region of their own.
    """
    missing = [name for name in _TENSORS if name not in tensors]
    if missing:
        raise MorphableModelError(f"{path} lacks {', '.join(missing)}; train it again with this version")
    count, face = len(tensors["fit_weight"]), tensors["region"] <= max(Region)
    embedding = LandmarkEmbedding.selecting(np.arange(count))
    model_id = fingerprint(*(tensors[name] for name in ("mean", "identity_basis", "expression_basis")))
    tensors = tensors | {name: tensors[name][face] for name in ("triangles", "region")}
    tensors |= {
        name: tensors[name][:count] for name in ("mean", "identity_basis", "expression_basis", "mirror")
    }
    tensors |= {"landmark_vertex": embedding.vertex, "landmark_weight": embedding.weight}
    return tensors, header | {"id": model_id, "landmarks": MEDIAPIPE.name}
