"""Pictures stay as they are."""

import pytest
from comparison import Golden
from scenes import CLAYS, FILMS, NAMES, PRIORS, SCENES, Film, Scene
from studio import ASTRONAUTS, Studio


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.names[0])
def test_frames(scene: Scene, studio: Studio, golden: Golden) -> None:
    golden.pictures(scene.pictures(studio))


@pytest.mark.parametrize("film", FILMS, ids=lambda film: film.name)
def test_head_crops_beside_source_driver_and_prior(film: Film, studio: Studio, golden: Golden) -> None:
    golden.pictures({film.name: studio.filmed(film.renderer, film.motion, film.frame)})


@pytest.mark.parametrize("name", PRIORS)
def test_sparse_textures(name: str, studio: Studio, golden: Golden) -> None:
    golden.pictures({name: studio.prior(*PRIORS[name])})


@pytest.mark.parametrize("name", CLAYS)
def test_clay_views(name: str, studio: Studio, golden: Golden) -> None:
    golden.pictures({name: studio.clay(*CLAYS[name])})


def test_no_picture_is_stored_that_nobody_draws(golden: Golden) -> None:
    stored = {str(path.relative_to(golden.folder).with_suffix("")) for path in golden.folder.rglob("*.png")}
    assert stored == NAMES | {f"detected/{name}" for name in ASTRONAUTS}
