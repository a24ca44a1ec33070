"""Distances in the feature spaces of networks: LPIPS, FID and FVD.

The networks are not bundled: the user names an ONNX file (see `faceanime.runtime.onnx_network`) exported from the
release of the metric's authors. Numbers are comparable only between runs with the same file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, UInt8
from PIL import Image

from faceanime.core.errors import ShapeError, WeightsError, check_shape
from faceanime.runtime.onnx_network import OnnxNetwork

FID_SIZE_PX = 299
"""Side of the pictures that Inception v3 reads."""
FVD_SIZE_PX, FVD_FRAMES = 224, 16
"""Side, and number of frames, of the videos that I3D reads."""


class Lpips:
    """Learned perceptual image patch similarity, a distance >= 0; lower is better, 0 for equal pictures.

    The network takes two batches of pictures (N,3,H,W), RGB in [-1, 1], and returns N numbers.
    Raises WeightsError for a file that is missing or damaged, or whose inputs have another shape.
    Source: Zhang et al., arXiv 1801.03924, eq. 1.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._network = OnnxNetwork(path, {"a": (3, None, None), "b": (3, None, None)}, "distance")

    def __call__(
        self, a: UInt8[np.ndarray, "N H W 3"], b: UInt8[np.ndarray, "N H W 3"]
    ) -> Float32[np.ndarray, " N"]:
        """The distance between each picture of `a` and the picture of `b` with the same index."""
        check_shape("a", a, None, None, None, 3)
        check_shape("b", b, *a.shape)
        distance = self._network(a=_signed(a), b=_signed(b))["distance"]
        if distance.size != len(a):
            raise WeightsError(
                f"{self._path} gave shape {distance.shape}, expected one number for each picture"
            )
        return distance.reshape(len(a))


class FidFeatures:
    """Features for the Fréchet inception distance.

    The network takes pictures (N,3,299,299), RGB in [-1, 1], and returns (N,C), in the original the 2048 features of
    Inception-v3's last pooling. Raises WeightsError for a file that is missing or damaged, or whose inputs have
    another shape.
    Source: Heusel et al., arXiv 1706.08500; pictures are resized as in Parmar et al., arXiv 2104.11222 (bicubic with
    antialiasing).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._network = OnnxNetwork(path, {"pictures": (3, FID_SIZE_PX, FID_SIZE_PX)}, "features")

    def __call__(self, pictures: UInt8[np.ndarray, "N H W 3"]) -> Float32[np.ndarray, "N C"]:
        check_shape("pictures", pictures, None, None, None, 3)
        features = self._network(pictures=_signed(_resized(pictures, FID_SIZE_PX)))["features"]
        return _vectors(self._path, features)


class FvdFeatures:
    """Features for the Fréchet video distance.

    The network takes clips (N,3,16,224,224), RGB in [-1, 1], and returns (N,C), in the original the 400 logits of an
    I3D. Raises WeightsError for a file that is missing or damaged, or whose inputs have another shape.
    Source: Unterthiner et al., arXiv 1812.01717.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._network = OnnxNetwork(path, {"clips": (3, FVD_FRAMES, FVD_SIZE_PX, FVD_SIZE_PX)}, "features")

    def __call__(self, clips: UInt8[np.ndarray, "N 16 H W 3"]) -> Float32[np.ndarray, "N C"]:
        check_shape("clips", clips, None, FVD_FRAMES, None, None, 3)
        frames = _resized(clips.reshape(-1, *clips.shape[2:]), FVD_SIZE_PX)
        signed = _signed(frames).reshape(len(clips), FVD_FRAMES, 3, FVD_SIZE_PX, FVD_SIZE_PX)
        return _vectors(self._path, self._network(clips=signed.swapaxes(1, 2))["features"])


def frechet_distance(a: Float[np.ndarray, "N C"], b: Float[np.ndarray, "M C"]) -> float:
    """Squared Fréchet distance between Gaussians with the mean and covariance of two sets, >= 0; lower is better.

    |m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)), symmetric, 0 for equal sets. Sets of fewer than several times C
    samples bias it strongly upward (Chong and Forsyth, arXiv 1911.07023): compare only sets of equal size. Raises
    ShapeError for fewer than two samples.
    Source: Heusel et al., arXiv 1706.08500, eq. 6.

    >>> frechet_distance(np.array([[0.0], [2.0]]), np.array([[3.0], [5.0]]))  # a shift by 3
    9.0
    """
    check_shape("a", a, None, None)
    check_shape("b", b, None, a.shape[1])
    if min(len(a), len(b)) < 2:
        raise ShapeError(f"a Fréchet distance of {len(a)} and {len(b)} samples, expected 2 or more")
    mean_a, mean_b = a.mean(axis=0, dtype=np.float64), b.mean(axis=0, dtype=np.float64)
    root_a, root_b = _covariance_root(a - mean_a), _covariance_root(b - mean_b)
    # With S = R^T R, the eigenvalues of S_a S_b are the squared singular values of R_a R_b^T, which avoids the root of
    # a matrix that is singular if samples are few (same identity as in Mathiasen and Hvilshøj, arXiv 2009.14075).
    overlap = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    spread = np.square(root_a).sum() + np.square(root_b).sum() - 2.0 * overlap
    return float(np.square(mean_a - mean_b).sum() + max(spread, 0.0))


def _covariance_root(centered: Float[np.ndarray, "N C"]) -> Float[np.ndarray, "R C"]:
    """R with R^T R the covariance, and R at most C."""
    return np.asarray(np.linalg.qr(centered, mode="r") / np.sqrt(len(centered) - 1))


def _signed(pictures: UInt8[np.ndarray, "N H W 3"]) -> Float32[np.ndarray, "N 3 H W"]:
    """The pictures in [-1, 1], channels first."""
    return np.moveaxis(pictures, -1, 1).astype(np.float32) / np.float32(127.5) - np.float32(1.0)


def _resized(pictures: UInt8[np.ndarray, "N H W 3"], size_px: int) -> UInt8[np.ndarray, "N S S 3"]:
    size = (size_px, size_px)
    return np.stack([np.asarray(Image.fromarray(p).resize(size, Image.Resampling.BICUBIC)) for p in pictures])


def _vectors(path: Path, features: Float32[np.ndarray, "N ..."]) -> Float32[np.ndarray, "N C"]:
    """The features as one vector per sample; axes of length 1 are dropped. Raises WeightsError."""
    flat = features.reshape(len(features), -1)
    if flat.shape[1] != max(features.shape[1:], default=0):
        raise WeightsError(f"{path} gave shape {features.shape}, expected one vector for each sample")
    return flat
