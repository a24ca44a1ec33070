"""`faceanime edit`."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from faceanime.core.errors import ConfigError
from faceanime.core.files import check_input
from faceanime.dynamics.axis_table import axis_lines
from faceanime.dynamics.edit_config import EditConfig
from faceanime.dynamics.motion_path import (
    MOTION_SUFFIX,
    bundled_motions,
    check_motion_path,
    is_motion_file,
    motion_path,
)
from faceanime.morphable.model_path import model_path


def list_axes_of_faces() -> None:
    """Print the named axes with their ranges and what they do."""
    print("\n".join(axis_lines()))


@dataclasses.dataclass(frozen=True)
class Edit:
    """Cut, join, retime, mirror, amplify or loop motions; add blinks and keyframes.

    The order is: append, cut, retime, mirror, amplify, blend, axes, hold gaze, blinks, loop, convert.
    """

    motion: tyro.conf.Positional[Path]
    """Motion to edit: a .motion.safetensors file, or the name of a bundled motion (see animate --help)."""
    append: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="PATH ...")] = ()
    """Motions to append, one after the other."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = dataclasses.field(kw_only=True)
    """Motion file to write, X.motion.safetensors."""
    edit: Annotated[EditConfig, tyro.conf.OmitArgPrefixes] = dataclasses.field(
        default_factory=EditConfig, kw_only=True
    )
    to: Path | None = dataclasses.field(default=None, kw_only=True)
    """Face model to convert the motion to: the name or id of a model (see models list), or its file."""
    list_axes: bool = dataclasses.field(default=False, kw_only=True)
    """List the names that --axes knows, with unit and range, and do nothing else. docs/edit.md shows pictures."""
    INSTEAD: ClassVar[Mapping[str, Callable[[], None]]] = {"--list-axes": list_axes_of_faces}

    def run(self) -> None:
        """Run the command; see `cli.Command.run`. Raises FaceAnimeError."""
        paths = [_motion(path) for path in (self.motion, *self.append)]
        if self.edit.blend_with is not None:
            _motion(self.edit.blend_with)
        if self.edit.axes is not None:
            _check_keyframes(self.edit.axes)
        check_motion_path(self.out)
        to = None if self.to is None else model_path(self.to)
        # heavy to load, so after the checks
        from faceanime.dynamics.motion_edit import edit_motions, model_of_motion
        from faceanime.morphable.model import load_model

        target = None if to is None else load_model(to)
        error = edit_motions(paths, self.out, self.edit, model_of_motion(paths[0]), target)
        if error is not None:
            print(error, file=sys.stderr)
        print(self.out)


def _check_keyframes(path: Path) -> None:
    """Raise ConfigError, with an example, unless the file of keyframes exists."""
    if not path.is_file():
        raise ConfigError(
            f'no file of keyframes {path}: write one such as {{"smile": [[0, 0], [0.5, 1]]}}, a time in s and a value '
            "each; faceanime edit --list-axes lists the axes"
        )


def _motion(name: Path) -> Path:
    """Return the path of a motion file. Raises ConfigError for another kind of file, MediaError for a missing one."""
    path = motion_path(name)
    if not is_motion_file(path):
        raise ConfigError(
            f"{path} is not a motion: expected a name that ends in {MOTION_SUFFIX} or one of "
            f"{', '.join(bundled_motions())}; faceanime reconstruct makes a motion file of a video"
        )
    check_input(path)
    return path
