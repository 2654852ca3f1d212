"""The flow: the way it follows, what it fills, and that it learns."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ropero.generation import flow
from ropero.generation.config import GeneratorConfig
from ropero.generation.flow import Flow, gaps
from ropero.generation.velocity import Velocity

CONFIG = GeneratorConfig(generator="flow", device="cpu", precision="fp32")
SHAPE = (1, 12, 10)


class Known(nn.Module):
    """The right way where class k is the picture of the grey value k / 10 * 2 - 1, and no class the one of 0."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.asked: list[tuple[float, Tensor, Tensor]] = []

    def forward(self, moving: Tensor, time: Tensor, classes: Tensor, seen: Tensor, known: Tensor) -> Tensor:
        self.asked.append((float(time[0]), seen, known))
        there = torch.where(classes < self.classes, classes / 10 * 2 - 1, 0.0)[:, None, None, None]
        return (there - moving) / (1 - time[:, None, None, None])


@pytest.fixture
def learner() -> Flow:
    torch.manual_seed(0)
    return Flow(CONFIG, SHAPE, 10, torch.device("cpu"))


def test_the_way_ends_at_the_picture(learner: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    learner.average = Known(10)
    monkeypatch.setattr(flow, "GUIDANCE", 1.0)
    latent = learner.draw(4, torch.Generator().manual_seed(1))
    found = learner.pictures(latent, torch.tensor([0, 3, 5, 9]))
    expected = torch.tensor([0.0, 0.3, 0.5, 0.9]).view(4, 1, 1, 1).expand(4, *SHAPE)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(learner.pictures(latent), torch.full((4, *SHAPE), 0.5), atol=1e-5, rtol=0)
    times = [one for one, _, _ in learner.average.asked]
    assert min(times) == 0
    assert max(times) < 1


def test_guidance_goes_past_the_class(learner: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    learner.average = Known(10)
    monkeypatch.setattr(flow, "GUIDANCE", 1.5)
    latent = learner.draw(2, torch.Generator().manual_seed(1))
    found = learner.pictures(latent, torch.tensor([7, 2]))
    # Halfway between none (0.5) and the class, and half as much beyond the class.
    expected = torch.tensor([0.8, 0.05]).view(2, 1, 1, 1).expand(2, *SHAPE)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_many_pictures_are_the_same_as_few(learner: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    nn.init.normal_(learner.average.last.weight, std=0.1)
    latent, classes = learner.draw(7, torch.Generator().manual_seed(1)), torch.arange(7)
    whole = learner.pictures(latent, classes)
    assert whole.std() > 0.1
    monkeypatch.setattr(flow, "_AT_ONCE", 3)
    torch.testing.assert_close(learner.pictures(latent, classes), whole, atol=1e-5, rtol=0)


def test_what_is_known_stays_to_the_bit_and_is_seen(learner: Flow) -> None:
    learner.average = Known(10)
    pictures = torch.rand(3, *SHAPE)
    known = torch.rand(3, 1, *SHAPE[1:]) < 0.5
    pictures[1, 0, ~known[1, 0]] = float("nan")  # what is missing is not looked at
    latent = learner.draw(3, torch.Generator().manual_seed(1))
    found = learner.fill(pictures, known, latent, torch.tensor([1, 2, 3]))
    assert torch.equal(found[known], pictures[known])
    assert bool(found.isfinite().all())
    assert not torch.equal(found[~known], pictures[~known])
    _, seen, mask = learner.average.asked[0]
    torch.testing.assert_close(seen[known], pictures[known] * 2 - 1)
    assert not seen[~known].any()
    assert torch.equal(mask, known.float())


def test_gaps_are_of_three_kinds() -> None:
    torch.manual_seed(0)
    known = gaps(3000, 12, 10, torch.device("cpu"))
    assert known.shape == (3000, 1, 12, 10)
    inside = outside = scattered = 0
    for one in known[:, 0]:
        for kind, part in (("in", one), ("out", ~one)):
            rows, columns = part.any(1).nonzero(), part.any(0).nonzero()
            box = int((rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)) if len(rows) else 0
            if box == part.sum():
                inside, outside = inside + (kind == "in"), outside + (kind == "out")
                break
        else:
            scattered += 1
    assert all(850 < one < 1200 for one in (inside, outside, scattered)), (inside, outside, scattered)


def test_it_learns_pictures_of_their_classes() -> None:
    """Two pictures of 8 x 8: after some hundred steps each is made from noise, and half of one is filled."""
    torch.manual_seed(0)
    learner = Flow(CONFIG.replace(learning_rate=3e-3), (1, 8, 8), 2, torch.device("cpu"))
    two = torch.full((2, 1, 8, 8), -0.8)
    two[0, :, :, :4], two[1, :, 2:6] = 0.8, 0.8
    labels = torch.arange(64) % 2
    first = learner.step(two[labels], labels, "fp32")["network"]
    for _ in range(250):
        last = learner.step(two[labels], labels, "fp32")["network"]
    assert last < first / 2
    latent = learner.draw(20, torch.Generator().manual_seed(1))
    classes = torch.arange(20) % 2
    expected = (two[classes] + 1) / 2
    assert (learner.pictures(latent, classes) - expected).abs().mean() < 0.1
    known = torch.zeros(20, 1, 8, 8, dtype=torch.bool)
    known[:, :, :5] = True
    assert (learner.fill(expected, known, latent) - expected)[~known].abs().mean() < 0.1


def test_an_untrained_network_says_nothing_and_reaches_all_its_weights() -> None:
    torch.manual_seed(0)
    net = Velocity((3, 9, 14), 4, width=32, depth=1)
    given = (
        torch.randn(2, 3, 9, 14),
        torch.rand(2),
        torch.tensor([0, 4]),
        torch.zeros(2, 3, 9, 14),
        torch.ones(2, 1, 9, 14),
    )
    assert not net(*given).any()
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.1)
    found = net(*given)
    assert found.shape == (2, 3, 9, 14)
    found.square().sum().backward()
    assert all(one.grad is not None and bool(one.grad.any()) for one in net.parameters())
    told = net(given[0], given[1], torch.tensor([1, 3]), *given[3:])
    assert not torch.equal(told, found)
