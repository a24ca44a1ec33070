"""Check of this machine: its packages, encoders and weights, and its speed."""

from __future__ import annotations

import importlib.metadata
import io
import os
import platform
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from importlib.resources import files
from pathlib import Path

import av
import numpy as np
from av.codec.codec import UnknownCodecError
from PIL import Image

from faceanime.core.errors import WeightsError
from faceanime.core.weights import load_weights, read_header

ENCODERS = (
    *("libx264", "aac", "libvpx-vp9", "libopus", "gif", "libwebp_anim"),
    *("libx265", "libsvtav1", "prores_ks"),
)
ESSENTIAL_ENCODERS = ("libx264", "aac")
FINE = "ok"
FILM_S, FILM_RATE = 10, 25
"""Length and frames a second of the film by which the verdict describes the speed."""
LEAST_CORE_SHARE = 0.85
"""Fraction of a core below which the machine counts as busy; an idle one gives over 0.95."""


@dataclass(frozen=True)
class SystemReport:
    """The state of a machine. An entry of something that can fail is "ok" or describes the problem."""

    version: str
    python: str
    platform: str
    cpu_count: int
    memory_gib: float | None
    packages: dict[str, str | None]  # what we need: installed version
    extras: dict[str, bool]  # optional parts: whether all their packages are there
    opencv: str
    weights: dict[str, str]
    encoders: dict[str, bool]
    frames_per_s: dict[str, float]  # at 512x512
    core_share: float  # fraction of a core that this program got, while it was measured

    @property
    def verdict(self) -> str:
        """Whether faceanime works here, and how fast, in a sentence."""
        if self.problems:
            count = len(self.problems)
            return f"faceanime does not work here: {count} problem{'s' if count > 1 else ''} to mend."
        speed = self.frames_per_s
        frame_s = 1 / speed["landmarks"] + 1 / speed["flow"] / min(self.cpu_count, 2)
        film = f"a film of {FILM_S} s at 512 px takes about {FILM_S * FILM_RATE * frame_s:.0f} s"
        if self.core_share >= LEAST_CORE_SHARE:
            return f"faceanime works here; {film}."
        return (
            f"faceanime works here; {film} while the machine is as busy as now (this program got "
            f"{100 * self.core_share:.0f} % of a core), and less when it is idle."
        )

    @property
    def problems(self) -> list[str]:
        """Reasons why faceanime does not work here, one line each."""
        missing = [f"{name} is not installed" for name, version in self.packages.items() if version is None]
        codecs = [f"PyAV lacks the encoder {name}" for name in ESSENTIAL_ENCODERS if not self.encoders[name]]
        weights = [state for state in self.weights.values() if state != FINE]
        opencv = [f"OpenCV does not load: {self.opencv}"] if self.opencv != FINE else []
        return missing + opencv + weights + codecs


def diagnose() -> SystemReport:
    """Check this machine; this takes some seconds, mostly for measuring its speed."""
    needed, extras = _requirements()
    opencv = _check_opencv()
    weights = {path.name: _check_weights(path) for path in _bundled_weights()}
    usable = opencv == FINE and all(state == FINE for state in weights.values())
    return SystemReport(
        version=importlib.metadata.version("faceanime"),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        cpu_count=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_gib=_memory_gib(),
        packages={name: _installed(name) for name in needed},
        extras={extra: all(map(_installed, names)) for extra, names in extras.items()},
        opencv=opencv,
        weights=weights,
        encoders={name: _has_encoder(name) for name in ENCODERS},
        frames_per_s=_video_speed() | (_face_speed() if usable else {}),
        core_share=core_share(),
    )


def core_share(seconds: float = 0.5) -> float:
    """The fraction of a core that this thread gets, measured by computing for `seconds`; 1 on an idle machine."""
    started_s, started_cpu_s = time.perf_counter(), time.thread_time()
    while time.perf_counter() - started_s < seconds:
        pass
    return min((time.thread_time() - started_cpu_s) / (time.perf_counter() - started_s), 1.0)


def frames_per_second(step: Callable[[], object], seconds: float = 1.0) -> float:
    """Calls of `step` per second on this machine, measured for `seconds` after one warm-up call."""
    step()
    started_s, count = time.perf_counter(), 0
    while (elapsed_s := time.perf_counter() - started_s) < seconds:
        step()
        count += 1
    return count / elapsed_s


def _requirements() -> tuple[list[str], dict[str, list[str]]]:
    """Names of the packages that we need, and of those behind each extra, as our own metadata lists them."""
    needed: list[str] = []
    extras: dict[str, list[str]] = {}
    for line in importlib.metadata.requires("faceanime") or []:
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0]
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", line)
        (extras.setdefault(extra[1], []) if extra else needed).append(name)
    return sorted(needed), extras


def _installed(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _memory_gib() -> float | None:
    if not hasattr(os, "sysconf"):  # Windows
        return None
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)


def _check_opencv() -> str:
    try:
        import cv2  # noqa: F401 - loading it is the test
    except ImportError as error:
        advice = "install the system's libgl1 and libglib2.0-0, or opencv-contrib-python-headless instead"
        return f"{error}; {advice}"
    return FINE


def _bundled_weights() -> Iterator[Path]:
    assets = Path(str(files("faceanime"))) / "assets"
    return iter(sorted(assets.rglob("*.safetensors")))


def _check_weights(path: Path) -> str:
    try:
        header = read_header(path)
        load_weights(path, header["kind"], newest=header["version"])
    except WeightsError as error:
        return str(error)
    return FINE


def _has_encoder(name: str) -> bool:
    try:
        av.codec.Codec(name, "w")
    except UnknownCodecError:
        return False
    return True


def _video_speed(side_px: int = 512, count: int = 120) -> dict[str, float]:
    """Frames per second of H.264 encoding and decoding, RGB to RGB, on soft drifting blots."""
    if not _has_encoder("libx264"):
        return {}
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    blots = np.asarray(Image.fromarray(noise).resize((side_px, side_px)))
    frames = [np.roll(blots, (i, 2 * i), (0, 1)) for i in range(count)]
    clip = io.BytesIO()
    started_s = time.perf_counter()
    _encode(frames, clip)
    encoded_s = time.perf_counter()
    clip.seek(0)
    with av.open(clip, "r") as container:
        for frame in container.decode(video=0):
            frame.to_ndarray(format="rgb24")
    decoded_s = time.perf_counter()
    return {
        "decode": round(count / (decoded_s - encoded_s), 1),
        "encode": round(count / (encoded_s - started_s), 1),
    }


def _face_speed(side_px: int = 512) -> dict[str, float]:
    """Frames per second of reading landmarks, and of each renderer drawing a mean face that talks; one thread each."""
    from faceanime.core.threads import single_threaded_math
    from faceanime.face.mediapipe_models import MESH_VIEW_PX, MeshModel
    from faceanime.generator.config import RendererConfig
    from faceanime.generator.renderers import open_renderer, ready_renderers
    from faceanime.morphable.model import load_model
    from faceanime.render.config import GeometricConfig
    from faceanime.structures.coefficients import FaceCoefficients, FittedFace, HeadPose
    from faceanime.structures.landmarks import Landmarks
    from faceanime.structures.portrait import Portrait

    mesh, view = MeshModel(), np.full((MESH_VIEW_PX, MESH_VIEW_PX, 3), 128, np.uint8)
    model = load_model()
    expression = np.zeros(model.expression_count)
    pose = HeadPose(np.eye(3), np.array(0.25 * side_px), np.full(2, 0.5 * side_px))
    face = FaceCoefficients(np.zeros(model.identity_count), expression, pose)
    fitted = FittedFace(face, np.zeros((len(model.mean), 3)))
    picture = np.random.default_rng(0).integers(0, 256, (side_px, side_px, 3), np.uint8)
    person = np.ones((side_px, side_px), np.float32)
    landmarks = Landmarks(np.zeros((model.landmark_count, 3), np.float32), 1.0)
    portrait = Portrait(picture, landmarks, fitted, person)
    drawers = {
        name: open_renderer(RendererConfig(name), GeometricConfig(), model).prepare(portrait)
        for name in ready_renderers()
    }
    talking = FaceCoefficients(face.identity, expression + model.axis("jaw_open") / 2, pose)
    with single_threaded_math:
        return {
            "landmarks": round(frames_per_second(lambda: mesh.read(view)), 1),
            **{
                name: round(frames_per_second(partial(drawer.draw, talking, talking.pose)), 1)
                for name, drawer in drawers.items()
            },
        }


def _encode(frames: list[np.ndarray], clip: io.BytesIO) -> None:
    with av.open(clip, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(30), options={"preset": "veryfast"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
