"""The examples of docs/extending.md work as they stand there, outside the package."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data

from faceanime.dynamics.motion_file import bundled_motion
from faceanime.media.image import write_image
from faceanime.media.video import probe_video, read_frames
from faceanime.pipeline import Animator
from faceanime.structures.portrait import Portrait

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"


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
    """A mirrored image gives mirrored landmarks, which a detector alone does not achieve."""
    from faceanime.face.landmark_view import place_of

    exact, plain = made["exact"].reader, made["animator"].reader
    place = place_of(plain.find(astronaut, "it")[0].points_image, plain.model.schema)
    mirrored = np.ascontiguousarray(astronaut[:, ::-1])
    width, (x, y) = astronaut.shape[1], place.center_px
    twin_place = made["Place"]((width - x, y), place.side_px, -place.roll_rad)
    twin = exact.model.landmark_mirror

    def disagreement(detector: Any) -> float:
        one = detector.read(astronaut, place).points_image[:, :2]
        other = detector.read(mirrored, twin_place).points_image[twin, :2] * (-1, 1) + (width, 0)
        return float(np.abs(one - other).mean())

    averaged = made["MirrorAveraged"](made["MediapipeDetector"](), exact.model)
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
