"""Scenes of the golden pictures; frames and targets are chosen so that each shows what its name says."""

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

    @property
    def names(self) -> list[str]:
        """The names of its pictures: folder/subject_motion_frame or folder/subject_target."""
        folder = "geometric" if self.renderer == "moving-background" else self.renderer
        moments = (
            [f"{self.motion}_{t:03}" for t in self.frames] if isinstance(self.motion, str) else self.motion
        )
        return [f"{folder}/{self.subject}_{moment}" for moment in moments]

    def pictures(self, studio: Studio) -> dict[str, Picture]:
        """The pictures by name."""
        if isinstance(self.motion, str):
            drawn = studio.frames(self.renderer, self.subject, self.motion, self.frames)
        else:
            targets = list(self.motion.values())
            drawn = studio.frames(self.renderer, self.subject, targets, range(len(targets)))
        if self.face_only:
            box = studio.face_box(self.subject)
            drawn = [picture[box] for picture in drawn]
        return dict(zip(self.names, drawn, strict=True))


@dataclass(frozen=True)
class Film:
    """A frame of a bundled motion, written from file to file with --crop and --side-by-side."""

    renderer: RendererName
    motion: str
    frame: int

    @property
    def name(self) -> str:
        return f"crop/{self.renderer}_{self.motion}_{self.frame:03}"


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
            "lower-teeth": {"jaw_open": 0.5, "lips_part": 1.2, "frown": 1.5, "pitch_deg": 12},
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
    Scene("fast", "astronaut-large", "talk", (62,), face_only=True),
    Scene("fast", "astronaut-large", FACES, face_only=True),
    Scene("quality", "astronaut-large", FACES, face_only=True),
]
PGFG = [
    Scene("pgfg", "astronaut", {"rest": {}, "turned": {"yaw_deg": 20, "jaw_open": 0.8}}),
]
SCENES = [*GEOMETRIC, *BEYOND, *FLOW, *PGFG]

FILMS = [
    Film("geometric", "smile", 30),
    Film("fast", "talk", 19),
    Film("quality", "surprise", 20),
    Film("pgfg", "look-around", 40),
]

PRIORS: dict[str, tuple[Target, int]] = {
    "prior/finest": ({}, 1),
    "prior/default_turned": ({"yaw_deg": -20, "jaw_open": 0.7}, 4),
    "prior/coarsest_shut": (SHUT, 16),
}
"""Target and interval of sparse textures."""

CLAYS = {
    "clay/talk_062": ("talk", 62),
    "clay/look-around_040": ("look-around", 40),
    "clay/wink_020": ("wink", 20),
}
"""Motion and frame of clay views."""

NAMES = {
    *(name for scene in SCENES for name in scene.names),
    *(film.name for film in FILMS),
    *PRIORS,
    *CLAYS,
}
"""All golden pictures."""
