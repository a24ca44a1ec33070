"""Face recognition: networks that embed a face as a vector, close to those of other pictures of the person.

Vectors have unit length, so that the scalar product of two is their cosine similarity (CSIM).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, Float64, UInt8

from faceanime.core.errors import WeightsError, check_shape
from faceanime.geometry.similarity import similarity_from_points, warp_image
from faceanime.morphable.landmark_schema import LandmarkSchema
from faceanime.morphable.mediapipe_schema import MEDIAPIPE
from faceanime.runtime.onnx_network import OnnxNetwork
from faceanime.structures.frames import Pixels
from faceanime.structures.landmarks import Landmarks

_DLIB_MEAN_FACE = np.array(
    [
        [0.8595674595992, 0.2134981538014],
        [0.6460604764104, 0.2289674387677],
        [0.1205750620789, 0.2137274526848],
        [0.3340850613712, 0.2290642403242],
        [0.4901123135679, 0.6277975316475],
    ]
)
"""dlib's mean face in the unit square: corners of the left eye (outer, inner), of the right eye, base of the nose."""
DLIB_SIZE_PX, _DLIB_PADDING = 150, 0.25
"""Side of an aligned face in px, and padding around the mean face in its sides, as dlib's network was trained."""

_ARCFACE_TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""Eyes, tip of the nose and corners of the mouth, right ones first, in an aligned face of ArcFace; OpenCV's px."""
_ARCFACE_SIZE_PX = 112
"""Side of an aligned face of ArcFace."""


_SAME_PERSON = 0.93
"""Cosine of dlib's vectors from which on two pictures show one person: of pairs of portraits of training people 9 % of
one person are below it (132 pairs) and 0.25 % of two people are not (7,140 pairs)."""


@runtime_checkable
class FacePicture(Protocol):
    """A picture (H,W,3) and the landmarks of the face in it that counts."""

    @property
    def pixels(self) -> Pixels:
        """The picture."""

    @property
    def landmarks(self) -> Landmarks:
        """The face's landmarks, px."""


@runtime_checkable
class IdentityNetwork(Protocol):
    """The seam for face recognition networks."""

    def align(self, pixels: Pixels, landmarks: Landmarks) -> UInt8[np.ndarray, "S S 3"]:
        """The face as the network reads it: upright, at the network's size."""

    def embed(self, aligned: Sequence[UInt8[np.ndarray, "S S 3"]]) -> Float32[np.ndarray, "N D"]:
        """The unit vectors of N >= 1 aligned faces."""


class DlibIdentity:
    """dlib's recognition network: a ResNet of 29 layers, 128 numbers, installed by the extra `identity`.

    Its cosines are high: on frontal portraits two pictures of one person have 0.98 to 1.00, of two people 0.78 to 0.90
    (5th to 95th percentile).
    Raises WeightsError without the extra.
    Source: King, High Quality Face Recognition with Deep Metric Learning, dlib's blog, 2017.
    """

    def __init__(self, schema: LandmarkSchema = MEDIAPIPE) -> None:
        """`schema`: that of the landmarks it is given, by default the bundled detector's."""
        self._schema = schema
        path = dlib_weights_path()
        try:
            import dlib
        except ImportError as error:
            raise WeightsError(_MISSING) from error
        try:
            self._network = dlib.face_recognition_model_v1(str(path))
        except RuntimeError as error:
            raise WeightsError(
                f"{path} is missing or damaged: {error}; reinstall faceanime[identity]"
            ) from error

    def align(self, pixels: Pixels, landmarks: Landmarks) -> UInt8[np.ndarray, "150 150 3"]:
        """Align a face by the corners of its eyes and the base of its nose, as dlib's network was trained."""
        to_aligned = dlib_alignment(landmarks.points_image[:, :2], self._schema)
        return warp_image(pixels, to_aligned, DLIB_SIZE_PX, DLIB_SIZE_PX, border=(0, 0, 0))

    def embed(self, aligned: Sequence[UInt8[np.ndarray, "150 150 3"]]) -> Float32[np.ndarray, "N 128"]:
        """Describe aligned faces by unit vectors. Raises ShapeError."""
        for face in aligned:
            check_shape("aligned", face, DLIB_SIZE_PX, DLIB_SIZE_PX, 3)
        vectors = self._network.compute_face_descriptor(list(aligned))
        return _unit(np.array(vectors, np.float32))


def dlib_weights_path() -> Path:
    """The path of dlib's weights, which the extra `identity` installs. Raises WeightsError without it."""
    folder = importlib.util.find_spec("face_recognition_models")  # its import would need setuptools
    if folder is None or folder.origin is None:
        raise WeightsError(_MISSING)
    return Path(folder.origin).parent / "models" / "dlib_face_recognition_resnet_model_v1.dat"


def is_same_person(one: FacePicture, other: FacePicture, schema: LandmarkSchema = MEDIAPIPE) -> bool:
    """Whether dlib's network takes two faces to be one person's; false if the extra `identity` is not installed.

    `schema`: that of the landmarks, by default the bundled detector's.
    """
    if importlib.util.find_spec("dlib") is None:
        return False
    network = DlibIdentity(schema)
    vectors = network.embed([network.align(face.pixels, face.landmarks) for face in (one, other)])
    return bool(cosine_similarity(vectors[0], vectors[1]) >= _SAME_PERSON)


def dlib_alignment(points: Float[np.ndarray, "L 2"], schema: LandmarkSchema) -> Float64[np.ndarray, "2 3"]:
    """The similarity from a face's landmarks (px) to dlib's aligned face (px of its 150)."""
    padded = (_DLIB_MEAN_FACE + _DLIB_PADDING) / (1.0 + 2.0 * _DLIB_PADDING)
    right, left, nose = schema.right_eye, schema.left_eye, schema.nose_base[len(schema.nose_base) // 2]
    five = [left.outer_corner, left.inner_corner, right.outer_corner, right.inner_corner, nose]
    return similarity_from_points(points[five], padded * DLIB_SIZE_PX)


_MISSING = 'no face recognizer is installed; pip install "faceanime[identity]"'


class OnnxIdentity:
    """A recognition network of the ArcFace family in a user's ONNX file, see `faceanime.runtime.onnx_network`.

    It takes (N,3,112,112) in [-1, 1] and returns (N,D); `channels` is the channel order of its training: ArcFace's
    release has rgb, AdaFace's bgr. Raises WeightsError for a file that is missing, damaged or of another shape.
    Source: Deng et al., arXiv 1801.07698 (ArcFace; the five points are of its release); Kim et al., arXiv 2204.00964
    (AdaFace).
    """

    def __init__(
        self,
        path: Path,
        channels: Literal["rgb", "bgr"] = "rgb",
        schema: LandmarkSchema = MEDIAPIPE,
    ) -> None:
        """`schema`: that of the landmarks it is given, by default the bundled detector's."""
        self._path, self._schema = path, schema
        self._network = OnnxNetwork(path, {"faces": (3, _ARCFACE_SIZE_PX, _ARCFACE_SIZE_PX)}, "vectors")
        self._channels = channels

    def align(self, pixels: Pixels, landmarks: Landmarks) -> UInt8[np.ndarray, "112 112 3"]:
        """Align a face by its eyes, the tip of its nose and the corners of its mouth, as ArcFace was trained."""
        schema, places = self._schema, landmarks.points_image[:, :2]
        eyes = (places[[eye.outer_corner, eye.inner_corner]].mean(axis=0) for eye in schema.eyes)
        nose_and_mouth = [schema.nose_tip, schema.right_mouth_corner[0], schema.left_mouth_corner[0]]
        points = np.concatenate([np.stack([*eyes]), places[nose_and_mouth]])
        to_aligned = similarity_from_points(points, _ARCFACE_TEMPLATE + 0.5)
        return warp_image(pixels, to_aligned, _ARCFACE_SIZE_PX, _ARCFACE_SIZE_PX, border=(0, 0, 0))

    def embed(self, aligned: Sequence[UInt8[np.ndarray, "112 112 3"]]) -> Float32[np.ndarray, "N D"]:
        """Describe aligned faces by unit vectors. Raises ShapeError, or WeightsError if the network gives none."""
        faces = np.stack(aligned)
        check_shape("aligned", faces, None, _ARCFACE_SIZE_PX, _ARCFACE_SIZE_PX, 3)
        ordered = faces if self._channels == "rgb" else faces[..., ::-1]
        signed = np.moveaxis(ordered, -1, 1).astype(np.float32) / np.float32(127.5) - np.float32(1.0)
        vectors = self._network(faces=signed)["vectors"]
        if vectors.ndim != 2:
            raise WeightsError(f"{self._path} gave shape {vectors.shape}, expected one vector for each face")
        return _unit(vectors)


def cosine_similarity(
    a: Float[np.ndarray, "*B D"], b: Float[np.ndarray, "*B D"]
) -> Float64[np.ndarray, "*B"]:
    """CSIM of unit vectors, in [-1, 1], 1 for equal ones. Values of different networks are not comparable.

    Source: Zakharov et al., arXiv 1905.08233, sec. 4.

    >>> cosine_similarity(np.array([[1.0, 0.0]]), np.array([[0.6, 0.8]])).tolist()
    [0.6]
    """
    check_shape("b", b, *a.shape)
    return np.asarray((np.asarray(a, np.float64) * b).sum(axis=-1))


def _unit(vectors: Float32[np.ndarray, "N D"]) -> Float32[np.ndarray, "N D"]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32(1e-12))
