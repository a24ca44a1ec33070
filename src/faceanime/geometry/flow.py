"""Backward flow: the position in the source from which each target pixel is sampled (docs/reference/conventions.md).

Only this module and `similarity.py` depend on OpenCV's convention, which has pixel centers at integers.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int, Int32, Shaped

from faceanime.core.errors import ShapeError, check_shape
from faceanime.geometry.rasterize import rasterize_attributes

Interpolation = Literal["linear", "cubic"]
OPENCV_INTERPOLATION = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}
SMALLEST_AREA_PX = 1e-6
"""Least area of a source triangle in px^2, so that ratios of areas stay finite."""


def identity_flow(height_px: int, width_px: int) -> Float32[np.ndarray, "H W 2"]:
    """The identity flow: every pixel's own center, (x, y).

    >>> identity_flow(1, 2).tolist()
    [[[0.5, 0.5], [1.5, 0.5]]]
    """
    flow = np.empty((height_px, width_px, 2), np.float32)
    flow[..., 0] = np.arange(width_px, dtype=np.float32) + 0.5
    flow[..., 1] = np.arange(height_px, dtype=np.float32)[:, None] + 0.5
    return flow


def sample(
    source: Shaped[np.ndarray, "H W C"],
    source_from_target: Float32[np.ndarray, "h w 2"],
    interpolation: Interpolation = "linear",
) -> Shaped[np.ndarray, "h w C"]:
    """Sample `source` (H,W,C), uint8 or float32, along a flow; its edge is replicated.

    OpenCV rounds sample positions to 1/32 px. Raises `ShapeError` for wrong shapes or types.
    """
    check_shape("source", source, None, None, None)
    check_shape("source_from_target", source_from_target, None, None, 2)
    if source.dtype not in (np.uint8, np.float32):
        raise ShapeError(f"source is {source.dtype}, expected uint8 or float32")
    sampled = cv2.remap(
        source,
        source_from_target - np.float32(0.5),
        None,  # type: ignore[call-overload]  # OpenCV's stubs do not know that the second map may be absent
        OPENCV_INTERPOLATION[interpolation],
        borderMode=cv2.BORDER_REPLICATE,
    )
    return sampled.reshape(*source_from_target.shape[:2], source.shape[2])  # OpenCV drops a single channel


def flow_from_mesh(
    source_points: Float[np.ndarray, "V 2"],
    target_points: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "M 3"],
    height_px: int,
    width_px: int,
) -> tuple[Float32[np.ndarray, "H W 2"], Int32[np.ndarray, "H W"]]:
    """The flow of a mesh from the source to the target, and the triangle that each pixel shows.

    Points in px; the target's z, toward the viewer, decides visibility. Pixels outside the mesh have the identity flow
    and triangle -1. Raises `ShapeError`.
    """
    check_shape("source_points", source_points, len(target_points), 2)
    # displacements instead of positions: a mesh that does not move gives exactly the identity
    displacement = source_points - target_points[:, :2]
    flow, triangle = rasterize_attributes(target_points, triangles, displacement, height_px, width_px)
    flow += identity_flow(height_px, width_px)
    return flow, triangle


def area_ratio(
    source_points: Float[np.ndarray, "V 2"],
    target_points: Float[np.ndarray, "V 2"],
    triangles: Int[np.ndarray, "M 3"],
) -> Float32[np.ndarray, " M"]:
    """Ratio of each triangle's area in the target to that in the source; negative where it is flipped.

    Above 1 the source is stretched. The source's area counts as `SMALLEST_AREA_PX` at least.
    """
    check_shape("source_points", source_points, len(target_points), 2)
    source = _double_area(source_points[triangles])
    floored = np.copysign(np.maximum(np.abs(source), 2 * SMALLEST_AREA_PX), source)
    return (_double_area(target_points[triangles]) / floored).astype(np.float32)


def _double_area(corners: Float[np.ndarray, "M 3 2"]) -> Float[np.ndarray, " M"]:
    ab, ac = np.moveaxis(corners[:, 1:] - corners[:, :1], 1, 0).astype(np.float64)
    return np.asarray(ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0])
