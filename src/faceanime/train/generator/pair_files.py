"""The file of one rendered clip: what `rendered_pairs.py` writes and `pairs.py` reads.

A clip has K sources (portraits) and T targets (frames). Every target is rendered from every source; F further targets
come from another person's clip and are rendered from the first source alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8
from safetensors import safe_open

from faceanime.core.weights import load_weights, read_header, save_weights
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import FaceCoefficients, HeadPose

PAIRS_KIND = "reenacted-moments"
PAIRS_SUFFIX = ".pairs.safetensors"
NO_FRAME = -1
"""The time of a source that is no picture of the clip."""

_POSE = ("rotation", "scale", "translation")
_PICTURES = ("canvas", "foreign_canvas", "truth", "truth_matte", "source", "source_matte")
"""Tensors that stay on disk until they are read."""


def rendered_settings(path: Path) -> dict[str, Any]:
    """The settings that a file was rendered with; versions of the drawing up to 7 were written as numbers."""
    settings = dict(read_header(path).get("settings") or {})
    return settings | {"drawn": str(settings.get("drawn"))}


@dataclass(frozen=True, eq=False)
class FaceStack:
    """Expressions and poses of one person's faces, in any batch of shape *B."""

    expression: Float[np.ndarray, "*B K_exp"]
    pose: HeadPose

    @classmethod
    def from_tensors(cls, name: str, tensors: Mapping[str, np.ndarray]) -> FaceStack:
        """The stack that is stored under a name."""
        pose = HeadPose(*(tensors[f"{name}_{key}"] for key in _POSE))
        return cls(tensors[f"{name}_expression"], pose)

    def tensors(self, name: str) -> dict[str, np.ndarray]:
        """The float64 tensors to store under a name."""
        pose = dict(zip(_POSE, (self.pose.rotation, self.pose.scale, self.pose.translation_px), strict=True))
        values = {"expression": self.expression, **pose}
        return {f"{name}_{key}": value.astype(np.float64) for key, value in values.items()}


@dataclass(frozen=True, eq=False)
class RenderedClip:
    """The pictures and coefficients of one clip. Mattes are levels of 255; poses are in px of the pictures."""

    truth: UInt8[np.ndarray, "T H W 3"]
    """The true picture of every target."""
    truth_matte: UInt8[np.ndarray, "T H W"]
    """The person's matte in every true picture."""
    source: UInt8[np.ndarray, "K H W 3"]
    """The picture of every source."""
    source_matte: UInt8[np.ndarray, "K H W"]
    """The person's matte in every source."""
    canvas: UInt8[np.ndarray, "K N H W 3"]
    """The geometric renderer's picture of every target from every source, N = T; or none, N = 0."""
    foreign_canvas: UInt8[np.ndarray, "F H W 3"]
    """The geometric renderer's picture of every target from another person's clip, from the first source."""
    residual: Float32[np.ndarray, "K V 3"]
    """The residual of every source, model units."""
    identity: Float32[np.ndarray, " K_id"]
    """The person's identity coefficients."""
    time: Int[np.ndarray, " T"]
    """The time of every target; neighboring frames differ by 1, pictures of an album by 2."""
    source_time: Int[np.ndarray, " K"]
    """The time of every source, or `NO_FRAME`."""
    source_faces: FaceStack
    """The face of every source, (K,)."""
    target_faces: FaceStack
    """The face of every target, fitted with every source's own mesh, (K,T)."""
    foreign_faces: FaceStack
    """The face of every target from another person's clip, (F,)."""

    def tensors(self) -> dict[str, np.ndarray]:
        """The tensors of the file."""
        return {
            "truth": self.truth,
            "truth_matte": self.truth_matte,
            "source": self.source,
            "source_matte": self.source_matte,
            "canvas": self.canvas,
            "foreign_canvas": self.foreign_canvas,
            "residual": self.residual.astype(np.float32),
            "identity": self.identity.astype(np.float32),
            "frame": self.time.astype(np.int64),
            "source_frame": self.source_time.astype(np.int64),
            **self.source_faces.tensors("source"),
            **self.target_faces.tensors("target"),
            **self.foreign_faces.tensors("foreign"),
        }

    def save(self, path: Path, header: Mapping[str, Any]) -> None:
        """Write the file; `header` holds JSON values. Raises OutputError."""
        save_weights(path, self.tensors(), PAIRS_KIND, header)


class PairFile:
    """The file of one clip, opened: coefficients are in memory, pictures are read from disk when needed."""

    def __init__(self, path: Path, model: MorphableModel, files: ExitStack) -> None:
        """`files` closes the file. Raises WeightsError, MorphableModelError for files of another kind or model."""
        header = read_header(path)
        if header["kind"] != PAIRS_KIND:
            load_weights(path, PAIRS_KIND)  # raises
        model.require(str(header.get("model_id")), str(path))
        file = files.enter_context(safe_open(path, framework="numpy"))
        tensors = {name: file.get_tensor(name) for name in set(file.keys()).difference(_PICTURES)}
        self.name, self.model = path.name, model
        self.licence = str(header.get("rights", {}).get("licence", ""))
        residual = tensors["residual"].astype(np.float64)
        self.residual = residual[:, : len(model.mean)]  # in older files vertices around the head follow
        self.times: Int[np.ndarray, " T"] = tensors["frame"]
        self._source_times = tensors["source_frame"]
        self._identity = tensors["identity"].astype(np.float64)
        self._sources, self._targets, self._foreign = (
            FaceStack.from_tensors(name, tensors) for name in ("source", "target", "foreign")
        )
        self._pictures = {name: file.get_slice(name) for name in _PICTURES}

    @property
    def source_count(self) -> int:
        """K, the number of sources."""
        return len(self.residual)

    @property
    def target_count(self) -> int:
        """T, the number of targets that are frames of this clip."""
        return len(self.times)

    @property
    def foreign_count(self) -> int:
        """F, the number of targets from another person's clip; their indices follow those of the frames."""
        return len(self._foreign.expression)

    def other_targets(self, source: int) -> Int[np.ndarray, " N"]:
        """The frames of this clip that are not the source's own."""
        return np.flatnonzero(self.times != self._source_times[source])

    @cached_property
    def paired_sources(self) -> list[int]:
        """The sources of which there is another frame to be driven to."""
        return [source for source in range(self.source_count) if len(self.other_targets(source))]

    def source_face(self, source: int) -> FaceCoefficients:
        """The coefficients of a source."""
        return FaceCoefficients(self._identity, self._sources.expression[source], self._sources.pose[source])

    def target_face(self, source: int, target: int) -> FaceCoefficients:
        """The coefficients of a target, as fitted with the mesh of a source."""
        if target >= self.target_count:
            number = target - self.target_count
            return FaceCoefficients(
                self._identity, self._foreign.expression[number], self._foreign.pose[number]
            )
        pose = self._targets.pose[source][target]
        return FaceCoefficients(self._identity, self._targets.expression[source, target], pose)

    def canvas(self, source: int, target: int) -> UInt8[np.ndarray, "H W 3"]:
        """The geometric renderer's picture of a target from a source."""
        if target >= self.target_count:
            return self.picture("foreign_canvas", target - self.target_count)
        return np.asarray(self._pictures["canvas"][source : source + 1, target : target + 1][0, 0])

    def picture(self, name: str, index: int) -> UInt8[np.ndarray, "H W ..."]:
        """A picture or matte of a name: truth, truth_matte, source or source_matte."""
        return np.asarray(self._pictures[name][index : index + 1][0])
