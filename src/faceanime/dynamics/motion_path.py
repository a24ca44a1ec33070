"""Paths of motion files and names of bundled motions; loads nothing heavy."""

from __future__ import annotations

from pathlib import Path

from faceanime.core.config import nearest
from faceanime.core.errors import ConfigError, OutputError
from faceanime.core.files import check_output, is_there

MOTION_SUFFIX = ".motion.safetensors"
MOTIONS_FOLDER = Path(__file__).parents[1] / "assets" / "motions"


def bundled_motions() -> tuple[str, ...]:
    """The names of the bundled motions."""
    return tuple(
        sorted(path.name.removesuffix(MOTION_SUFFIX) for path in MOTIONS_FOLDER.glob(f"*{MOTION_SUFFIX}"))
    )


def bundled_motion_path(name: str) -> Path:
    """The file of a bundled motion. Raises ConfigError for an unknown name."""
    if name not in bundled_motions():
        raise ConfigError(f"no bundled motion '{name}'; there are {', '.join(bundled_motions())}")
    return MOTIONS_FOLDER / f"{name}{MOTION_SUFFIX}"


def motion_path(driving: Path) -> Path:
    """The path of a driver's file, or of the bundled motion of that name. Raises ConfigError for an unknown name."""
    name, known = str(driving), bundled_motions()
    if driving.parts != (name,) or driving.suffix or is_there(driving):
        return driving
    if name not in known:
        raise ConfigError(
            f"{name} is neither a file nor a bundled motion (there are {', '.join(known)})"
            f"{nearest(name, list(known))}"
        )
    return bundled_motion_path(name)


def is_motion_file(path: Path) -> bool:
    """Whether a path has the suffix of a motion file."""
    return path.name.endswith(MOTION_SUFFIX)


def refuse_motion(source: Path, problem: str) -> None:
    """Raise ConfigError for the name of a bundled motion or a motion file where another kind of file is needed.

    `problem` says what to do instead; `{}` in it stands for the name.
    """
    if is_motion_file(source) or (str(source) in bundled_motions() and not is_there(source)):
        raise ConfigError(f"{source} is a motion: {problem.format(source)}")


def check_motion_path(path: Path) -> None:
    """Raise OutputError unless a motion file can be written at this path."""
    if not is_motion_file(path):
        raise OutputError(f"cannot write {path}: a motion file's name ends in {MOTION_SUFFIX}")
    check_output(path)
