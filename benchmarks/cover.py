"""Covered parts and unfit faces: what is told of each portrait of a table.

    python benchmarks/cover.py --data DIR [--split train ...]

`DIR` holds portraits.csv (columns file, split). Of people's plain portraits almost none may be told: each is named.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from faceanime.core.errors import NoFaceError, UnfitFaceError
from faceanime.media.image import read_image
from faceanime.pipeline import Animator
from faceanime.train.data.clip_table import PORTRAITS, read_split


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", nargs="+", default=["train", "val", "test"])
    args = parser.parse_args()
    animator = Animator()
    logging.getLogger("faceanime").addHandler(heard := Heard())
    for split in args.split:
        told, count = 0, 0
        for row in read_split(args.data / PORTRAITS, split):
            heard.texts.clear()
            try:
                animator.portrait(read_image(args.data / row["file"]), row["file"])
            except NoFaceError:
                continue
            except UnfitFaceError as error:
                heard.texts.append(error.problem)
            count += 1
            told += bool(heard.texts)
            print(*heard.texts, sep="\n", end="\n" if heard.texts else "", flush=True)
        print(f"{split}: {told} of {count} faces")


class Heard(logging.Handler):
    """Keeps the warnings that are given."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


if __name__ == "__main__":
    main()
