"""The 3D morphable model: S = mean + A_id a_id + A_exp a_exp (arXiv 2105.14678, eq. 1)."""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int32

from faceanime.core.errors import MorphableModelError, ShapeError, check_shape
from faceanime.core.weights import bundled, load_weights, save_weights

KIND = "morphable"
BUNDLED = "morphable.safetensors"


class Region(enum.IntEnum):
    """What a triangle of the mesh shows. The holes are closed by strips between their two contours."""

    SKIN = 0
    RIGHT_EYE = 1
    LEFT_EYE = 2
    MOUTH = 3
    RING = 4


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
    """A linear face: V vertices, of which the first L are the detector's landmarks, the rest a rigid ring.

    `mean` (V,3) in model units; `identity_basis` (V,3,K_id) and `expression_basis` (V,3,K_exp), model
    units per standard deviation; `triangles` (F,3), counter-clockwise seen from outside; `region` (F,) of
    `Region`; `fit_weight` (L,), how much a landmark counts in fitting; `rigid_weight` (L,), how much it
    counts for the pose; `mirror` (V,), each vertex's twin across the face; `part` (K_exp,)
    of `Part`; `drift` (K_exp,7), the head's *apparent* motion with each expression (see `apparent_basis`);
    `axis_names` name the rows of
    `axes` (N,K_exp): expressions a person can name, at full strength.
    """

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
        check_shape("MorphableModel.rigid_weight", self.rigid_weight, len(self.fit_weight))
        check_shape("MorphableModel.mirror", self.mirror, vertices)
        check_shape("MorphableModel.part", self.part, self.expression_count)
        check_shape("MorphableModel.drift", self.drift, self.expression_count, 7)
        check_shape("MorphableModel.axes", self.axes, len(self.axis_names), self.expression_count)
        if self.triangles.min() < 0 or self.triangles.max() >= vertices:
            raise MorphableModelError(f"the model's triangles point outside its {vertices} vertices")

    @property
    def identity_count(self) -> int:
        return int(self.identity_basis.shape[2])

    @property
    def expression_count(self) -> int:
        return int(self.expression_basis.shape[2])

    @property
    def landmark_count(self) -> int:
        return len(self.fit_weight)

    @cached_property
    def id(self) -> str:
        """A short fingerprint of the numbers: coefficients of another model mean nothing here."""
        digest = hashlib.sha256()
        for array in (self.mean, self.identity_basis, self.expression_basis):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:12]

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
        shape = self.mean[: self.landmark_count].astype(np.float64)
        log_scale, turn, shift = np.split(self.drift.astype(np.float64), [1, 4], axis=1)
        moved = log_scale[:, None] * shape + np.cross(turn[:, None], shape) + shift[:, None]
        return np.asarray(self.expression_basis[: self.landmark_count] + np.moveaxis(moved, 0, -1))

    def require(self, model_id: str, where: str) -> None:
        """Raise MorphableModelError unless `where` belongs to this model."""
        if model_id != self.id:
            raise MorphableModelError(
                f"{where} belongs to morphable model {model_id}, this is {self.id}; "
                "reconstruct it again with this version"
            )


_TENSORS = (
    *("mean", "identity_basis", "expression_basis", "triangles", "region"),
    *("fit_weight", "rigid_weight", "mirror", "part", "drift", "axes"),
)


def save_model(model: MorphableModel, path: Path, licence: str = "", provenance: str = "") -> None:
    """Write a model as safetensors; bases in float32, so that its id survives.

    `licence`, under which it may be used, and `provenance`, where it came from, stand in the file's header
    unless empty.
    """
    tensors = {name: getattr(model, name) for name in _TENSORS}
    notes = {"licence": licence, "provenance": provenance}
    header = {"axis_names": list(model.axis_names)} | {key: note for key, note in notes.items() if note}
    save_weights(path, tensors, kind=KIND, header=header)


def load_model(path: Path | None = None) -> MorphableModel:
    """Read a model; without a path, the one that is bundled. Raises WeightsError, MorphableModelError."""
    path = bundled(BUNDLED) if path is None else path
    tensors, header = load_weights(path, kind=KIND)
    names, missing = header.get("axis_names"), [name for name in _TENSORS if name not in tensors]
    if missing or not isinstance(names, list):
        lacking = ", ".join(missing) or "axis_names"
        raise MorphableModelError(f"{path} lacks {lacking}; train it again with this version")
    try:
        return MorphableModel(**{name: tensors[name] for name in _TENSORS}, axis_names=tuple(map(str, names)))
    except (ShapeError, MorphableModelError) as error:
        raise MorphableModelError(f"{path} is damaged: {error}; train it again") from error
