"""Shapes are checked, and said in words when wrong; work reports itself and can be stopped."""

from __future__ import annotations

import inspect
import pickle
from types import SimpleNamespace

import numpy as np
import pytest

from faceanime.core import errors
from faceanime.core.errors import (
    Cancelled,
    ConfigError,
    FaceAnimeError,
    MediaError,
    NoFaceError,
    NoSuchFaceError,
    RangeError,
    Remedy,
    ShapeError,
    check_range,
    check_shape,
)
from faceanime.core.progress import CallbackProgress, SilentProgress, watched


def test_all_errors_are_one_family() -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]
    assert len(kinds) > 5
    assert all(issubclass(kind, FaceAnimeError) for kind in kinds)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((478, 3), (478, 3)),
        ((478, 3), (None, 3)),
        ((478, 3), ("*", 478, 3)),
        ((5, 2, 478, 3), ("*", None, 3)),
        ((), ()),
        ((), ("*",)),
        ((4, 4), ("*",)),
    ],
)
def test_shapes_that_fit(shape: tuple[int, ...], expected: tuple[int | str | None, ...]) -> None:
    check_shape("points", np.zeros(shape), *expected)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((478, 2), (478, 3)),
        ((1, 478, 3), (478, 3)),
        ((3,), ("*", 478, 3)),
        ((478, 3, 1), ("*", 478, 3)),
        ((3,), ()),
        ((), (3,)),
    ],
)
def test_shapes_that_do_not_fit(shape: tuple[int, ...], expected: tuple[int | str | None, ...]) -> None:
    with pytest.raises(ShapeError, match="points has shape"):
        check_shape("points", np.zeros(shape), *expected)


@pytest.mark.parametrize("value", [0, 0.5, 1])
def test_values_within_bounds_pass(value: float) -> None:
    check_range(SimpleNamespace(share=value), "blend", "share", least=0, most=1)


@pytest.mark.parametrize(
    ("value", "bounds", "expected"),
    [
        (2, {"least": 0, "most": 1}, "0 to 1"),
        (-1, {"least": 0}, "0 or more"),
        (float("inf"), {"least": 0}, "0 or more"),
        (float("nan"), {"least": 0}, "0 or more"),
        (0, {"above": 0}, "above 0"),
        (1, {"least": 0, "below": 1}, "0 or more and less than 1"),
        (0, {"above": 0, "most": 1}, "above 0 and at most 1"),
    ],
)
def test_values_out_of_bounds_are_named_with_their_group(
    value: float, bounds: dict[str, float], expected: str
) -> None:
    with pytest.raises(RangeError) as caught:
        check_range(SimpleNamespace(share=value), "blend", "share", **bounds)
    assert str(caught.value) == f"blend.share is {value}, expected {expected}"
    assert caught.value.message(lambda setting: "--share") == f"--share is {value}, expected {expected}"
    assert caught.value.message(lambda setting: None) == str(caught.value)
    with pytest.raises(RangeError, match=f"^share is {value}, expected"):
        check_range(SimpleNamespace(share=value), "", "share", **bounds)


def test_the_message_says_found_and_expected() -> None:
    with pytest.raises(ShapeError, match=r"points has shape \(478, 2\), expected \(\*, any, 3\)"):
        check_shape("points", np.zeros((478, 2)), "*", None, 3)


def test_watched_advances_and_stops() -> None:
    progress = SilentProgress()
    items = watched(range(5), progress)
    assert [next(items), next(items)] == [0, 1]
    progress.cancel()
    with pytest.raises(Cancelled):
        next(items)


def test_callback_hears_every_step() -> None:
    heard: list[tuple[str, float | None]] = []
    progress = CallbackProgress(lambda name, fraction, left_s: heard.append((name, fraction)))
    progress.stage("render", 2)
    assert list(watched("ab", progress)) == ["a", "b"]
    progress.stage("write", None)
    progress.advance()
    assert heard == [("render", 0.0), ("render", 0.5), ("render", 1.0), ("write", None), ("write", None)]


class TestRemedies:
    """An error's settings are named by whoever shows it; those that it does not offer are left out."""

    error = NoFaceError("a.jpg", 0.47, 0.5, (Remedy("detect.threshold", "a lower {}"), "another picture"))

    def test_the_configuration_names_settings_by_default(self) -> None:
        assert str(self.error) == (
            "no face in a.jpg (best score 0.47, need 0.50); try a lower detect.threshold or another picture"
        )
        assert str(MediaError("a.jpg is empty")) == "a.jpg is empty"

    def test_a_user_interface_names_its_own_settings(self) -> None:
        names = {"detect.threshold": "slider Certainty"}
        assert self.error.message(names.get).endswith("; try a lower slider Certainty or another picture")

    def test_what_it_does_not_offer_is_left_out(self) -> None:
        assert (
            self.error.message({}.get) == "no face in a.jpg (best score 0.47, need 0.50); try another picture"
        )
        lone = ConfigError("it is too large", Remedy("size"))
        assert lone.message({}.get) == "it is too large"

    @pytest.mark.parametrize(
        "error", [error, NoSuchFaceError("a.jpg", 2, 1, "track.face"), ConfigError("no")]
    )
    def test_errors_survive_pickling(self, error: FaceAnimeError) -> None:
        """Processes that work together hand them over."""
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_a_face_that_is_not_there_is_counted() -> None:
    error = NoSuchFaceError("a.jpg", 2, 2, "track.face")
    assert (error.where, error.index, error.count) == ("a.jpg", 2, 2)
    assert str(error) == (
        "no face 2 in a.jpg (2 faces found, counted from 0 by size); try track.face 1 or track.face largest"
    )
