"""All that is measured of one pair: of each method's frames, against the driver's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cached_property

import cv2
import numpy as np
from jaxtyping import Bool, Float

from faceanime.core.errors import NoFaceError
from faceanime.dynamics.blinks import blinks_of
from faceanime.evaluate import geometry_metrics as geometry
from faceanime.evaluate.image_metrics import (
    SMALLEST_MS_SSIM_PX,
    l1,
    laplacian_energy,
    ms_ssim_by_region,
    psnr,
    ssim_by_region,
)
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
from faceanime.face.fit import FitConfig, fit_coefficients
from faceanime.face.identity import IdentityNetwork, cosine_similarity
from faceanime.face.track import LandmarkTracker
from faceanime.morphable import topology
from faceanime.morphable.axes import measured
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import FaceCoefficients
from faceanime.structures.frames import Frame, Pixels
from faceanime.structures.landmarks import Landmarks

REGIONS = ("face", "mouth", "eyes", "outside")
IDENTITY_EVERY = 12
"""Identity is measured in every so-manieth frame: its network is slow."""
BLINK_TOLERANCE = 2
"""Frames that a blink may be early or late."""


@dataclass(frozen=True, eq=False)
class Judges:
    """What measures; networks that the user has not brought are None."""

    model: MorphableModel
    tracker: LandmarkTracker
    identity: IdentityNetwork | None
    lpips: Lpips | None
    fid: FidFeatures | None
    fvd: FvdFeatures | None


@dataclass(frozen=True, eq=False)
class Measured:
    """Numbers of one method on one pair.

    `frames`: for each metric one number a frame, NaN where it could not be measured or was left out; `clip`: one
    number for the whole; `spectrum` power by frequency; `features` for metrics of whole sets, (N,C) each.
    """

    frames: Mapping[str, Float[np.ndarray, " T"]]
    clip: Mapping[str, float]
    spectrum: tuple[Float[np.ndarray, " F"], Float[np.ndarray, " F"]] | None
    features: Mapping[str, Float[np.ndarray, "N C"]]


@dataclass(frozen=True, eq=False)
class Seen:
    """The face in a video as the detector and the fit see it, whoever made the video."""

    points: Float[np.ndarray, "T 478 3"]
    """Frames in which it is lost repeat a neighbour."""
    found: Bool[np.ndarray, " T"]
    fitted: FaceCoefficients
    gap: Float[np.ndarray, " T"]
    """Between the lids, mean of both eyes, model units."""


def see(frames: Sequence[Pixels], identity: Float[np.ndarray, " K_id"], judges: Judges) -> Seen | None:
    """Track and fit a face whose identity is known; None where no frame shows one."""
    stream = (Frame(pixels, Fraction(index, 25)) for index, pixels in enumerate(frames))
    landmarks = list(judges.tracker.track(stream))
    found = np.array([entry is not None for entry in landmarks])
    if not found.any():
        return None
    known = np.flatnonzero(found)
    nearest = known[np.abs(np.arange(len(found))[:, None] - known).argmin(axis=1)]
    points = np.stack([_points(landmarks[i]) for i in nearest])
    fitted = fit_coefficients(points.astype(np.float64), judges.model, FitConfig(), identity)
    sides = [
        measured(f"lids_apart_{s}", judges.model, identity, fitted.expression) for s in ("right", "left")
    ]
    return Seen(points, found, fitted, np.mean(sides, axis=0))


def _points(landmarks: Landmarks | None) -> Float[np.ndarray, "478 3"]:
    assert landmarks is not None
    return landmarks.points_image


class Reference:
    """The driver of a pair, and what of it every method is compared with."""

    def __init__(self, pair: Pair, judges: Judges, every: int) -> None:
        self.pair, self.judges, self.every = pair, judges, every
        self.frames: list[Pixels] = list(pair.driver.pictures())
        self.motion = pair.driver.motion()
        self.rate = self.motion.frame_rate
        self.source: Pixels = (
            self.frames[pair.source_frame] if pair.has_truth else pair.source.pictures()[pair.source_frame]
        )

    @cached_property
    def seen(self) -> Seen:
        """The driver, seen as the results are. Raises NoFaceError."""
        seen = see(self.frames, self.motion.identity, self.judges)
        if seen is None:
            remedy = "data prepared without it"
            raise NoFaceError(f"clip {self.pair.driver.key}", remedies=(remedy,))
        return seen

    @cached_property
    def masks(self) -> list[dict[str, Bool[np.ndarray, "S S"]]]:
        """Regions of each frame."""
        return [region_masks(points, *self.source.shape[:2]) for points in self.seen.points]

    @cached_property
    def _identity(self) -> Float[np.ndarray, " D"] | None:
        points = _face_of(self.source, self.judges)
        return None if points is None else _embedded([(self.source, points)], self.judges)[0]

    @cached_property
    def _motions(self) -> dict[int, TrueMotion]:
        """The true motion into every so-manieth frame: optical flow is slow."""
        into = range(self.every, len(self.frames), self.every)
        return {t: next(true_motions(self.frames[t - 1 : t + 1])) for t in into}

    def measure(self, result: Sequence[Pixels]) -> Measured:
        """All numbers of a result, whose frames are those of the driver, one for one."""
        pair, judges = self.pair, self.judges
        identity = (self.motion if pair.has_truth else pair.source.motion()).identity
        seen = see(result, identity, judges)
        found = np.zeros(len(result), bool) if seen is None else seen.found
        frames: dict[str, Float[np.ndarray, " T"]] = {}
        clip = {"missing": geometry.missing_keypoint_rate(found, self.seen.found)}
        spectrum = None
        filmed = blinks_of(self.seen.gap, float(self.rate))
        blinks = geometry.BlinkCounts(missed=len(filmed))  # who has no face does not blink
        if seen is not None:
            frames |= self._geometry(seen)
            if len(result) >= SHORTEST:
                spectrum = motion_spectrum(seen.points, self.rate)
                trembling, true = (jitter_px(points, self.rate) for points in (seen.points, self.seen.points))
                clip["jitter"] = trembling / true if true > 0.0 else np.nan
            blinks = geometry.count_blinks(blinks_of(seen.gap, float(self.rate)), filmed, BLINK_TOLERANCE)
            frames["identity"] = self._identities(result, seen)
        clip |= {f"blinks_{name}": count for name, count in asdict(blinks).items()}
        if pair.has_truth:
            frames |= self._pictures(result)
        return Measured(frames, clip, spectrum, self._features(result))

    def _geometry(self, seen: Seen) -> dict[str, Float[np.ndarray, " T"]]:
        truth = self.seen
        usable = seen.found & truth.found
        made, filmed = (self._moved(one) for one in (seen, truth))
        numbers = {
            "expression": geometry.expression_distance(made[0], filmed[0]),
            "pose_deg": geometry.pose_distance_deg(made[1], filmed[1]),
        }
        if self.pair.has_truth:
            scale = 256.0 / self.source.shape[1]
            numbers["keypoints_px"] = scale * geometry.keypoint_distance_px(seen.points, truth.points)
        numbers = {name: np.where(usable, values, np.nan) for name, values in numbers.items()}
        closed = np.zeros(len(usable), bool)
        for start, end in blinks_of(truth.gap, float(self.rate)):
            closed[start:end] = True
        gaze = geometry.gaze_error_deg(seen.points, truth.points)
        return numbers | {"gaze_deg": np.where(usable & ~closed, gaze, np.nan)}

    def _pictures(self, result: Sequence[Pixels]) -> dict[str, Float[np.ndarray, " T"]]:
        count = len(result)
        numbers: dict[str, Float[np.ndarray, " T"]] = {}

        def put(name: str, at: int, value: float) -> None:
            numbers.setdefault(name, np.full(count, np.nan))[at] = value

        for t in range(0, count, self.every):
            made, truth, masks = result[t], self.frames[t], self.masks[t]
            put("l1_crop", t, l1(made, truth))
            for region in REGIONS:
                put(f"l1_{region}", t, l1(made, truth, masks[region]))
                put(f"sharpness_{region}", t, _sharpness(made, truth, masks[region]))
            whole: dict[str, Bool[np.ndarray, "S S"] | None] = {"crop": None}
            regions = whole | {region: masks[region] for region in REGIONS}
            for region, mask in regions.items():
                put(f"psnr_{region}", t, min(psnr(made, truth, mask), _BEST_PSNR))
            similar = {"ssim": ssim_by_region}
            if min(made.shape[:2]) >= SMALLEST_MS_SSIM_PX:
                similar["ms_ssim"] = ms_ssim_by_region
            for name, metric in similar.items():
                for region, value in zip(regions, metric(made, truth, list(regions.values())), strict=True):
                    put(f"{name}_{region}", t, value)
            if self.judges.lpips is not None:
                put("lpips_crop", t, float(self.judges.lpips(made[None], truth[None])[0]))
        for t, motion in self._motions.items():
            put("warping", t, warping_error(result[t - 1 : t + 1], [motion])[0])
        return numbers | {"temporal": np.concatenate([[np.nan], temporal_error(result, self.frames)])}

    def _moved(self, seen: Seen) -> tuple[Float[np.ndarray, "T K"], Float[np.ndarray, "T 3 3"]]:
        """Expressions and head rotations.

        In protocol cross their departure from the driver's frame at rest: two people's own expressions and poses
        differ, and what is to be transferred is the motion.
        """
        expression, rotation = seen.fitted.expression, seen.fitted.pose.rotation
        if self.pair.has_truth:
            return expression, rotation
        rest = self.pair.reference
        return expression - expression[rest], rotation @ rotation[rest].T

    def _identities(self, result: Sequence[Pixels], seen: Seen) -> Float[np.ndarray, " T"]:
        """Cosine similarity to the source (CSIM)."""
        similar = np.full(len(result), np.nan)
        if self._identity is None:
            return similar
        at = [t for t in range(0, len(result), IDENTITY_EVERY) if seen.found[t]]
        if at:
            vectors = _embedded([(result[t], seen.points[t]) for t in at], self.judges)
            similar[at] = cosine_similarity(vectors, np.broadcast_to(self._identity, vectors.shape))
        return similar

    def _features(self, result: Sequence[Pixels]) -> dict[str, Float[np.ndarray, "N C"]]:
        features = {}
        if self.judges.fid is not None:
            features["fid"] = self.judges.fid(np.stack(result[:: self.every]))
        if self.judges.fvd is not None and len(result) >= FVD_FRAMES:
            starts = range(0, len(result) - FVD_FRAMES + 1, FVD_FRAMES)
            features["fvd"] = self.judges.fvd(
                np.stack([np.stack(result[s : s + FVD_FRAMES]) for s in starts])
            )
        return features


_BEST_PSNR = 100.0
"""dB; equal pictures would have infinity, which has no mean."""


def _sharpness(made: Pixels, truth: Pixels, mask: Bool[np.ndarray, "S S"]) -> float:
    """Laplacian energy over that of the truth: 1 as sharp, below softer."""
    return laplacian_energy(made, mask) / max(laplacian_energy(truth, mask), 1e-6)


def _face_of(picture: Pixels, judges: Judges) -> Float[np.ndarray, "478 3"] | None:
    if judges.identity is None:
        return None
    found = next(iter(judges.tracker.track([Frame(picture, Fraction(0))])))
    return None if found is None else found.points_image


def _embedded(
    faces: Iterable[tuple[Pixels, Float[np.ndarray, "478 3"]]], judges: Judges
) -> Float[np.ndarray, "N D"]:
    assert judges.identity is not None
    aligned = [
        judges.identity.align(picture, Landmarks(points.astype(np.float32), 1.0)) for picture, points in faces
    ]
    return judges.identity.embed(aligned)


def region_masks(
    points: Float[np.ndarray, "478 3"], height: int, width: int
) -> dict[str, Bool[np.ndarray, "H W"]]:
    """The convex hulls of the face, the lips' outer contour and the eyes' contours; and all that is not face."""
    masks = {}
    for name, parts in _CONTOURS.items():
        mask = np.zeros((height, width), np.uint8)
        for part in parts:
            hull = cv2.convexHull(points[part, :2].astype(np.float32))
            cv2.fillConvexPoly(mask, np.rint(hull - 0.5).astype(np.int32), (1,))
        masks[name] = mask.astype(bool)
    return masks | {"outside": ~masks["face"]}


_CONTOURS = {
    "face": [np.arange(geometry.MESH_POINTS)],
    "mouth": [np.array(topology.OUTER_LIPS)],
    "eyes": [
        np.array(topology.RIGHT_EYE_LOWER + topology.RIGHT_EYE_UPPER),
        np.array(topology.LEFT_EYE_LOWER + topology.LEFT_EYE_UPPER),
    ],
}


def skin_tone_deg(picture: Pixels, points: Float[np.ndarray, "478 3"]) -> float:
    """The individual typology angle of the cheeks, degrees: above 55 very light, below -30 dark.

    atan((L - 50) / b) in CIE Lab, median over both cheeks; light and camera shift it, so it sorts pictures, not
    people. Source: Chardon et al., International Journal of Cosmetic Science 13, 1991.
    """
    lab = cv2.cvtColor(picture.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    mask = np.zeros(picture.shape[:2], np.uint8)
    for cheek in _CHEEKS:
        cv2.fillConvexPoly(mask, np.rint(points[cheek, :2] - 0.5).astype(np.int32), (1,))
    if not mask.any():
        return float("nan")
    lightness, _, yellow = np.median(lab[mask.astype(bool)], axis=0)
    return float(np.degrees(np.arctan2(lightness - 50.0, max(yellow, 1e-3))))


_CHEEKS = ([117, 118, 50, 205, 187, 123], [346, 347, 280, 425, 411, 352])
