"""The faces found in a picture, and which of them is taken."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from faceanime.core.errors import Remedy
from faceanime.face.config import FaceChoice
from faceanime.face.shots import in_words
from faceanime.structures.frames import Pixels
from faceanime.structures.landmarks import Landmarks

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class FoundFaces:
    """A picture that shows faces, and the one that is taken.

    `pixels` (H,W,3) uint8 sRGB; `faces`, the largest first, in px of it; `chosen`, the index of the one that is taken;
    `quarter_turns`, by how many the given picture was turned counterclockwise to bring that face upright; `given`, what
    was found before it was turned.
    """

    pixels: Pixels
    faces: tuple[Landmarks, ...]
    chosen: int = 0
    quarter_turns: int = 0
    given: FoundFaces | None = None

    @property
    def as_given(self) -> FoundFaces:
        """The faces in the picture as it was given, unless more are found in the turned one."""
        return self if self.given is None or self.given.others < self.others else self.given

    @property
    def landmarks(self) -> Landmarks:
        """The face that is taken."""
        return self.faces[self.chosen]

    @property
    def others(self) -> int:
        """The number of faces that are not taken."""
        return len(self.faces) - 1

    def turned(self, pixels: Pixels, faces: tuple[Landmarks, ...], quarter_turns: int) -> FoundFaces:
        """The `faces` found in the picture turned by `quarter_turns`; the one nearest to the place of this one's."""
        (x, y), (height, width) = self.landmarks.center_px, self.pixels.shape[:2]
        for _ in range(quarter_turns % 4):
            x, y = y, width - x
            height, width = width, height
        away = [np.hypot(face.center_px[0] - x, face.center_px[1] - y) for face in faces]
        return FoundFaces(pixels, faces, int(np.argmin(away)), quarter_turns, self)

    @property
    def side(self) -> str:
        """The position of the chosen face among the others, in words: "on the left", "at the top"."""
        centers = np.array([face.center_px for face in self.faces])
        axis = int(np.ptp(centers[:, 1]) > np.ptp(centers[:, 0]))
        place = int((centers[:, axis] < centers[self.chosen, axis]).sum())
        first, last = (("on the left", "on the right"), ("at the top", "at the bottom"))[axis]
        if place == 0:
            return first
        if place == self.others:
            return last
        return f"number {place + 1} from the {first.split()[-1]}"

    def tell(self, which: FaceChoice, where: str, setting: str | None = "face") -> None:
        """Tell in one line which of several faces the choice `largest` takes; `setting` takes another."""
        if which != "largest" or not self.others:
            return
        others = "1 takes the other" if self.others == 1 else f"1 to {self.others} take others"
        log.warning(
            "%s shows %d faces: the largest is taken, %s", where, len(self.faces), self.side,
            extra={"remedy": None if setting is None else Remedy(setting, "{} " + others)},
        )  # fmt: skip

    def tell_of_turn(self, where: str, result: str = "") -> None:
        """Tell in one line that the picture was turned, if it was; `result`, what becomes of the result."""
        if self.quarter_turns:
            log.warning(
                "%s shows its face sideways or upside down: the face is read upright%s",
                where,
                f", {result}" if result else "",
            )

    def tell_in_shots(self, times_s: Sequence[Fraction], which: FaceChoice, where: str, setting: str) -> None:
        """Tell in one line in which shots of a video the choice `largest` takes one of several faces.

        `times_s` has the time of each such choice; this is the first of them.
        """
        if not any(times_s):
            self.tell(which, where, setting)
        elif which == "largest":
            log.warning(
                "%s shows several faces in the shots from %s: the largest is taken in each", where, in_words(times_s),
                extra={"remedy": Remedy(setting, "{} 1 takes the second largest")},
            )  # fmt: skip
