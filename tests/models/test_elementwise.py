"""Our dropout and tanh are torch's, but for the time they take."""

import pytest
import torch
from torch import Tensor, nn

from ropero.models.elementwise import Dropout, Tanh, _by_onednn

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])


def pictures(dtype: torch.dtype, *, last: bool = True) -> Tensor:
    torch.manual_seed(0)
    x = torch.randn(8, 32, 28, 28).to(dtype)
    return x.to(memory_format=torch.channels_last) if last else x


@DTYPES
@pytest.mark.parametrize("last", [True, False])
def test_tanh_and_its_gradient_are_torchs(dtype: torch.dtype, last: bool) -> None:
    x = pictures(dtype, last=last).requires_grad_()
    if not _by_onednn(x):
        pytest.skip("oneDNN has no such kernel on this machine")
    y = Tanh()(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    exact = torch.tanh(x.detach().double())
    step = torch.finfo(dtype).eps
    assert y.stride() == x.stride()
    assert y.dtype == dtype
    assert "_Tanh" in type(y.grad_fn).__name__  # else the fast way was not taken and nothing is shown
    assert (y - exact).abs().max() <= step
    assert (gradient - (1 - exact**2)).abs().max() <= 2 * step


def test_tanh_leaves_its_input_as_it_is() -> None:
    x = pictures(torch.float32)
    before = x.clone()
    Tanh()(x)
    assert torch.equal(x, before)


def test_tanh_takes_torchs_way_where_onednns_does_not_pay_or_fit() -> None:
    wide = pictures(torch.float32)[:, :, ::2]  # has holes in memory
    for module, x in ((Tanh(), torch.randn(4, 4)), (Tanh(), wide), (Tanh().eval(), pictures(torch.float32))):
        assert torch.equal(module(x), torch.tanh(x))


@DTYPES
@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9])
def test_dropout_drops_its_share_and_scales_the_rest(dtype: torch.dtype, rate: float) -> None:
    x = pictures(dtype).fill_(1).requires_grad_()
    y = Dropout(rate)(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    scale = torch.tensor(1 / (1 - rate)).to(dtype)
    assert set(y.unique().tolist()) == {0.0, scale.item()}
    n = x.numel()
    assert abs(float((y == 0).float().mean()) - rate) < 4 * (rate * (1 - rate) / n) ** 0.5
    assert y.dtype == dtype
    assert y.stride() == x.stride()
    assert torch.equal(gradient, y)


def test_values_drop_out_independently_of_their_neighbours() -> None:
    dropped = Dropout(0.5)(torch.ones(400_000)) == 0
    for distance in (1, 2, 3, 4, 28):
        together = (dropped[:-distance] & dropped[distance:]).float().mean()
        assert abs(float(together) - 0.25) < 0.004  # 5 standard deviations


def test_dropout_is_repeated_by_a_seed_and_differs_from_call_to_call() -> None:
    x, module = torch.ones(7, 5), Dropout(0.5)
    torch.manual_seed(1)
    first, second = module(x), module(x)
    torch.manual_seed(1)
    assert torch.equal(module(x), first)
    assert not torch.equal(first, second)


def test_dropout_does_nothing_in_use_and_at_zero() -> None:
    x = torch.randn(3, 4)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)
    assert torch.equal(Dropout(1.0)(x), torch.zeros(3, 4))


def test_they_pass_for_torchs_modules() -> None:
    assert isinstance(Dropout(0.2), nn.Dropout)
    assert isinstance(Tanh(), nn.Tanh)
