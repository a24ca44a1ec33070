"""Fixtures of the end-to-end tests: a portrait, a motion, and a real video with sound; made once a session."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from filmed import CLICK_S, FRAMES, NTSC
from program import Program

from faceanime.dynamics.editing import motion_from_keyframes
from faceanime.dynamics.motion_file import save_motion
from faceanime.media.image import write_image
from faceanime.media.video_writer import VideoWriter
from faceanime.morphable.model import MorphableModel, load_model
from faceanime.pipeline import Animator
from faceanime.structures.coefficients import Dynamics
from faceanime.structures.portrait import Portrait


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of everything made once; nothing in it may be changed."""
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def program(capfd: pytest.CaptureFixture[str]) -> Program:
    return Program(capfd)


@pytest.fixture(scope="session")
def model() -> MorphableModel:
    return load_model()


@pytest.fixture(scope="session")
def animator(model: MorphableModel) -> Animator:
    return Animator(model=model)


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """The public-domain portrait that scikit-image carries, its head and shoulders."""
    picture: np.ndarray = skimage.data.astronaut()  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(picture[:320, 64:384])


@pytest.fixture(scope="session")
def portrait(animator: Animator, astronaut: np.ndarray) -> Portrait:
    return animator.portrait(astronaut)


@pytest.fixture(scope="session")
def portrait_path(made: Path, astronaut: np.ndarray) -> Path:
    write_image(made / "astronaut.png", astronaut)
    return made / "astronaut.png"


@pytest.fixture(scope="session")
def motion(model: MorphableModel) -> Dynamics:
    """Half a second in which everything moves: mouth, lids, gaze, head."""
    up_and_down = [(0.0, 0.0), (0.08, 0.0), (0.24, 1.0), (0.4, 0.0)]
    tracks = {
        name: [(s, size * value) for s, value in up_and_down]
        for name, size in {"jaw_open": 0.6, "blink_left": 0.8, "blink_right": 0.8, "yaw_deg": 9.0}.items()
    }
    return motion_from_keyframes(tracks, FRAMES / 25, Fraction(25), model)


@pytest.fixture(scope="session")
def motion_path(made: Path, motion: Dynamics) -> Path:
    save_motion(motion, made / "half-a-second.motion.safetensors")
    return made / "half-a-second.motion.safetensors"


@pytest.fixture(scope="session")
def sound_path(made: Path) -> Path:
    """Silence with a click in it."""
    rate_hz = 48000
    samples = np.zeros(rate_hz // 2, np.int16)
    begin = round(CLICK_S * rate_hz)
    samples[begin : begin + 400] = 28000 * np.sin(np.arange(400) * 0.6)
    with wave.open(str(made / "click.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.tobytes())
    return made / "click.wav"


@pytest.fixture(scope="session")
def driving_path(
    made: Path, animator: Animator, portrait: Portrait, motion: Dynamics, sound_path: Path
) -> Path:
    """The astronaut talking, blinking and turning, at 30000/1001 frames/s, with a click."""
    path = made / "driving.mp4"
    with VideoWriter(path, NTSC, 320, 320, audio_from=sound_path) as writer:
        for pixels in animator.animate(portrait, motion):
            writer.write(pixels)
    return path


@pytest.fixture(scope="session")
def pair_path(made: Path, astronaut: np.ndarray) -> Path:
    """The astronaut twice in one picture, larger on the left."""
    small = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
    right = np.pad(small, ((32, 32), (32, 32), (0, 0)), mode="edge")
    write_image(made / "pair.png", np.concatenate([astronaut, right], axis=1))
    return made / "pair.png"
