"""The log of a training run on disk: curve.csv, and TensorBoard's log where that is installed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from faceanime.structures.frames import Pixels

log = logging.getLogger(__name__)


class Curve:
    """Writes the numbers and pictures of a run to its folder; use it in a `with` statement."""

    def __init__(self, out: Path, resumed: bool) -> None:
        """`out` is an existing folder; a table that is there already is continued if `resumed`, else replaced."""
        self._table, self._last = out / "curve.csv", -1
        if not resumed:
            self._table.unlink(missing_ok=True)
        elif self._table.exists():
            text = self._table.read_text(encoding="utf-8")
            whole = text[: text.rfind("\n") + 1]  # a killed run may have left half a row
            if whole != text:
                self._table.write_text(whole, encoding="utf-8")
            rows = whole.splitlines()[1:]
            self._last = int(rows[-1].split(",")[0]) if rows else -1
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            log.warning('no log for TensorBoard: pip install "faceanime[train]"')
            self._board = None
        else:
            self._board = SummaryWriter(str(out))

    def __enter__(self) -> Curve:
        return self

    def __exit__(self, *_: object) -> None:
        if self._board is not None:
            self._board.close()

    def note(self, step: int, numbers: Mapping[str, float]) -> None:
        """Append a row to the table, unless it has a row of this step; every call names the same numbers."""
        if step <= self._last:
            return
        new = not self._table.exists() or not self._table.stat().st_size
        with self._table.open("a", encoding="utf-8") as table:
            if new:
                table.write(",".join(["step", *numbers]) + "\n")
            table.write(",".join([str(step), *(f"{value:.5g}" for value in numbers.values())]) + "\n")
        if self._board is not None:
            for name, value in numbers.items():
                self._board.add_scalar(name, value, step)
            self._board.flush()

    def show(self, step: int, name: str, picture: Pixels) -> None:
        """Write a picture for TensorBoard, unless an earlier part of the run has reached this step."""
        if self._board is not None and step > self._last:
            self._board.add_image(name, np.asarray(picture), step, dataformats="HWC")
