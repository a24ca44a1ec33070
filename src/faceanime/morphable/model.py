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
from faceanime.morphable.landmark_embedding import LandmarkEmbedding, Spread
from faceanime.morphable.landmark_schema import LandmarkSchema
from faceanime.morphable.mediapipe_schema import MEDIAPIPE
from faceanime.morphable.model_kind import BUNDLED, MORPHABLE_KIND


class Region(enum.IntEnum):
    """The region of the face that a triangle shows; eyes and mouth are strips between the edges of lids and lips."""

    SKIN = 0
    RIGHT_EYE = 1
    LEFT_EYE = 2
    MOUTH = 3


class Part(enum.IntEnum):
    """The part of the face that an expression direction moves."""

    RIGHT_EYE = 0
    LEFT_EYE = 1
    RIGHT_BROW = 2
    LEFT_BROW = 3
    MOUTH = 4


EYES_AND_BROWS = (Part.RIGHT_EYE, Part.LEFT_EYE, Part.RIGHT_BROW, Part.LEFT_BROW)
"""The parts whose expression follows lids and brows; the rest is mouth and jaw."""
MIRROR_X = np.array([-1.0, 1.0, 1.0])
"""Factors on x, y, z that mirror a face in model space."""


@dataclass(frozen=True, eq=False)
class MorphableModel:
    """A linear face model with V vertices, which determine the L landmarks of a detector.

    - `id`: a short fingerprint of mean and bases as they were learned (`fingerprint`). Coefficients belong to the
      model with the same id and have no meaning for any other.
    - `schema`: the landmarks; `embedding`: their positions as weighted means of vertices (`landmarks_of`).
    - `mean` (V,3), model units; `identity_basis` (V,3,K_id) and `expression_basis` (V,3,K_exp), model units per
      standard deviation.
    - `triangles` (F,3), counter-clockwise seen from outside; `region` (F,), the `Region` of each.
    - `fit_weight` (L,): weight of each landmark in fitting; `rigid_weight` (L,): its weight in reading the pose.
    - `mirror` (V,): the vertex that mirrors each vertex across the face.
    - `part` (K_exp,): the `Part` of each expression direction.
    - `drift` (K_exp,7): the head's *apparent* motion per unit of each expression (see `apparent_basis`).
    - `axes` (N,K_exp): the named axes at strength 1; `axis_names`: their names.
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
                raise MorphableModelError(
                    f"the model's {name} have vertices {indices.min()} to {indices.max()}, "
                    f"expected 0 to {vertices - 1}"
                )

    def __repr__(self) -> str:
        directions = f"{self.identity_count} identity and {self.expression_count} expression directions"
        return f"MorphableModel({self.id}, {len(self.mean)} vertices, {directions})"

    @property
    def identity_count(self) -> int:
        """Number of identity directions, K_id."""
        return int(self.identity_basis.shape[2])

    @property
    def expression_count(self) -> int:
        """Number of expression directions, K_exp."""
        return int(self.expression_basis.shape[2])

    @property
    def landmark_count(self) -> int:
        """Number of landmarks, L."""
        return self.schema.count

    def landmarks_of(self, vertices: Float[np.ndarray, "*B V C"]) -> Float[np.ndarray, "*B L C"]:
        """The landmarks of a mesh with the model's vertices, in any space. May be a view of `vertices`."""
        return self.embedding.of(vertices)

    def spread(self, moves: Float[np.ndarray, "L C"]) -> Float[np.ndarray, "V C"]:
        """The smoothest displacement of all vertices that moves the landmarks by `moves`."""
        return self._spreader(moves)

    @cached_property
    def _spreader(self) -> Spread:
        return self.embedding.spreader(self.triangles, len(self.mean))

    @cached_property
    def landmark_mean(self) -> Float[np.ndarray, "L 3"]:
        """The landmarks of the mean face."""
        return self.embedding.of(self.mean)

    @cached_property
    def landmark_identity_basis(self) -> Float[np.ndarray, "L 3 K_id"]:
        """The identity basis of the landmarks, model units per standard deviation."""
        return self._landmark_basis(self.identity_basis)

    @cached_property
    def landmark_expression_basis(self) -> Float[np.ndarray, "L 3 K_exp"]:
        """The expression basis of the landmarks, model units per standard deviation, without a detector's drift.

        `apparent_basis` includes the drift.
        """
        return self._landmark_basis(self.expression_basis)

    def _landmark_basis(self, basis: Float[np.ndarray, "V 3 K"]) -> Float[np.ndarray, "L 3 K"]:
        return self.embedding.of(basis.reshape(len(basis), -1)).reshape(-1, *basis.shape[1:])

    @cached_property
    def landmark_mirror(self) -> Int64[np.ndarray, " L"]:
        """The landmark that mirrors each landmark: the one nearest to it in the mirrored mean face."""
        shape = self.landmark_mean.astype(np.float64)
        apart = np.square(shape[:, None] - shape * MIRROR_X).sum(axis=-1)
        return np.asarray(apart.argmin(axis=1), np.int64)

    def axis(self, name: str) -> Float32[np.ndarray, " K_exp"]:
        """The expression of a named axis at strength 1. Raises MorphableModelError for an unknown name."""
        if name not in self.axis_names:
            raise MorphableModelError(
                f"unknown named axis '{name}' of model {self.id}, expected one of {', '.join(self.axis_names)}"
            )
        return np.asarray(self.axes[self.axis_names.index(name)])

    def vertices(
        self, identity: Float[np.ndarray, "*#B K_id"], expression: Float[np.ndarray, "*B K_exp"]
    ) -> Float[np.ndarray, "*B V 3"]:
        """The shapes in model space, mean + A_id a_id + A_exp a_exp; one identity may go with many expressions."""
        check_shape("identity", identity, "*", self.identity_count)
        check_shape("expression", expression, "*", self.expression_count)
        flat = (
            np.asarray(identity, np.float32) @ self.identity_basis.reshape(-1, self.identity_count).T
            + np.asarray(expression, np.float32) @ self.expression_basis.reshape(-1, self.expression_count).T
        )
        return self.mean + flat.reshape(*flat.shape[:-1], len(self.mean), 3)

    @cached_property
    def identity_mirror(self) -> Float[np.ndarray, "K_id K_id"]:
        """The matrix M that mirrors a person's face: mirrored identity = M @ identity."""
        return self._mirror_of(self.identity_basis)

    @cached_property
    def expression_mirror(self) -> Float[np.ndarray, "K_exp K_exp"]:
        """The matrix M that mirrors an expression: mirrored expression = M @ expression."""
        return self._mirror_of(self.expression_basis)

    def _mirror_of(self, basis: Float[np.ndarray, "V 3 K"]) -> Float[np.ndarray, "K K"]:
        """Solve basis @ M = mirrored basis for M; exact for a model learned from shapes and their mirror images."""
        twin = basis[self.mirror].astype(np.float64) * MIRROR_X[:, None]
        flat = basis.reshape(-1, basis.shape[2]).astype(np.float64)
        return np.asarray(np.linalg.lstsq(flat, twin.reshape(flat.shape), rcond=None)[0])

    @cached_property
    def apparent_basis(self) -> Float[np.ndarray, "L 3 K_exp"]:
        """The expression basis of the landmarks with the detector's drift added.

        Detected landmarks shrink a little toward each other in a blink and tilt with the jaw, although the head does
        not move. `drift` holds this apparent motion per expression as log scale, rotation vector and translation.
        Fitting must model it, so that it does not end up in the head's pose; rendering must leave it out.
        """
        shape = self.landmark_mean.astype(np.float64)
        log_scale, turn, shift = np.split(self.drift.astype(np.float64), [1, 4], axis=1)
        moved = log_scale[:, None] * shape + np.cross(turn[:, None], shape) + shift[:, None]
        return np.asarray(self.landmark_expression_basis + np.moveaxis(moved, 0, -1))

    def require(self, model_id: str, where: str) -> None:
        """Raise MorphableModelError unless `model_id`, that of `where`, is the id of this model."""
        if model_id != self.id:
            raise MorphableModelError(
                f"{where} belongs to morphable model {model_id}, expected {self.id}; convert a motion (faceanime edit "
                "MOTION --to MODEL), or reconstruct it again with this version"
            )


def fingerprint(
    mean: Float32[np.ndarray, "V 3"],
    identity_basis: Float32[np.ndarray, "V 3 K_id"],
    expression_basis: Float32[np.ndarray, "V 3 K_exp"],
) -> str:
    """The id of a model that was learned with this mean and these bases."""
    digest = hashlib.sha256()
    for array in (mean, identity_basis, expression_basis):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:12]


_VERSION = 2
"""Version of the file's layout. Version 1 had no id, schema or embedding: its first L vertices were the landmarks of
MediaPipe."""
_TENSORS = (
    *("mean", "identity_basis", "expression_basis", "triangles", "region"),
    *("fit_weight", "rigid_weight", "mirror", "part", "drift", "axes"),
)


def save_model(model: MorphableModel, path: Path, licence: str = "", provenance: str = "") -> None:
    """Write a model as safetensors.

    The file's header contains the `licence` under which it may be used and its `provenance`, unless empty.
    """
    tensors = {name: getattr(model, name) for name in _TENSORS}
    tensors |= {"landmark_vertex": model.embedding.vertex, "landmark_weight": model.embedding.weight}
    notes = {"licence": licence, "provenance": provenance}
    header = {"id": model.id, "landmarks": model.schema.name, "axis_names": list(model.axis_names)}
    header |= {key: note for key, note in notes.items() if note}
    save_weights(path, tensors, kind=MORPHABLE_KIND, header=header, version=_VERSION)


def load_model(path: Path | None = None, schema: LandmarkSchema = MEDIAPIPE) -> MorphableModel:
    """Read a model, by default the bundled one.

    `schema` is the schema of its landmarks, by default that of the bundled detector. Raises WeightsError,
    MorphableModelError.
    """
    path = bundled(BUNDLED) if path is None else path
    tensors, header = load_weights(path, kind=MORPHABLE_KIND, newest=_VERSION)
    if header["version"] == 1:
        tensors, header = _from_version_1(path, tensors, header)
    wanted = (*_TENSORS, "landmark_vertex", "landmark_weight")
    missing = [name for name in wanted if name not in tensors]
    missing += [key for key in ("id", "landmarks", "axis_names") if key not in header]
    if missing:
        raise MorphableModelError(f"{path} lacks {', '.join(missing)}; train it again with this version")
    if header["landmarks"] != schema.name:
        raise MorphableModelError(
            f"{path} has landmarks of the schema {header['landmarks']}, expected {schema.name}; use a model for it"
        )
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
    """Convert the content of a file of layout 1 to the current layout.

    In layout 1 the L landmarks are followed by rings of vertices around the head, whose triangles have regions of
    their own; both are removed.
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
