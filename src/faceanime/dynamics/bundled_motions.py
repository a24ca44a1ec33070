"""The bundled motions by name; `motions.py` makes them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from faceanime.core.config import nearest
from faceanime.core.errors import ConfigError
from faceanime.core.files import is_there
from faceanime.dynamics.motion_file import SUFFIX, load_motion
from faceanime.structures.coefficients import Dynamics

MOTIONS_FOLDER = Path(str(files("faceanime"))) / "assets" / "motions"


def bundled_motions() -> tuple[str, ...]:
    """The names of the bundled motions."""
    return tuple(sorted(path.name.removesuffix(SUFFIX) for path in MOTIONS_FOLDER.glob(f"*{SUFFIX}")))


def bundled_motion_path(name: str) -> Path:
    """The file of a bundled motion. Raises ConfigError for an unknown name."""
    if name not in bundled_motions():
        raise ConfigError(f"no bundled motion '{name}'; there are {', '.join(bundled_motions())}")
    return MOTIONS_FOLDER / f"{name}{SUFFIX}"


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


def bundled_motion(name: str) -> Dynamics:
    """A bundled motion. Raises ConfigError for an unknown name."""
    return load_motion(bundled_motion_path(name))
