"""The sparse texture says of the source what the source shows, wherever the face goes."""

import numpy as np
import pytest
from jaxtyping import TypeCheckError
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from faceanime.core.errors import ConfigError, ShapeError
from faceanime.geometry.rotation import rotation_from_angles
from faceanime.morphable.model import MorphableModel, Region, load_model
from faceanime.prior.sparse_texture import (
    BACKGROUND,
    LARGEST_INTERVAL,
    TextureConfig,
    _farthest_points,
    _surface_neighbors,
    anchor_landmarks,
    model_points,
    render_texture,
    sample_texture,
    sparse_skin,
)
from faceanime.structures.coefficients import FaceCoefficients, FittedFace, HeadPose
from faceanime.structures.raster import SparseTexture

WRONG_SHAPE = (ShapeError, TypeCheckError)  # the second where the tests' type checker comes first
SIDE = 256
INTERVALS = (1, 2, 4, 8, 16)
FAR_CHEEK, NEAR_CHEEK = 352, 123  # for a head that turns to the subject's left: landmarks of either cheek


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_model()


@pytest.fixture(scope="module")
def gradient() -> np.ndarray:
    """A picture whose colors are their own places: red is x, green is y."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return np.stack([x, y, np.full_like(x, 128)], axis=-1).astype(np.uint8)


def face_of(
    model: MorphableModel, yaw_deg: float = 0.0, at: tuple[float, float] = (128, 110), jaw: float = 0.0
) -> FittedFace:
    rotation = rotation_from_angles(np.radians(yaw_deg), 0.0, 0.0)
    pose = HeadPose(rotation, np.asarray(80.0), np.asarray(at, float))
    identity = np.zeros(model.identity_count)
    coefficients = FaceCoefficients(identity, jaw * model.axis("jaw_open"), pose)
    return FittedFace(coefficients, np.zeros_like(model.mean))


def points_of(face: FittedFace, model: MorphableModel) -> np.ndarray:
    return model_points(face.coefficients, face.residual, model)


def test_interval_one_is_the_models_own_skin(model: MorphableModel) -> None:
    whole = sparse_skin(model, 1)
    vertex, triangles = whole.vertex, whole.triangles
    skin = model.triangles[model.region == Region.SKIN]
    np.testing.assert_array_equal(vertex, np.unique(skin))
    assert {tuple(sorted(t)) for t in vertex[triangles]} == {tuple(sorted(t)) for t in skin}


@pytest.mark.parametrize("interval", INTERVALS)
def test_subset_is_mirrored_anchored_and_faces_outward(model: MorphableModel, interval: int) -> None:
    subset = sparse_skin(model, interval)
    vertex, triangles = subset.vertex, subset.triangles
    count = len(sparse_skin(model, 1).vertex)
    assert len(vertex) - -(-count // interval) in (0, 1)
    assert set(model.mirror[vertex]) == set(vertex)
    assert set(anchor_landmarks(model.schema)) <= set(vertex)
    assert set(triangles.ravel()) == set(range(len(vertex)))
    a, b, c = model.mean[vertex][triangles].swapaxes(0, 1)
    assert (np.cross(b - a, c - a)[:, 2] > 0).mean() > 0.97


def test_larger_intervals_keep_a_subset(model: MorphableModel) -> None:
    kept = [set(sparse_skin(model, interval).vertex) for interval in INTERVALS]
    assert all(coarse < fine for fine, coarse in zip(kept, kept[1:], strict=False))


@pytest.mark.parametrize("interval", [0, -1, LARGEST_INTERVAL + 1])
def test_interval_out_of_range_is_refused(interval: int) -> None:
    with pytest.raises(ConfigError, match=str(interval)):
        TextureConfig(interval)


@pytest.mark.parametrize("interval", INTERVALS)
def test_colors_are_those_of_the_source_at_the_vertices(
    model: MorphableModel, gradient: np.ndarray, interval: int
) -> None:
    face = face_of(model)
    texture = sample_texture(gradient, face, model, sparse_skin(model, interval))
    level = (texture.color[:, :2] + 1.0) * 127.5
    # the color at a pixel center (+0.5) is that pixel's own number; uint8 rounds
    np.testing.assert_allclose(level + 0.5, points_of(face, model)[texture.vertex, :2], atol=0.55)


def test_drawn_at_the_source_the_prior_resembles_the_source(
    model: MorphableModel, gradient: np.ndarray
) -> None:
    face = face_of(model)
    errors = []
    for interval in INTERVALS:
        texture = sample_texture(gradient, face, model, sparse_skin(model, interval))
        drawn = render_texture(texture, points_of(face, model), SIDE, SIDE)
        inside = drawn[..., 2] > BACKGROUND
        errors.append(np.abs(drawn[inside] - (gradient[inside] / 127.5 - 1.0)).mean())
    assert errors[0] < 0.02
    assert errors == sorted(errors)


def test_frontal_face_is_seen_as_a_whole(model: MorphableModel, gradient: np.ndarray) -> None:
    assert sample_texture(gradient, face_of(model), model, sparse_skin(model, 1)).visible.all()


def test_far_cheek_is_hidden_and_never_painted(model: MorphableModel) -> None:
    face = face_of(model, yaw_deg=60)
    picture = np.full((SIDE, SIDE, 3), 200, np.uint8)
    texture = sample_texture(picture, face, model, sparse_skin(model, 1))
    seen = dict(zip(texture.vertex.tolist(), texture.visible.tolist(), strict=True))
    assert seen[NEAR_CHEEK]
    assert not seen[FAR_CHEEK]
    frontal = points_of(face_of(model), model)
    drawn = render_texture(texture, frontal, SIDE, SIDE)
    column, row = frontal[[FAR_CHEEK, NEAR_CHEEK], :2].astype(int).T
    far, near = drawn[row, column]
    np.testing.assert_allclose(near, 200 / 127.5 - 1.0, atol=1e-5)
    np.testing.assert_array_equal(far, BACKGROUND)


def test_what_the_source_hides_still_hides_what_lies_behind_it(model: MorphableModel) -> None:
    skin = sparse_skin(model, 1)
    vertex, triangles = skin.vertex, skin.triangles
    color = np.ones((len(vertex), 3), np.float32)
    nose_hidden = ~np.isin(vertex, [1, 4, 5, 45, 275, 19, 94, 2, 44, 274, 51, 281, 195])
    points = points_of(face_of(model, yaw_deg=50), model)
    whole = render_texture(
        SparseTexture(vertex, color, np.ones(len(vertex), bool), triangles), points, SIDE, SIDE
    )
    part = render_texture(SparseTexture(vertex, color, nose_hidden, triangles), points, SIDE, SIDE)
    column, row = points[1, :2].astype(int)
    assert whole[row, column, 0] == 1.0
    assert part[row, column, 0] == BACKGROUND


def test_vertices_outside_of_the_picture_are_hidden(model: MorphableModel, gradient: np.ndarray) -> None:
    face = face_of(model, at=(10, 110))
    texture = sample_texture(gradient, face, model, sparse_skin(model, 1))
    outside = points_of(face, model)[texture.vertex, 0] < 0
    assert outside.any()
    np.testing.assert_array_equal(texture.visible, ~outside)


def test_another_geometry_shows_the_same_colors(model: MorphableModel, gradient: np.ndarray) -> None:
    texture = sample_texture(gradient, face_of(model), model, sparse_skin(model, 4))
    palettes = []
    for face in (face_of(model), face_of(model, yaw_deg=20, jaw=0.8)):
        drawn = render_texture(texture, points_of(face, model), SIDE, SIDE)
        assert drawn.dtype == np.float32
        assert drawn.min() >= -1.0
        assert drawn.max() <= 1.0
        palettes.append({tuple(c) for c in drawn.reshape(-1, 3)})
    mean = texture.color[texture.triangles].mean(axis=1)
    flat = {tuple(c) for c in mean} | {(BACKGROUND,) * 3}
    assert all(palette <= flat for palette in palettes)
    assert len(palettes[0] & palettes[1]) > 0.8 * len(flat)


def test_an_open_mouth_stays_open(model: MorphableModel) -> None:
    picture = np.full((SIDE, SIDE, 3), 200, np.uint8)
    texture = sample_texture(picture, face_of(model), model, sparse_skin(model, TextureConfig().interval))
    points = points_of(face_of(model, jaw=1.0), model)
    column, row = points[[13, 14], :2].mean(axis=0).astype(int)
    np.testing.assert_array_equal(render_texture(texture, points, SIDE, SIDE)[row, column], BACKGROUND)


def test_a_shift_of_source_and_face_shifts_the_prior(model: MorphableModel, gradient: np.ndarray) -> None:
    skin, shift = sparse_skin(model, 2), (9, -6)
    face, moved = face_of(model, 25), face_of(model, 25, at=(128 + shift[0], 110 + shift[1]))
    moved_picture = np.roll(gradient, (shift[1], shift[0]), axis=(0, 1))
    here = sample_texture(gradient, face, model, skin)
    there = sample_texture(moved_picture, moved, model, skin)
    np.testing.assert_array_equal(here.color, there.color)
    np.testing.assert_array_equal(here.visible, there.visible)
    drawn = render_texture(here, points_of(face, model), SIDE, SIDE)
    drawn_there = render_texture(there, points_of(moved, model), SIDE, SIDE)
    differ = (np.roll(drawn, (shift[1], shift[0]), axis=(0, 1)) != drawn_there).any(axis=-1)
    assert differ.mean() < 1e-3  # float32 may put an edge on the other side of a pixel center


def test_visibility_does_not_depend_on_the_pictures_resolution(model: MorphableModel) -> None:
    small, large = face_of(model, 40), face_of(model, 40)
    pose = large.coefficients.pose.resized(4.0)
    large = FittedFace(
        FaceCoefficients(large.coefficients.identity, large.coefficients.expression, pose), large.residual
    )
    textures = [
        sample_texture(np.zeros((side, side, 3), np.uint8), face, model, sparse_skin(model, 1))
        for side, face in ((SIDE, small), (4 * SIDE, large))
    ]
    np.testing.assert_array_equal(textures[0].visible, textures[1].visible)


def test_a_grey_picture_is_refused(model: MorphableModel) -> None:
    with pytest.raises(WRONG_SHAPE):
        sample_texture(
            np.zeros((SIDE, SIDE), np.uint8),
            face_of(model),
            model,
            sparse_skin(model, TextureConfig().interval),
        )


def test_searches_that_end_early_find_what_full_ones_do(model: MorphableModel) -> None:
    """The slow twin: the distances of all vertices from every kept one, by SciPy."""
    triangles = model.triangles[model.region == Region.SKIN]
    skin = np.unique(triangles)
    triangles, shape = np.searchsorted(skin, triangles), model.mean[skin]
    neighbors = _surface_neighbors(shape, triangles)
    kept, owner = _farthest_points(neighbors, np.arange(len(skin)), [0, 5], 60)
    graph = np.zeros((len(skin), len(skin)))
    a, b = triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()
    graph[a, b] = graph[b, a] = np.sqrt(np.linalg.norm(shape[a] - shape[b], axis=1))
    apart = dijkstra(csr_array(graph), indices=kept)
    owners = apart[np.searchsorted(kept, owner), np.arange(len(skin))]
    np.testing.assert_allclose(owners, apart.min(axis=0), atol=1e-9)
