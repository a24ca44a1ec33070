"""The networks inside mediapipe's wheel, as plain functions: silent, stateless, loaded when first needed.

The landmark network runs in a graph of our own that takes the view to read, so that its output depends on that view
alone and not on earlier pictures. Each object serves one thread at a time.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any, Literal
from weakref import finalize  # a graph holds threads and 20 MiB, and is not freed by itself

import numpy as np
from jaxtyping import Float32, Float64

from faceanime.core.errors import check_shape
from faceanime.morphable.mediapipe_schema import MEDIAPIPE
from faceanime.structures.frames import Pixels

MESH_VIEW_PX = 192
"""Side of the picture that the landmark network reads."""

_MESH_GRAPH = """
input_stream: "image"
input_stream: "roi"
output_stream: "landmarks"
node {
  calculator: "ConstantSidePacketCalculator"
  output_side_packet: "PACKET:attention"
  options { [mediapipe.ConstantSidePacketCalculatorOptions.ext] { packet { bool_value: true } } }
}
node {
  name: "mesh"
  calculator: "FaceLandmarkCpu"
  input_stream: "IMAGE:image"
  input_stream: "ROI:roi"
  input_side_packet: "WITH_ATTENTION:attention"
  output_stream: "LANDMARKS:landmarks"
}
"""
_PRESENCE = "mesh__face_presence_score"
_PACKAGES = ("mediapipe", "mediapipe.python.solutions")
"""Packages of mediapipe whose `__init__` imports matplotlib."""
_OPTIONS = (
    "calculators.core.constant_side_packet_calculator_pb2",
    "calculators.core.split_vector_calculator_pb2",
    "calculators.tensor.image_to_tensor_calculator_pb2",
    "calculators.tensor.inference_calculator_pb2",
    "calculators.tensor.tensors_to_floats_calculator_pb2",
    "calculators.tensor.tensors_to_landmarks_calculator_pb2",
    "calculators.util.landmarks_refinement_calculator_pb2",
    "calculators.util.non_max_suppression_calculator_pb2",
    "calculators.util.thresholding_calculator_pb2",
    "framework.tool.switch_container_pb2",
)
"""Modules of mediapipe that define the options in the graphs of landmarks and boxes. SolutionBase silently drops the
options that no loaded module defines, and the graph then computes something else."""
_stderr_lock = threading.Lock()


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Discard what C++ writes to file descriptor 2.

    TF-lite and absl log to the descriptor itself while a graph starts and first runs, and have no setting that stops
    it.
    """
    with _stderr_lock:
        stderr, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, 2)
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            os.close(null)


def _import_without_drawing() -> None:
    """Import what the graphs need of mediapipe, without the `__init__` of its packages, which import matplotlib.

    That takes longer than all that is needed here. When a name is asked of the packages that no loaded module has, they
    run their `__init__`, and so serve any other user of mediapipe as ever.
    """
    if "mediapipe" not in sys.modules:
        for name in _PACKAGES:
            spec = importlib.util.find_spec(name)
            assert spec is not None
            package = sys.modules[name] = importlib.util.module_from_spec(spec)
            package.__getattr__ = partial(_name_of, package)  # type: ignore[method-assign]  # PEP 562
    for name in _OPTIONS:
        importlib.import_module(f"mediapipe.{name}")


def _name_of(package: ModuleType, name: str) -> object:
    """Return a name of a package: a module inside it, or what its `__init__` defines."""
    root, solutions = (sys.modules[each] for each in _PACKAGES)
    if package is solutions:
        try:
            return importlib.import_module(f"{package.__name__}.{name}")
        except ModuleNotFoundError as error:
            raise AttributeError(f"module {package.__name__} has no {name}") from error
    for each in (solutions, root):
        del each.__getattr__
        importlib.reload(each)
    return getattr(package, name)


def _blank(size_px: int) -> Pixels:
    return np.zeros((size_px, size_px, 3), np.uint8)


class MeshModel:
    """The landmark network (schema `MEDIAPIPE`), attentive to lips and eyes (Grishchenko et al., arXiv 2006.10962)."""

    def __init__(self) -> None:
        with _quiet_stderr():
            _import_without_drawing()
            from mediapipe.framework.formats.rect_pb2 import NormalizedRect
            from mediapipe.python.solution_base import SolutionBase

            self._graph: Any = SolutionBase(graph_config=_MESH_GRAPH, outputs=["landmarks", _PRESENCE])
            self._whole = NormalizedRect(x_center=0.5, y_center=0.5, width=1.0, height=1.0)
            self.read(_blank(MESH_VIEW_PX))
        finalize(self, self._graph.close)

    def read(self, view: Pixels) -> tuple[Float64[np.ndarray, "L 3"] | None, float]:
        """Landmarks in px of a 192 px `view`, z away from the viewer, and the probability of a face, in [0, 1].

        The landmarks are None if that is below 0.5.
        """
        output = self._graph.process({"image": np.ascontiguousarray(view), "roi": self._whole})
        presence = float(getattr(output, _PRESENCE))
        if output.landmarks is None:
            return None, presence
        flat = (value for point in output.landmarks.landmark for value in (point.x, point.y, point.z))
        points = np.fromiter(flat, np.float64).reshape(-1, 3)
        check_shape("landmarks of MediaPipe", points, MEDIAPIPE.count, 3)
        return points * MESH_VIEW_PX, presence


@dataclass(frozen=True, eq=False)
class FoundFace:
    """A face that the box detector found.

    `box_px`: left, top, right, bottom; `eyes_px` (2,2): the subject's right eye, then the left; `score` in
    [0, 1].
    """

    box_px: tuple[float, float, float, float]
    eyes_px: Float64[np.ndarray, "2 2"]
    score: float

    @property
    def side_px(self) -> float:
        """The longer side of the box."""
        return max(self.box_px[2] - self.box_px[0], self.box_px[3] - self.box_px[1])


class BoxModel:
    """The box detector BlazeFace (Bazarevsky et al., arXiv 1907.05047), for near faces or the full range."""

    def __init__(self, reach: Literal["near", "full"], lowest_score: float) -> None:
        with _quiet_stderr():
            _import_without_drawing()
            from mediapipe.python.solutions.face_detection import FaceDetection

            self._graph: Any = FaceDetection(lowest_score, model_selection=0 if reach == "near" else 1)
            self._graph.process(_blank(MESH_VIEW_PX))
        finalize(self, self._graph.close)

    def find(self, pixels: Pixels) -> list[FoundFace]:
        """All faces of a picture, in its px."""
        height, width = pixels.shape[:2]
        size = np.array([width, height], np.float64)
        found = []
        for detection in self._graph.process(np.ascontiguousarray(pixels)).detections or []:
            box = detection.location_data.relative_bounding_box
            left, top = size * [box.xmin, box.ymin]
            right, bottom = size * [box.xmin + box.width, box.ymin + box.height]
            eyes = np.array([[k.x, k.y] for k in detection.location_data.relative_keypoints[:2]]) * size
            found.append(FoundFace((left, top, right, bottom), eyes, float(detection.score[0])))
        return found


class PersonModel:
    """The selfie segmentation network, for square pictures."""

    def __init__(self) -> None:
        with _quiet_stderr():
            _import_without_drawing()
            from mediapipe.python.solutions.selfie_segmentation import SelfieSegmentation

            self._graph: Any = SelfieSegmentation(model_selection=0)
            self._graph.process(_blank(256))
        finalize(self, self._graph.close)

    def matte(self, pixels: Pixels) -> Float32[np.ndarray, "H W"]:
        """The probability that each pixel belongs to a person, in [0, 1], at the network's resolution of 256 px."""
        return np.array(self._graph.process(np.ascontiguousarray(pixels)).segmentation_mask, np.float32)
