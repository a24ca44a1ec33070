"""Parts that a picture's edge cuts off continue beyond it, round and without detail."""

import numpy as np
import pytest

from faceanime.geometry.flow import identity_flow
from faceanime.render.head.outpaint import crown_matte, fold_into_strips, reach_beyond_edge


@pytest.mark.parametrize("radius_px", [25.0, 40.0, 5.0])
def test_a_cut_off_head_is_closed_by_the_cap_of_a_circle(radius_px: float) -> None:
    person = np.zeros((20, 100), np.float32)
    person[:, 30:70] = 1.0
    crown = crown_matte(person, radius_px)
    radius = max(radius_px, 21.0)
    height = min(radius - np.sqrt(radius**2 - 20**2), 2 * radius_px)
    assert crown[:, 50].sum() == pytest.approx(height, abs=0.5)
    assert crown[-1, 33:67].min() > 0.9, "it stands on the cut without a gap"
    assert crown[:, :30].max() == crown[:, 70:].max() == crown[0].max() == 0.0
    np.testing.assert_allclose(crown, crown[:, ::-1], atol=1e-6)


@pytest.mark.parametrize("matte", [0.3, 1.0])
def test_a_tip_of_hair_that_is_cut_off_ends_there(matte: float) -> None:
    """The edge's row is what is seen further up: of a tip it would be a mast."""
    person = np.zeros((20, 100), np.float32)
    person[:, 48:51] = matte
    crown = crown_matte(person, 40.0)
    assert 0 < len(crown) <= 2
    assert crown[0].max() == 0.0


def test_each_part_that_an_edge_cuts_off_has_a_cap_of_its_own() -> None:
    cut = np.zeros(200, bool)
    cut[20:60] = cut[100:110] = True
    far = reach_beyond_edge(cut, 30.0)
    assert far[~cut].max() == 0.0
    assert far[40] == pytest.approx(30 - np.sqrt(30**2 - 20**2), abs=0.1)
    assert 0.0 < far[105] < 0.5
    assert (np.diff(far[20:40]) > 0).all()
    assert (np.diff(far[40:60]) < 0).all()


def test_a_head_that_reaches_a_corner_goes_on_above_it() -> None:
    """Its outline has not come down there: a side cuts it off too."""
    person = np.zeros((20, 100), np.float32)
    person[:, :30] = 1.0
    crown = crown_matte(person, 40.0)
    assert (np.diff(crown.sum(axis=0)[:30]) <= 0).all()
    assert crown[:, 0].sum() == pytest.approx(40 - np.sqrt(40**2 - 30**2), abs=0.5)
    everywhere = crown_matte(np.ones((20, 100), np.float32), 40.0)
    assert len(everywhere) == 81


def test_a_head_that_is_whole_needs_no_crown() -> None:
    person = np.zeros((20, 100), np.float32)
    person[5:, 30:70] = 1.0
    assert crown_matte(person, 30.0).shape == (0, 100)


def test_beyond_the_picture_its_strip_is_seen_once() -> None:
    """Mirrored again and again, slanting hair would be a saw; the face, further in, is never reached."""
    ways = np.linspace(-200.0, 300.0, 251, dtype=np.float32)
    flow = np.stack(np.meshgrid(ways, ways), axis=-1)[:100, :100].copy()  # all beyond the left, upper edge
    folded = fold_into_strips(flow, np.array([30.0, 10.0, 1.0, 1.0]))
    flow = folded.flow
    assert folded.distance is not None
    np.testing.assert_allclose(folded.distance[0, 0], 200 / 30 + 200 / 10, rtol=1e-5)
    for channel, margin in ((flow[..., 0], 30.0), (flow[..., 1].T, 10.0)):
        assert (np.diff(channel, axis=1) <= 0).all()
        assert 0.0 <= channel.min() < 2.0
        assert 0.95 * margin < channel.max() <= margin
    flow = np.full((100, 80, 2), 1e3, np.float32)
    flow = fold_into_strips(flow, np.array([1.0, 1.0, 30.0, 10.0])).flow
    np.testing.assert_allclose(flow, np.broadcast_to([50.0, 90.0], flow.shape))
    assert fold_into_strips(identity_flow(20, 30), np.ones(4)).distance is None
