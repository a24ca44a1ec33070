"""Seeds of training leave no trace in the process."""

import torch

from faceanime.train.seeded import seeded


def test_a_seed_counts_inside_and_leaves_what_is_drawn_outside_alone() -> None:
    torch.manual_seed(1)
    undisturbed = torch.rand(2, 4)
    torch.manual_seed(1)
    before = torch.rand(4)
    with seeded(7):
        inside = torch.rand(4)
    assert torch.equal(torch.stack([before, torch.rand(4)]), undisturbed)
    torch.manual_seed(7)
    assert torch.equal(inside, torch.rand(4))
