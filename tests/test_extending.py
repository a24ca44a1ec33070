"""The examples of docs/extending.md work as they stand there, outside the package."""

from __future__ import annotations

import re
import tokenize
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data

import faceanime
from faceanime.dynamics.motion_file import bundled_motion
from faceanime.face.landmark_view import Place, place_of
from faceanime.media.image import write_image
from faceanime.media.video import probe_video, read_frames
from faceanime.pipeline import Animator
from faceanime.structures.frames import Frame
from faceanime.structures.portrait import Portrait

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"
PACKAGE = Path(faceanime.__file__).parent


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return np.ascontiguousarray(skimage.data.astronaut()[:256, 96:352])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, astronaut: np.ndarray) -> dict[str, Any]:
    """The names that the page's code defines, run in a folder that holds a portrait and a driver's file."""
    folder = tmp_path_factory.mktemp("extending")
    write_image(folder / "portrait.png", astronaut)
    (folder / "words.jaw.txt").write_text("\n".join(f"{v:.2f}" for v in np.linspace(0, 0.6, 6)))
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    names: dict[str, Any] = {"__name__": "extending"}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for block in blocks:
            exec(compile(block, str(PAGE), "exec"), names)
    return names | {"folder": folder}


@pytest.fixture(scope="module")
def portrait(made: dict[str, Any], astronaut: np.ndarray) -> Portrait:
    animator: Animator = made["animator"]
    return animator.portrait(astronaut)


def test_a_driver_of_another_kind_moves_the_mouth(made: dict[str, Any]) -> None:
    film = made["folder"] / "spoken.mp4"
    assert probe_video(film).frame_rate == 25
    frames = [frame.pixels.astype(float) for frame in read_frames(film)]
    assert len(frames) == 6
    changes = [np.abs(frame - frames[0]).mean() for frame in frames]
    assert changes == sorted(changes)
    assert changes[-1] > 0.3


def test_a_renderer_of_another_kind_draws(made: dict[str, Any], portrait: Portrait) -> None:
    outlined: Animator = made["outlined"]
    drawn = next(outlined.animate(portrait, bundled_motion("talk")))
    lines = (drawn == (80, 255, 80)).all(axis=-1)
    ys, xs = np.nonzero(lines)
    left, top, right, bottom = portrait.landmarks.box_px
    assert lines.sum() > 1000
    assert left - 2 < xs.min() < xs.max() < right + 2
    assert top - 2 < ys.min() < ys.max() < bottom + 2
    np.testing.assert_array_equal(drawn[~lines], portrait.pixels[~lines])


def test_a_detector_of_another_kind_is_asked_for_every_landmark(
    made: dict[str, Any], astronaut: np.ndarray
) -> None:
    exact, plain = made["exact"], made["animator"]
    asked = made["MirrorAveraged"](made["MediapipeDetector"](), exact.model)
    found = exact.portrait(astronaut).landmarks
    np.testing.assert_allclose(found.points_image, asked.detect(astronaut)[0].points_image, atol=1e-3)
    assert np.abs(found.points_image - plain.portrait(astronaut).landmarks.points_image).mean() > 0.01


def test_a_detector_of_another_kind_tracks_drivers(
    made: dict[str, Any], astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, ...]] = []
    read = made["MirrorAveraged"].read

    def counted(self: Any, pixels: np.ndarray, place: Place) -> Any:
        seen.append(pixels.shape)
        return read(self, pixels, place)

    monkeypatch.setattr(made["MirrorAveraged"], "read", counted)
    frames = [Frame(astronaut, Fraction(t, 25)) for t in range(4)]
    motion = made["exact"].reader.track(frames, Fraction(25), 256, "it")
    assert len(motion) == 4
    assert motion.valid.all()
    assert len(seen) >= len(frames)


def test_a_mirrored_image_gives_mirrored_landmarks(made: dict[str, Any], astronaut: np.ndarray) -> None:
    """Which a detector alone does not achieve."""
    model = made["exact"].model
    place = place_of(made["animator"].reader.find(astronaut, "it").landmarks.points_image, model.schema)
    mirrored = np.ascontiguousarray(astronaut[:, ::-1])
    width, (x, y) = astronaut.shape[1], place.center_px
    twin_place = Place((width - x, y), place.side_px, -place.roll_rad)

    def disagreement(detector: Any) -> float:
        one = detector.read(astronaut, place).points_image[:, :2]
        other = detector.read(mirrored, twin_place).points_image[model.landmark_mirror, :2]
        return float(np.abs(one - (other * (-1, 1) + (width, 0))).mean())

    averaged = made["MirrorAveraged"](made["MediapipeDetector"](), model)
    assert disagreement(averaged) < 0.01 < disagreement(made["MediapipeDetector"]())


def test_an_engine_of_another_kind_draws_nearly_the_same(made: dict[str, Any], portrait: Portrait) -> None:
    talk = bundled_motion("talk")
    one, other = (
        next(animator.render(portrait, animator.retarget(portrait, talk), [20]))
        for animator in (made["animator"], made["halved"])
    )
    assert (one != other).any()
    assert np.abs(one.astype(int) - other).max() <= 8
    assert np.abs(one.astype(int) - other).mean() < 0.05


@dataclass(frozen=True)
class Kind:
    """A part of the package that is one kind among others: the names that it defines, and its own files."""

    row: str
    """Its row in the page's table."""
    names: tuple[str, ...]
    files: tuple[str, ...]


KINDS = [
    Kind("driver", ("MotionFileDriver",), ("drivers/motion.py",)),
    Kind("driver", ("PictureDriver",), ("drivers/picture.py",)),
    Kind("driver", ("VideoDriver",), ("drivers/video.py",)),
    Kind("renderer", ("pgfg_renderer", "PgfgRenderer"), ("generator/pgfg_renderer.py",)),
    Kind("renderer", ("geometric_kind",), ("generator/geometric_kind.py",)),
    Kind("inference engine of renderers", ("TorchNetwork",), ("runtime/torch_network.py",)),
    Kind(
        "trainable motion predictor",
        ("LstmPredictor", "LstmConfig", "LstmTrainer"),
        # the last compares it with the bundled one, as the page says
        ("dynamics/lstm_predictor.py", "train/dynamics/lstm_trainer.py", "evaluate/motion_benchmark.py"),
    ),
    Kind(
        "trainable generator network",
        ("Pgfg", "PgfgConfig", "pgfg_renderer", "PgfgTrainer", "PGFG"),
        (
            *("generator/pgfg.py", "generator/pgfg_renderer.py", "train/generator/pgfg_trainer.py"),
            "train/generator/face_batches.py",  # its batches
        ),
    ),
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.names[0])
def test_a_kind_is_named_in_its_files_and_where_the_table_says(kind: Kind) -> None:
    named = {file for file, words in words_of_package().items() if words & set(kind.names)}
    assert named - set(kind.files) == elsewhere()[kind.row]


def elsewhere() -> dict[str, set[str]]:
    """The files of the table's last column, by the first."""
    rows = re.findall(
        r"^\| ([a-z].*?) \|.*\| ([^|]*) \|$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    return {kind: set(re.findall(r"`([\w/]+\.py)`", files)) for kind, files in rows}


@cache
def words_of_package() -> dict[str, set[str]]:
    """The names in the code and in the one-line texts of each file, apart from comments and docstrings."""
    words = {}
    for path in PACKAGE.rglob("*.py"):
        with path.open("rb") as file:
            tokens = [
                token.string
                for token in tokenize.tokenize(file.readline)
                if token.type == tokenize.NAME
                or (token.type == tokenize.STRING and not token.string.startswith('"""'))
            ]
        words[path.relative_to(PACKAGE).as_posix()] = set(re.findall(r"\w+", " ".join(tokens)))
    return words
