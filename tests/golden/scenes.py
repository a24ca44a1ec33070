"""What is drawn for the golden pictures; frames and targets are chosen so that each shows what its name says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from studio import Picture, RendererName, Studio, Target


@dataclass(frozen=True)
class Scene:
    """Frames of a bundled motion, or named targets, of a subject; of the face alone, or of the whole picture."""

    renderer: RendererName
    subject: str
    motion: str | dict[str, Target]
    frames: Sequence[int] = ()
    face_only: bool = False

    def pictures(self, studio: Studio) -> dict[str, Picture]:
        """The pictures by name."""
        folder = "geometric" if self.renderer == "moving-background" else self.renderer
        start = f"{folder}/{self.subject}"
        if isinstance(self.motion, str):
            motion, frames = self.motion, self.frames
            names = [f"{start}_{self.motion}_{t:03}" for t in frames]
        else:
            motion, frames = list(self.motion.values()), range(len(self.motion))
            names = [f"{start}_{name}" for name in self.motion]
        drawn = studio.frames(self.renderer, self.subject, motion, frames)
        if self.face_only:
            box = studio.face_box(self.subject)
            drawn = [picture[box] for picture in drawn]
        return dict(zip(names, drawn, strict=True))


SHUT: Target = {"blink_left": 1.0, "blink_right": 1.0}
FACES: dict[str, Target] = {
    "mouth-open": {"jaw_open": 0.8, "lips_part": 0.2},
    "lids-shut": SHUT,
    "gaze": {"gaze_left": 0.9, "wide_left": 0.5, "wide_right": 0.5},
}

GEOMETRIC = [
    Scene("geometric", "astronaut", "talk", (19, 62)),
    Scene("geometric", "astronaut", "look-around", (40, 92)),
    Scene("geometric", "astronaut", "surprise", (20,)),
    Scene("geometric", "astronaut", "wink", (20,)),
    Scene("geometric", "astronaut-large", FACES, face_only=True),
    Scene(
        "geometric",
        "drawn",
        {
            "yawn": {"jaw_open": 1.0, "lips_part": 0.4, "pitch_deg": -12},
            "teeth": {"jaw_open": 0.4, "lips_part": 0.9, "stretch": 0.8, "yaw_deg": -14},
            "turned": {"yaw_deg": 24, **SHUT},
            "shifted": {"right_px": -14, "down_px": 10, "roll_deg": 9, "gaze_left": -0.9, "smile": 0.8},
        },
    ),
    Scene("moving-background", "drawn", {"moving-background": {"yaw_deg": -18, "right_px": 10}}),
    Scene("geometric", "clay", {"to-front": {"yaw_deg": -26}, "further": {"yaw_deg": 14, "jaw_open": 0.5}}),
]
BEYOND = [
    Scene("geometric", "astronaut-top", {"down": {"down_px": 16, "pitch_deg": 10}}),
    Scene("geometric", "astronaut-side", {"right": {"right_px": 16, "yaw_deg": 8}}),
    Scene("geometric", "drawn-top", {"down": {"down_px": 26, "roll_deg": 6}}),
    Scene("geometric", "drawn-left", {"right": {"right_px": 24, "down_px": 8}}),
]
FLOW = [
    Scene("fast", "astronaut-large", "talk", (19, 62), face_only=True),
    Scene("fast", "astronaut-large", FACES, face_only=True),
    Scene("quality", "astronaut-large", "talk", (62,), face_only=True),
    Scene("quality", "astronaut-large", FACES, face_only=True),
    Scene("fast", "drawn", {"yawn": {"jaw_open": 1.0, "lips_part": 0.4, "yaw_deg": 10}}),
]
PGFG = [
    Scene("pgfg", "astronaut", {"rest": {}, "turned": {"yaw_deg": 20, "jaw_open": 0.8}}),
]
SCENES = [*GEOMETRIC, *BEYOND, *FLOW, *PGFG]

FILMS: list[tuple[RendererName, str, tuple[int, ...]]] = [
    ("geometric", "smile", (0, 30)),
    ("fast", "talk", (0, 19)),
    ("quality", "surprise", (0, 20)),
    ("pgfg", "look-around", (0, 40)),
]
"""Renderer, motion and frames of what is written with --crop and --side-by-side."""

PRIORS: dict[str, tuple[Target, int]] = {
    "finest": ({}, 1),
    "default_turned": ({"yaw_deg": -20, "jaw_open": 0.7}, 4),
    "coarsest_shut": (SHUT, 16),
}
"""Target and interval of sparse textures."""

CLAYS = [("talk", 62), ("look-around", 40), ("wink", 20)]
