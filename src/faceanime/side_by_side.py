"""Source, driver, prior and result beside each other: side-by-side videos and contact sheets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import partial
from itertools import repeat

import numpy as np

from faceanime.drivers.driver import View
from faceanime.face.found import FoundFaces
from faceanime.media.contact_sheet import WHITE, Picture, contact_sheet, tile_row
from faceanime.media.marked_boxes import marked_boxes
from faceanime.morphable.model import MorphableModel
from faceanime.prior.sparse_texture import (
    TextureConfig,
    model_points,
    render_texture,
    sample_texture,
    sparse_skin,
)
from faceanime.structures.coefficients import Dynamics
from faceanime.structures.frames import Pixels
from faceanime.structures.portrait import Portrait

_SHEET_COLUMNS = 5
"""Times that a contact sheet shows."""
_SHEET_TILE_PX = 320
"""Side of a contact sheet's pictures; chosen by eye."""
_SHEET_ASPECT = 16 / 9
"""Largest ratio of the sides of a contact sheet's pictures: those of phones and cameras are not above it."""
_ROW_HEIGHT_PX = 512
"""Largest height of a side-by-side video."""

_SMALL_FACE, _SHOWN_FACE = 0.1, 0.25
"""Share of the face in the height of a contact sheet's picture below which the part around it is shown, and its share
in that part; chosen by eye. A head is a third higher than its face."""


class SideBySide:
    """Collects what a contact sheet shows and composes the frames of a side-by-side video."""

    def __init__(
        self,
        source: Picture,
        frames: int,
        beside: bool,
        head_place: tuple[float, float] = (0.5, 0.5),
        face_share: float = 1.0,
    ) -> None:
        """`frames` is the number of frames to come; `beside`: each becomes a row of source, driver, prior, result.

        `head_place` is the center (x, y) of the head in the source, in fractions of its sides; `face_share`, the longer
        side of the face in fractions of the source's height.
        """
        self._source, self._beside = source, beside
        height, width = source.shape[:2]
        self._part = _part_around(height, width, head_place, face_share)
        self._height = min(source.shape[0], _ROW_HEIGHT_PX)
        self._columns = set(np.linspace(0, frames - 1, _SHEET_COLUMNS).round().astype(int).tolist())
        self._shown: list[tuple[Picture, Picture, Picture]] = []
        self._index = 0

    def frame(self, driver: View, prior: View, result: Picture) -> Picture:
        """Take the next frame and return what the video shows of it; views are drawn only where they are shown."""
        if self._index in self._columns:
            self._shown.append((self._source[self._part], _padded(driver()), result[self._part]))
        self._index += 1
        if not self._beside:
            return result
        return tile_row([self._source, driver(), prior(), result], self._height)

    def sheet(self, choices: Mapping[str, FoundFaces]) -> Picture:
        """Return the contact sheet: source, driver and result at five times, below them each choice of a face.

        Of a portrait that is very wide or tall, or whose head is small, it shows the part around the head.
        `choices` has the faces among which one was chosen, by what shows them: "portrait", "driver".
        """
        rows = [list(row) for row in zip(*self._shown, strict=True)]
        is_whole = self._source[self._part].shape == self._source.shape
        part = "" if is_whole else ": the part around the head"
        labels = (f"source{part}", "driver", f"result{part}")
        sheets = [contact_sheet(rows, labels, tile_px=_SHEET_TILE_PX)]
        for name, found in choices.items():
            label = f"faces of the {name}, by size: {found.chosen} is taken, {found.side}"
            sheets.append(contact_sheet([[_choice(found)]], [label], tile_px=_SHEET_TILE_PX))
        widest = max(sheet.shape[1] for sheet in sheets)
        padded = [
            np.pad(s, ((0, 0), (0, widest - s.shape[1]), (0, 0)), constant_values=WHITE) for s in sheets
        ]
        return np.concatenate(padded)


def _part_around(
    height: int, width: int, place: tuple[float, float], face_share: float
) -> tuple[slice, slice]:
    """Rows and columns of what is shown of a picture: the part around a place (x, y) if it is very wide or tall, or if
    the face there is small. The place is given in fractions of the sides, the face in fractions of the height.
    """
    rows, columns = min(height, round(_SHEET_ASPECT * width)), min(width, round(_SHEET_ASPECT * height))
    share = face_share * height / rows
    if share < _SMALL_FACE:
        factor = share / _SHOWN_FACE
        rows, columns = max(round(factor * rows), 1), max(round(factor * columns), 1)
    return _cut(height, rows, place[1]), _cut(width, columns, place[0])


def _cut(length: int, kept: int, at: float) -> slice:
    """A part `kept` of a `length`, around the fraction `at` of it."""
    first = min(max(round(at * length - kept / 2), 0), length - kept)
    return slice(first, first + kept)


def _padded(picture: Picture) -> Picture:
    """A very wide or tall picture on white, less wide or tall: where its head is, is not known."""
    height, width = picture.shape[:2]
    missing = [
        max(round(other / _SHEET_ASPECT) - length, 0) for length, other in ((height, width), (width, height))
    ]
    sides = [(each // 2, each - each // 2) for each in missing]
    return np.pad(picture, (*sides, (0, 0)), constant_values=WHITE)


def _choice(found: FoundFaces) -> Picture:
    """The picture in which a face was chosen, with all faces in numbered boxes, as high as a tile."""
    picture = tile_row([found.pixels], _SHEET_TILE_PX)
    factor = _SHEET_TILE_PX / found.pixels.shape[0]
    boxes = [[factor * edge for edge in face.box_px] for face in found.faces]
    return marked_boxes(picture, boxes, found.chosen)


def held_views(views: Iterator[View], frames: int, step: Fraction = Fraction(1)) -> Iterator[View]:
    """Yield exactly `frames` views, every `step`-th; if there are fewer, the last one is repeated."""
    view, taken = next(views, None), 1
    for frame in range(frames):
        while view is not None and taken <= int(frame * step):
            following = next(views, None)
            if following is None:
                yield from repeat(view, frames - frame)
                return
            view, taken = following, taken + 1
        if view is not None:
            yield view


def prior_views(
    portrait: Portrait, dynamics: Dynamics, model: MorphableModel, cut: Callable[[Pixels], Picture]
) -> Iterator[View]:
    """Yield the sparse texture prior of each frame, drawn at the size of the portrait, then cut as the result is."""
    skin = sparse_skin(model, TextureConfig().interval)
    texture = sample_texture(portrait.pixels, portrait.face, model, skin)

    def draw(t: int) -> Picture:
        points = model_points(dynamics[t], portrait.face.residual, model)
        prior = render_texture(texture, points, *portrait.pixels.shape[:2])
        return cut(np.rint((prior + 1.0) * 127.5).astype(np.uint8))

    return (partial(draw, t) for t in range(len(dynamics)))
