"""Measure one pair: the frames of each row against the driver's frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cached_property

import cv2
import numpy as np
from jaxtyping import Bool, Float

from faceanime.core.errors import NoFaceError
from faceanime.dynamics.blinks import Blink, blinks_of
from faceanime.evaluate import geometry_metrics as geometry
from faceanime.evaluate.image_metrics import (
    SMALLEST_MS_SSIM_PX,
    l1,
    laplacian_energy,
    ms_ssim_by_region,
    psnr,
    ssim_by_region,
)
from faceanime.evaluate.measurement_store import Measurement
from faceanime.evaluate.perceptual_metrics import FVD_FRAMES, FidFeatures, FvdFeatures, Lpips
from faceanime.evaluate.reenactment_pairs import Pair
from faceanime.evaluate.video_metrics import (
    SHORTEST,
    TrueMotion,
    jitter_px,
    motion_spectrum,
    temporal_error,
    true_motions,
    warping_error,
)
from faceanime.face.config import FitConfig
from faceanime.face.fit import fit_coefficients
from faceanime.face.identity import IdentityNetwork, cosine_similarity
from faceanime.face.track import LandmarkTracker
from faceanime.geometry.gaps import nearest_valid
from faceanime.geometry.pixels import pixels_of
from faceanime.morphable.axes import measure_expressions
from faceanime.morphable.landmark_schema import LandmarkSchema
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import FaceCoefficients
from faceanime.structures.frames import Frame, Pixels
from faceanime.structures.landmarks import Landmarks

PICTURE_REGIONS = ("face", "mouth", "eyes", "outside")
IDENTITY_EVERY = 12
"""Identity is measured in every 12th frame, because its network is slow."""
BLINK_TOLERANCE = 2
"""Frames by which a blink may be early or late and still match; chosen by eye."""
_LARGEST_PSNR = 100.0
"""PSNR in dB of equal pictures, which would otherwise be infinite and have no mean."""
_SMALLEST_SHARPNESS = 1e-6
"""Laplacian energy below which a region counts as flat."""
_AKD_WIDTH_PX = 256.0
"""Picture width that keypoint distances are scaled to, as in the literature."""


@dataclass(frozen=True, eq=False)
class MetricModels:
    """The tracker and networks that metrics use; networks that are not available are None."""

    morphable: MorphableModel
    tracker: LandmarkTracker
    identity: IdentityNetwork | None
    lpips: Lpips | None
    fid: FidFeatures | None
    fvd: FvdFeatures | None


@dataclass(frozen=True, eq=False)
class TrackedFace:
    """The face in a video as detector and fit see it.

    `points` in px; frames without a face repeat the nearest frame with one. `lid_opening` is the mean of both eyes in
    model units.
    """

    points: Float[np.ndarray, "T L 3"]
    found: Bool[np.ndarray, " T"]
    fitted: FaceCoefficients
    lid_opening: Float[np.ndarray, " T"]


def track_face(
    frames: Sequence[Pixels], identity: Float[np.ndarray, " K_id"], models: MetricModels
) -> TrackedFace | None:
    """Track and fit a face whose identity is known; None if no frame shows a face."""
    stream = (Frame(pixels, Fraction(index, 25)) for index, pixels in enumerate(frames))
    landmarks = list(models.tracker.track(stream))
    found = np.array([entry is not None for entry in landmarks])
    if not found.any():
        return None
    nearest = (landmarks[i] for i in nearest_valid(found))
    points = np.stack([entry.points_image for entry in nearest if entry is not None])
    fitted = fit_coefficients(points.astype(np.float64), models.morphable, FitConfig(), identity)
    openings = [
        measure_expressions(f"lids_apart_{side}", models.morphable, identity, fitted.expression)
        for side in ("right", "left")
    ]
    return TrackedFace(points, found, fitted, np.mean(openings, axis=0))


class PairEvaluator:
    """Measures rows on one pair. Holds what every row is compared with: the driver, tracked, with its regions."""

    def __init__(self, pair: Pair, models: MetricModels, every: int) -> None:
        self.pair, self.models, self.every = pair, models, every
        self.frames: list[Pixels] = list(pair.driver.pictures())
        self.motion = pair.driver.motion()
        self.frame_rate = self.motion.frame_rate
        self.source: Pixels = (
            self.frames[pair.source_frame] if pair.has_truth else pair.source.pictures()[pair.source_frame]
        )

    @cached_property
    def driver(self) -> TrackedFace:
        """The driver's face, tracked like those of the rows. Raises NoFaceError."""
        tracked = track_face(self.frames, self.motion.identity, self.models)
        if tracked is None:
            remedy = "data prepared without it"
            raise NoFaceError(f"clip {self.pair.driver.key}", remedies=(remedy,))
        return tracked

    @cached_property
    def _masks(self) -> list[dict[str, Bool[np.ndarray, "S S"]]]:
        """The regions of each frame of the driver."""
        height, width = self.source.shape[:2]
        return [region_masks(points, height, width, self._schema) for points in self.driver.points]

    @property
    def _schema(self) -> LandmarkSchema:
        return self.models.morphable.schema

    @cached_property
    def _driver_blinks(self) -> list[Blink]:
        return blinks_of(self.driver.lid_opening, float(self.frame_rate))

    @cached_property
    def _source_identity(self) -> Float[np.ndarray, " D"] | None:
        """The source's identity vector; None without a network or without a face."""
        if self.models.identity is None:
            return None
        found = next(iter(self.models.tracker.track([Frame(self.source, Fraction(0))])))
        return None if found is None else self._identity_vectors([(self.source, found.points_image)])[0]

    @cached_property
    def _true_motions(self) -> dict[int, TrueMotion]:
        """The driver's motion into every n-th frame; not into all, because optical flow is slow."""
        frames = range(self.every, len(self.frames), self.every)
        return {t: next(true_motions(self.frames[t - 1 : t + 1])) for t in frames}

    def measure(self, result: Sequence[Pixels]) -> Measurement:
        """All metrics of a result, which has one frame for each frame of the driver. Raises NoFaceError."""
        identity = (self.motion if self.pair.has_truth else self.pair.source.motion()).identity
        tracked = track_face(result, identity, self.models)
        found = np.zeros(len(result), bool) if tracked is None else tracked.found
        frames: dict[str, Float[np.ndarray, " T"]] = {}
        clip = {"missing": geometry.missing_keypoint_rate(found, self.driver.found)}
        spectrum = None
        blinks = geometry.BlinkCounts(
            missed=len(self._driver_blinks)
        )  # a result without a face has no blinks
        if tracked is not None:
            frames |= self._geometry(tracked)
            if len(result) >= SHORTEST:
                spectrum = motion_spectrum(tracked.points, self.frame_rate)
                jitter, true = (jitter_px(f.points, self.frame_rate) for f in (tracked, self.driver))
                clip["jitter"] = jitter / true if true > 0.0 else np.nan
            found_blinks = blinks_of(tracked.lid_opening, float(self.frame_rate))
            blinks = geometry.count_blinks(found_blinks, self._driver_blinks, BLINK_TOLERANCE)
            frames["identity"] = self._identity_similarity(result, tracked)
        clip |= {f"blinks_{name}": count for name, count in asdict(blinks).items()}
        if self.pair.has_truth:
            frames |= self._picture_errors(result) | self._temporal_errors(result)
        return Measurement(frames, clip, spectrum, self._features(result))

    def _geometry(self, face: TrackedFace) -> dict[str, Float[np.ndarray, " T"]]:
        """Distances of expression, pose, landmarks and gaze from the driver."""
        driver = self.driver
        usable = face.found & driver.found
        (expression, rotation), (true_expression, true_rotation) = map(self._comparable, (face, driver))
        distances = {
            "expression": geometry.expression_distance(expression, true_expression),
            "pose_deg": geometry.pose_distance_deg(rotation, true_rotation),
        }
        if self.pair.has_truth:
            scale = _AKD_WIDTH_PX / self.source.shape[1]
            distances["keypoints_px"] = scale * geometry.keypoint_distance_px(
                face.points, driver.points, self._schema
            )
        distances = {name: np.where(usable, values, np.nan) for name, values in distances.items()}
        closed = np.zeros(len(usable), bool)
        for start, end in self._driver_blinks:
            closed[start:end] = True
        gaze = geometry.gaze_error_deg(face.points, driver.points, self._schema)
        return distances | {"gaze_deg": np.where(usable & ~closed, gaze, np.nan)}

    def _comparable(self, face: TrackedFace) -> tuple[Float[np.ndarray, "T K"], Float[np.ndarray, "T 3 3"]]:
        """Expressions and head rotations that can be compared with the driver's.

        In protocol cross these are departures from the reference frame: expressions and poses of two people differ
        anyway, and only the motion is to be transferred.
        """
        expression, rotation = face.fitted.expression, face.fitted.pose.rotation
        if self.pair.has_truth:
            return expression, rotation
        reference = self.pair.reference
        return expression - expression[reference], rotation @ rotation[reference].T

    def _picture_errors(self, result: Sequence[Pixels]) -> dict[str, Float[np.ndarray, " T"]]:
        """Pixel and structure metrics by region, in every n-th frame."""
        errors: dict[str, Float[np.ndarray, " T"]] = {}
        for t in range(0, len(result), self.every):
            for name, value in self._picture_errors_at(result[t], t).items():
                errors.setdefault(name, np.full(len(result), np.nan))[t] = value
        return errors

    def _picture_errors_at(self, picture: Pixels, t: int) -> dict[str, float]:
        truth, masks = self.frames[t], self._masks[t]
        whole: dict[str, Bool[np.ndarray, "S S"] | None] = {"crop": None}
        regions = whole | {region: masks[region] for region in PICTURE_REGIONS}
        errors = {f"l1_{name}": l1(picture, truth, mask) for name, mask in regions.items()}
        errors |= {
            f"sharpness_{name}": _relative_sharpness(picture, truth, masks[name]) for name in PICTURE_REGIONS
        }
        errors |= {
            f"psnr_{name}": min(psnr(picture, truth, mask), _LARGEST_PSNR) for name, mask in regions.items()
        }
        similarities = {"ssim": ssim_by_region}
        if min(picture.shape[:2]) >= SMALLEST_MS_SSIM_PX:
            similarities["ms_ssim"] = ms_ssim_by_region
        for metric, by_region in similarities.items():
            values = by_region(picture, truth, list(regions.values()))
            errors |= {f"{metric}_{name}": value for name, value in zip(regions, values, strict=True)}
        if self.models.lpips is not None:
            errors["lpips_crop"] = float(self.models.lpips(picture[None], truth[None])[0])
        return errors

    def _temporal_errors(self, result: Sequence[Pixels]) -> dict[str, Float[np.ndarray, " T"]]:
        """Errors of the change between frames; NaN in the first frame."""
        warping = np.full(len(result), np.nan)
        for t, motion in self._true_motions.items():
            warping[t] = warping_error(result[t - 1 : t + 1], [motion])[0]
        temporal = np.concatenate([[np.nan], temporal_error(result, self.frames)])
        return {"warping": warping, "temporal": temporal}

    def _identity_similarity(self, result: Sequence[Pixels], face: TrackedFace) -> Float[np.ndarray, " T"]:
        """Cosine similarity to the source (CSIM) in every 12th frame, NaN in the others."""
        similarity = np.full(len(result), np.nan)
        if self._source_identity is None:
            return similarity
        frames = [t for t in range(0, len(result), IDENTITY_EVERY) if face.found[t]]
        if frames:
            vectors = self._identity_vectors([(result[t], face.points[t]) for t in frames])
            source = np.broadcast_to(self._source_identity, vectors.shape)
            similarity[frames] = cosine_similarity(vectors, source)
        return similarity

    def _identity_vectors(
        self, faces: Iterable[tuple[Pixels, Float[np.ndarray, "L 3"]]]
    ) -> Float[np.ndarray, "N D"]:
        network = self.models.identity
        assert network is not None
        return network.embed(
            [network.align(picture, Landmarks(p.astype(np.float32), 1.0)) for picture, p in faces]
        )

    def _features(self, result: Sequence[Pixels]) -> dict[str, Float[np.ndarray, "N C"]]:
        """Feature vectors for FID, of every n-th frame, and for FVD, of windows that do not overlap."""
        features = {}
        if self.models.fid is not None:
            features["fid"] = self.models.fid(np.stack(result[:: self.every]))
        if self.models.fvd is not None and len(result) >= FVD_FRAMES:
            starts = range(0, len(result) - FVD_FRAMES + 1, FVD_FRAMES)
            windows = [np.stack(result[start : start + FVD_FRAMES]) for start in starts]
            features["fvd"] = self.models.fvd(np.stack(windows))
        return features


def _relative_sharpness(picture: Pixels, truth: Pixels, mask: Bool[np.ndarray, "S S"]) -> float:
    """Laplacian energy divided by that of the truth: 1 is as sharp, below 1 is softer."""
    return laplacian_energy(picture, mask) / max(laplacian_energy(truth, mask), _SMALLEST_SHARPNESS)


def region_masks(
    points: Float[np.ndarray, "L 3"], height: int, width: int, schema: LandmarkSchema
) -> dict[str, Bool[np.ndarray, "H W"]]:
    """The convex hulls of the face, of the lips' outer contour and of the eyes' contours, and all outside the face."""
    groups = {
        "face": [np.flatnonzero(~schema.irises)],
        "mouth": [schema.outer_lips],
        "eyes": [eye.opening for eye in schema.eyes],
    }
    masks = {}
    for name, contours in groups.items():
        mask = np.zeros((height, width), np.uint8)
        for contour in contours:
            hull = cv2.convexHull(points[contour, :2].astype(np.float32))
            cv2.fillConvexPoly(mask, pixels_of(hull), (1,))
        masks[name] = mask.astype(bool)
    return masks | {"outside": ~masks["face"]}


def skin_tone_deg(picture: Pixels, points: Float[np.ndarray, "L 3"], schema: LandmarkSchema) -> float:
    """The individual typology angle of the cheeks in degrees: above 55 very light, below -30 dark.

    atan((L - 50) / b) in CIE Lab, median over both cheeks; NaN if the cheeks are outside the picture. Light and camera
    shift it: it describes a picture, not a person.
    Source: Chardon et al., International Journal of Cosmetic Science 13, 1991.
    """
    lab = cv2.cvtColor(picture.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    mask = np.zeros(picture.shape[:2], np.uint8)
    for cheek in (schema.right_cheek, schema.left_cheek):
        cv2.fillConvexPoly(mask, pixels_of(points[cheek, :2]), (1,))
    if not mask.any():
        return float("nan")
    lightness, _, yellow = np.median(lab[mask.astype(bool)], axis=0)
    return float(np.degrees(np.arctan2(lightness - 50.0, max(yellow, 1e-3))))
