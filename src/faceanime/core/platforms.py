"""Machines on which faceanime cannot run, because a library that it needs has no build for them."""

from __future__ import annotations

import os
import sys

from faceanime.core.errors import FaceAnimeError


def check_platform(system: str, machine: str, python: tuple[int, int]) -> None:
    """Raise FaceAnimeError where a library has no build. Arguments: `sys.platform`, the processor, Python's version.

    >>> check_platform("linux", "x86_64", (3, 12))
    """
    if not (3, 11) <= python < (3, 13):
        raise FaceAnimeError(
            f"faceanime needs Python 3.11 or 3.12, found {python[0]}.{python[1]}: mediapipe, which finds faces, "
            "has no build for other versions that carries its models"
        )
    if (system, machine) == ("darwin", "x86_64"):
        raise FaceAnimeError(
            "faceanime does not run on macOS with an Intel processor: torch has had no build for it since 2.2; use "
            "Apple silicon, Linux or Windows"
        )


def check_this_platform() -> None:
    """Raise FaceAnimeError where faceanime cannot run on this machine."""
    machine = (
        os.uname().machine if hasattr(os, "uname") else ""
    )  # importing `platform` takes longer than this
    check_platform(sys.platform, machine, sys.version_info[:2])
