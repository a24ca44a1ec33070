"""A portrait that moves to another picture of the same person reaches its expression."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from program import Program

import faceanime
from faceanime.core.errors import ConfigError
from faceanime.face.config import GoalConfig
from faceanime.generator.config import RendererConfig
from faceanime.media.image import write_image
from faceanime.morphable.model import MorphableModel
from faceanime.pipeline import Animator, AnimatorConfig
from faceanime.structures.frames import Pixels
from faceanime.structures.portrait import Portrait


@pytest.fixture(scope="module")
def pair(model: MorphableModel, astronaut: Pixels) -> tuple[Portrait, Portrait]:
    """The astronaut with closed lips, and as she smiles."""
    animator = Animator(AnimatorConfig(draw=RendererConfig("geometric")), model)
    given = animator.portrait(astronaut)
    drawer, own = animator.renderer.prepare(given), given.face.coefficients
    narrow, wide = (own.expression + strength * model.axis("smile") for strength in (-0.8, 0.3))
    one, other = (
        animator.portrait(drawer.draw(replace(own, expression=expression), own.pose))
        for expression in (narrow, wide)
    )
    return one, other


def mouth_width(points: np.ndarray, model: MorphableModel) -> float:
    schema = model.schema
    right, left = points[[schema.right_mouth_corner[0], schema.left_mouth_corner[0]], :2]
    eyes = points[schema.eye_corners, :2]
    return float(np.linalg.norm(left - right) / np.linalg.norm(eyes[-1] - eyes[0]))


@pytest.mark.parametrize("order", [1, -1])
def test_the_mouth_becomes_as_wide_as_the_targets(
    model: MorphableModel, pair: tuple[Portrait, Portrait], order: int
) -> None:
    own, target = pair[::order]
    arrived = {}
    for same_person in ("yes", "no"):
        config = AnimatorConfig(draw=RendererConfig("geometric"), goal=GoalConfig(same_person=same_person))
        animator = Animator(config, model)
        goal = animator.goal(own, target.face.coefficients, target)
        drawn = animator.renderer.prepare(own).draw(
            replace(own.face.coefficients, expression=goal.expression), own.face.coefficients.pose
        )
        start, end, reached = (
            mouth_width(each.landmarks.points_image, model)
            for each in (own, target, animator.portrait(drawn))
        )
        arrived[same_person] = (reached - start) / (end - start)
    assert arrived["yes"] == pytest.approx(1.0, abs=0.15)
    assert arrived["no"] < arrived["yes"] - 0.1


def test_the_user_may_say_that_both_are_one_person(
    program: Program, portrait_path: Path, astronaut: Pixels, tmp_path: Path
) -> None:
    write_image(tmp_path / "target.png", astronaut[4:, 4:])
    program.makes(
        tmp_path / "out.mp4", "morph", portrait_path, "--target", tmp_path / "target.png",
        "--same-person", "yes", "--seconds", "0.2", "--renderer", "geometric", "--size", "160",
    )  # fmt: skip
    faceanime.animate(
        portrait_path, tmp_path / "target.png", tmp_path / "out.png", same_person="yes", renderer="geometric"
    )
    with pytest.raises(ConfigError, match="same_person"):
        faceanime.animate(portrait_path, tmp_path / "target.png", tmp_path / "no.png", same_person="perhaps")
