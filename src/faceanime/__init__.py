"""One portrait and a motion in, a video out: face animation through an editable 3D face.

`animate("me.jpg", "talk", "out.mp4")` is all it takes; `Animator` is the way to more control. It takes and returns
`Portrait`, `Dynamics` and pictures (H,W,3) uint8. docs/reference/python.md describes every name.
Names are imported on first use, so that importing the package alone is fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faceanime.api import animate as animate
    from faceanime.api import edit as edit
    from faceanime.api import morph as morph
    from faceanime.api import motion as motion
    from faceanime.api import predict as predict
    from faceanime.api import reconstruct as reconstruct
    from faceanime.api import write_video as write_video
    from faceanime.core.errors import Cancelled as Cancelled
    from faceanime.core.errors import ConfigError as ConfigError
    from faceanime.core.errors import FaceAnimeError as FaceAnimeError
    from faceanime.core.errors import MediaError as MediaError
    from faceanime.core.errors import MorphableModelError as MorphableModelError
    from faceanime.core.errors import NoFaceError as NoFaceError
    from faceanime.core.errors import NoSuchFaceError as NoSuchFaceError
    from faceanime.core.errors import OutputError as OutputError
    from faceanime.core.errors import RangeError as RangeError
    from faceanime.core.errors import ShapeError as ShapeError
    from faceanime.core.errors import UnfitFaceError as UnfitFaceError
    from faceanime.core.errors import WeightsError as WeightsError
    from faceanime.core.progress import CallbackProgress as CallbackProgress
    from faceanime.drivers.span_config import DriverSpan as DriverSpan
    from faceanime.dynamics.edit_config import EditConfig as EditConfig
    from faceanime.dynamics.motion_file import save_motion as save_motion
    from faceanime.dynamics.predictor_options import PredictorOptions as PredictorOptions
    from faceanime.dynamics.retarget_config import MotionLimits as MotionLimits
    from faceanime.dynamics.retarget_config import MotionStrength as MotionStrength
    from faceanime.dynamics.retarget_config import RetargetConfig as RetargetConfig
    from faceanime.dynamics.rollout_config import FutureConfig as FutureConfig
    from faceanime.face.config import DetectConfig as DetectConfig
    from faceanime.face.config import FitConfig as FitConfig
    from faceanime.face.config import GoalConfig as GoalConfig
    from faceanime.face.config import ReadConfig as ReadConfig
    from faceanime.face.config import SmoothConfig as SmoothConfig
    from faceanime.face.config import TrackConfig as TrackConfig
    from faceanime.generator.config import RendererConfig as RendererConfig
    from faceanime.media.image import read_image as read_image
    from faceanime.media.image import write_image as write_image
    from faceanime.output_options import OutputOptions as OutputOptions
    from faceanime.pipeline import Animator as Animator
    from faceanime.pipeline import AnimatorConfig as AnimatorConfig
    from faceanime.render.config import GeometricConfig as GeometricConfig
    from faceanime.render.config import WarpConfig as WarpConfig
    from faceanime.structures.coefficients import Dynamics as Dynamics
    from faceanime.structures.portrait import Portrait as Portrait

    __version__: str

_HOME = {
    "Animator": "pipeline",
    "AnimatorConfig": "pipeline",
    "CallbackProgress": "core.progress",
    "Cancelled": "core.errors",
    "ConfigError": "core.errors",
    "DetectConfig": "face.config",
    "DriverSpan": "drivers.span_config",
    "Dynamics": "structures.coefficients",
    "EditConfig": "dynamics.edit_config",
    "FaceAnimeError": "core.errors",
    "FitConfig": "face.config",
    "FutureConfig": "dynamics.rollout_config",
    "GeometricConfig": "render.config",
    "GoalConfig": "face.config",
    "MediaError": "core.errors",
    "MorphableModelError": "core.errors",
    "MotionLimits": "dynamics.retarget_config",
    "MotionStrength": "dynamics.retarget_config",
    "NoFaceError": "core.errors",
    "NoSuchFaceError": "core.errors",
    "OutputError": "core.errors",
    "OutputOptions": "output_options",
    "Portrait": "structures.portrait",
    "PredictorOptions": "dynamics.predictor_options",
    "RangeError": "core.errors",
    "ReadConfig": "face.config",
    "RendererConfig": "generator.config",
    "RetargetConfig": "dynamics.retarget_config",
    "ShapeError": "core.errors",
    "SmoothConfig": "face.config",
    "TrackConfig": "face.config",
    "UnfitFaceError": "core.errors",
    "WarpConfig": "render.config",
    "WeightsError": "core.errors",
    "animate": "api",
    "edit": "api",
    "morph": "api",
    "motion": "api",
    "predict": "api",
    "read_image": "media.image",
    "reconstruct": "api",
    "save_motion": "dynamics.motion_file",
    "write_image": "media.image",
    "write_video": "api",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version  # slow to import

        return version("faceanime")
    if name not in _HOME:
        raise AttributeError(f"module 'faceanime' has no attribute '{name}'")
    import_module("faceanime.core.platforms").check_this_platform()
    return getattr(import_module(f"faceanime.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
