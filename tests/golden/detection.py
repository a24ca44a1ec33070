"""Detections in pictures of the astronaut: landmarks and matte, from which all golden portraits are made."""

from comparison import Golden
from studio import Studio, matte_picture

LANDMARKS_PX = 0.3
"""How far landmarks may lie from those stored, px (depths too): networks in single precision round otherwise on other
CPUs. Chosen by eye; tenths of that are usual."""


def check_detected(subject: str, studio: Studio, golden: Golden) -> None:
    """Compare landmarks and matte with what is stored. Raises GoldenMismatchError."""
    portrait = studio.detected(subject)
    landmarks = {"landmarks": portrait.landmarks.points_image}
    golden.numbers(f"detected/{subject}", landmarks, {"landmarks": LANDMARKS_PX})
    golden.pictures({f"detected/{subject}": matte_picture(portrait.matte)})
