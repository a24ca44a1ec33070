"""Faces that are tiny in the result, and portraits that are enlarged, are mentioned."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from faceanime.output_options import OutputOptions
from faceanime.pipeline import Animator
from faceanime.portrait_size import prepare_subject


def told(
    caplog: pytest.LogCaptureFixture, animator: Animator, pixels: np.ndarray, **options: int
) -> list[str]:
    caplog.clear()
    prepare_subject(animator, pixels, OutputOptions(**options))
    return [record.getMessage() for record in caplog.records]


def test_a_face_that_is_tiny_in_the_result_is_told_and_the_crop_suggested(
    animator: Animator, astronaut: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    small = cv2.resize(astronaut, (120, 120), interpolation=cv2.INTER_AREA)
    far = np.pad(small, ((100, 180), (150, 130), (0, 0)), constant_values=128)
    line = (
        "the face in the portrait is tiny in the result, its eyes {} px apart: "
        "a larger picture shows more of its motion"
    )
    assert told(caplog, animator, far) == [line.format(16)]
    (record,) = caplog.records
    assert record.remedy.text(lambda name: f"--{name}") == "--crop shows the head alone"  # type: ignore[attr-defined]
    assert told(caplog, animator, far, crop=True) == [line.format(16)]
    assert caplog.records[0].remedy is None  # type: ignore[attr-defined]
    assert told(caplog, animator, far, size=200) == [line.format(8)]


def test_nothing_is_told_of_a_small_result_that_is_asked_for(
    animator: Animator, astronaut: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    assert told(caplog, animator, astronaut) == []
    assert told(caplog, animator, astronaut, size=96) == []
    assert told(caplog, animator, astronaut, size=96, crop=True) == []


def test_a_portrait_that_is_enlarged_is_told(
    animator: Animator, astronaut: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    assert told(caplog, animator, astronaut, size=640) == [
        "the portrait is enlarged from 320 to 640 px: no detail is gained"
    ]
    (line,) = told(caplog, animator, astronaut, size=640, crop=True)
    side_px = prepare_subject(animator, astronaut, OutputOptions(crop=True)).crop.size_px  # type: ignore[union-attr]
    enlarged, _, rest = line.partition(" from ")
    assert enlarged == "the head in the portrait is enlarged"
    assert abs(int(rest.split()[0]) - side_px) <= 2
    assert rest.endswith(" to 640 px: no detail is gained")
