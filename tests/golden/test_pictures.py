"""Pictures stay as they are."""

import pytest
from comparison import Golden
from scenes import CLAYS, FILMS, PRIORS, SCENES, Scene
from studio import RendererName, Studio


@pytest.mark.parametrize(
    "scene", SCENES, ids=lambda s: f"{s.renderer}-{s.subject}-{'-'.join([*s.motion][:1])}"
)
def test_frames(scene: Scene, studio: Studio, golden: Golden) -> None:
    golden.pictures(scene.pictures(studio))


@pytest.mark.parametrize(("renderer", "motion", "frames"), FILMS)
def test_head_crops_beside_source_driver_and_prior(
    renderer: RendererName, motion: str, frames: tuple[int, ...], studio: Studio, golden: Golden
) -> None:
    pictures = studio.filmed(renderer, motion, frames)
    golden.pictures(
        {f"crop/{renderer}_{motion}_{t:03}": p for t, p in zip(frames, pictures, strict=True) if t}
    )


@pytest.mark.parametrize("name", PRIORS)
def test_sparse_textures(name: str, studio: Studio, golden: Golden) -> None:
    golden.pictures({f"prior/{name}": studio.prior(*PRIORS[name])})


@pytest.mark.parametrize(("motion", "frame"), CLAYS)
def test_clay_views(motion: str, frame: int, studio: Studio, golden: Golden) -> None:
    golden.pictures({f"clay/{motion}_{frame:03}": studio.clay(motion, frame)})
