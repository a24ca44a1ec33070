"""A model learned from synthetic people describes people it has not seen."""

import numpy as np
import pytest

from faceanime.core.errors import ConfigError, MorphableModelError
from faceanime.face.config import FitConfig
from faceanime.face.fit import fit_coefficients
from faceanime.geometry.rotation import rotation_from_angles
from faceanime.morphable.mediapipe_schema import MEDIAPIPE
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import FaceCoefficients, HeadPose
from faceanime.train.morphable.config import LearnConfig
from faceanime.train.morphable.learn import Person, learn_model
from heads import landmarks_of

CONFIG = LearnConfig(
    identities=4, eye_expressions=3, brow_expressions=2, mouth_expressions=5, rounds=1, frames_per_person=60
)
FRAMES = 30


def synthetic_people(model: MorphableModel, count: int, seed: int) -> list[Person]:
    """People of few degrees of freedom, filmed while their heads turn slowly."""
    rng = np.random.default_rng(seed)
    simple = _expressions_used(model)
    people = []
    for number in range(count):
        identity = np.zeros(model.identity_count)
        identity[: CONFIG.identities] = rng.normal(size=CONFIG.identities)
        expression = np.where(simple, rng.normal(size=(FRAMES, model.expression_count)), 0.0)
        face = FaceCoefficients(np.tile(identity, (FRAMES, 1)), expression, _slow_turn(rng))
        people.append(Person(f"person {number}", landmarks_of(face, model)))
    return people


def _slow_turn(rng: np.random.Generator) -> HeadPose:
    start, end = np.radians(rng.uniform(-12, 12, (2, 3, 1)))
    angles = start + np.linspace(0, 1, FRAMES) * (end - start)
    return HeadPose(rotation_from_angles(*angles), np.full(FRAMES, 100.0), np.full((FRAMES, 2), 128.0))


def _expressions_used(model: MorphableModel) -> np.ndarray:
    """The first directions of each part, as many as are learned."""
    counts = dict(enumerate([CONFIG.eye_expressions] * 2 + [CONFIG.brow_expressions] * 2))
    place = np.array([np.sum(model.part[:k] == part) for k, part in enumerate(model.part)])
    wanted = np.array([counts.get(int(part), CONFIG.mouth_expressions) for part in model.part])
    return np.asarray(place < wanted)


@pytest.fixture(scope="module")
def people(model: MorphableModel) -> list[Person]:
    return synthetic_people(model, 30, seed=0)


@pytest.fixture(scope="module")
def learned(people: list[Person]) -> MorphableModel:
    return learn_model(people, CONFIG)


def test_people_not_seen_are_fitted(model: MorphableModel, learned: MorphableModel) -> None:
    for person in synthetic_people(model, 3, seed=1):
        found = fit_coefficients(person.points, learned, FitConfig())
        error = np.linalg.norm((landmarks_of(found, learned) - person.points)[..., :2], axis=-1)
        assert (error.mean(axis=1) / found.pose.scale).mean() < 0.01


def test_it_has_the_directions_that_were_asked_for(learned: MorphableModel) -> None:
    assert learned.identity_count == CONFIG.identities
    assert learned.expression_count == CONFIG.expressions == 15
    assert np.bincount(learned.part).tolist() == [3, 3, 2, 2, 5]


def test_it_is_symmetric(learned: MorphableModel) -> None:
    np.testing.assert_array_equal(learned.mirror[learned.mirror], np.arange(len(learned.mean)))
    np.testing.assert_allclose(learned.mean[learned.mirror] * [-1, 1, 1], learned.mean, atol=1e-5)


@pytest.mark.parametrize("which", ["learned", "model"])
def test_expressions_do_not_move_the_head(which: str, request: pytest.FixtureRequest) -> None:
    model: MorphableModel = request.getfixturevalue(which)
    rigid = np.flatnonzero(model.rigid_weight)
    x, y, z = model.mean[rigid].astype(np.float64).T
    zero, one = np.zeros_like(x), np.ones_like(x)
    motions = np.stack(  # turns, shifts and growth of the rigid points
        [
            np.stack([zero, -z, y], -1), np.stack([z, zero, -x], -1), np.stack([-y, x, zero], -1),
            np.stack([one, zero, zero], -1), np.stack([zero, one, zero], -1), np.stack([zero, zero, one], -1),
            np.stack([x, y, z], -1),
        ],
        axis=-1,
    ).reshape(-1, 7)  # fmt: skip
    moved = model.expression_basis[rigid].reshape(-1, model.expression_count).astype(np.float64)
    motion = np.linalg.lstsq(motions, moved, rcond=None)[0]
    assert np.degrees(np.abs(motion[:3])).max() < 0.5
    assert np.abs(motion[3:5]).max() < 0.01
    assert np.abs(motion[6]).max() < 0.01


def test_the_same_people_make_the_same_model(people: list[Person], learned: MorphableModel) -> None:
    assert learn_model(people, CONFIG).id == learned.id


def test_too_few_people_are_refused(people: list[Person]) -> None:
    with pytest.raises(MorphableModelError, match=r"4 people .* 4 identity"):
        learn_model(people[:4], CONFIG)
    stills = [Person(f"{p.name}, {t}", p.points[t : t + 1]) for p in people for t in (0, 9, 18)]
    with pytest.raises(MorphableModelError, match=r"0 frames of video, .* give more data"):
        learn_model(stills, CONFIG)  # expressions are what one and the same person does


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, 0) for name in ("identities", "eye_expressions", "brow_expressions", "mouth_expressions")),
        *(("rounds", 0), ("frames_per_person", -1), ("max_yaw_deg", 0.0)),
        *(("lid_weight", 0.0), ("lip_weight", -1.0), ("iris_weight", np.nan), ("depth_weight", 0.0)),
    ],
)
def test_settings_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"^config\.{name} is {value}, expected .*$"):
        LearnConfig(**{name: value})  # type: ignore[arg-type]


def test_the_drift_is_that_of_the_readings(people: list[Person], learned: MorphableModel) -> None:
    """Faces that shrink as lips part, in what the detector reads alone: only the drift knows."""
    read = [Person(p.name, p.points, _shrunk(p.points)) for p in people]
    drifting = learn_model(read, CONFIG)
    np.testing.assert_array_equal(drifting.expression_basis, learned.expression_basis)
    np.testing.assert_array_equal(drifting.identity_basis, learned.identity_basis)
    assert np.abs(drifting.drift - learned.drift).max() > 1e-3


def _shrunk(points: np.ndarray) -> np.ndarray:
    apart = np.linalg.norm(points[:, 13] - points[:, 14], axis=1) / 100.0
    center = points.mean(axis=1, keepdims=True)
    return np.asarray(center + (points - center) * (1.0 - 0.2 * apart)[:, None, None])


def test_the_forehead_says_less_about_the_pose(learned: MorphableModel) -> None:
    forehead = MEDIAPIPE.forehead
    rest = [point for point in MEDIAPIPE.rigid if point not in forehead]
    assert learned.rigid_weight[forehead].max() < 0.5 * learned.rigid_weight[rest].min()
