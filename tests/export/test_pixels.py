"""How a network wants its pixels: told by its config, or found on training images alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from ropero.data import sources
from ropero.data.dataset import Dataset
from ropero.errors import DataError, UsageError
from ropero.export import pixels
from ropero.export.foreign import Built, Foreign, Sides
from ropero.export.origin import told
from ropero.models import designs
from ropero.models.layers import Dense, Flatten, Layer
from ropero.texts.numbers import percent

Floats = NDArray[np.float64]
Nets = Callable[..., nn.Sequential]
WAYS: dict[str, Callable[[Floats], Floats]] = {
    "0-1": lambda x: x / 255,
    "0-255": lambda x: x,
    "-1-1": lambda x: x / 127.5 - 1,
    "standardised": lambda x: (x - x.mean()) / x.std(),
    "standardised-by-pixel": lambda x: (x - x.mean(0)) / np.where(x.std(0) == 0, 1, x.std(0)),
}
BLANK = nn.Sequential(nn.Linear(784, 4), nn.ReLU(), nn.Linear(4, 10))
NOTHING = np.zeros((1, 10), np.float32)


@pytest.fixture(scope="module")
def train(real_folder: Path) -> Dataset:
    """Real garments: with easy pictures many a scale does as well as the right one."""
    return sources.load(str(real_folder)).train.take(range(3000))


@pytest.fixture(scope="module")
def net(train: Dataset) -> Nets:
    """Makes the network of a convention, once each: a hidden layer of ReLUs, trained as in a tutorial."""
    made: dict[tuple[str, int], nn.Sequential] = {}

    def get(name: str, size: int = 28) -> nn.Sequential:
        if (name, size) not in made:
            made[name, size] = _trained(train, name, size)
        return made[name, size]

    return get


def _trained(train: Dataset, name: str, size: int) -> nn.Sequential:
    torch.manual_seed(0)
    side = (size - 28) // 2
    x = torch.from_numpy(WAYS[name](train.images.astype(np.float64))).float()
    x = nn.functional.pad(x, (side, side, side, side)).flatten(1)
    y = torch.from_numpy(train.labels.copy())
    net = nn.Sequential(nn.Linear(x.shape[1], 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.Adam(net.parameters(), 0.001)
    for _ in range(10):
        for at in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[at]), y[at]).backward()
            optimizer.step()
    return net


def foreign(net: nn.Sequential, wants: Sides = (28, 28), outputs: int = 10, **facts: Any) -> Foreign:
    """Such a network as a reader would give it."""

    def build(prefix: Sequence[Layer], input_shape: tuple[int, int, int], classes: int) -> Built:
        hidden = Dense(net[0].out_features, "relu", name="own")
        model = designs.build([*prefix, Flatten(), hidden, Dense(classes)], input_shape, classes)
        own = next(module for name, _, module in designs.parts(model) if name == "own")
        for made, kept in ((own[0], net[0]), (model.head, net[2])):  # type: ignore[index]
            made.load_state_dict(kept.state_dict())
        return Built(model.eval(), ())

    return Foreign("Keras 2.4.0", "0" * 64, (wants,), build, lambda _: outputs, **facts)


@pytest.mark.real
@pytest.mark.parametrize("name", WAYS)
def test_the_scale_that_a_network_was_trained_with_is_found(name: str, train: Dataset, net: Nets) -> None:
    built, seeing = pixels.find(foreign(net(name)), train)
    assert (seeing.scale, seeing.size, seeing.why) == (name, pixels.AS_BUILT, "tried")
    with torch.inference_mode():
        prepared = WAYS[name](train.images.astype(np.float64))[:20]
        expected = net(name)(torch.from_numpy(prepared).float().flatten(1))
        found = built.model(torch.from_numpy(train.images[:20, None].copy()).float() / 255)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


@pytest.mark.real
def test_pictures_of_another_size_are_padded_or_resized_as_it_proves_right(train: Dataset, net: Nets) -> None:
    _, seeing = pixels.find(foreign(net("0-1", 32), (32, 32, 1)), train)
    assert (seeing.scale, seeing.size) == ("0-1", pixels.PADDED)
    assert {one.size for one in seeing.tried} == {pixels.PADDED, pixels.RESIZED}
    assert not any("pixel" in one.scale for one in seeing.tried)


@pytest.mark.real
@pytest.mark.parametrize("name", ["0-1", "0-255", "standardised"])
def test_what_the_config_says_is_taken_when_nothing_common_is_clearly_better(
    name: str, train: Dataset, net: Nets
) -> None:
    _, seeing = pixels.find(foreign(net(name), scaled=name), train)
    assert (seeing.scale, seeing.why, seeing.said) == (name, "config", "")
    assert {one.scale for one in seeing.tried} == {name, "0-1", "0-255", "-1-1"}


@pytest.mark.real
def test_a_config_that_is_clearly_wrong_is_overruled_and_that_is_told(train: Dataset, net: Nets) -> None:
    """As a network with Rescaling(1 / 255) that was trained on x / 255."""
    built, seeing = pixels.find(foreign(net("-1-1"), scaled="0-255"), train)
    assert (seeing.scale, seeing.why, seeing.said) == ("-1-1", "tried-over-config", "0-255")
    theirs, taken = (next(one for one in seeing.tried if one.scale == name) for name in ("0-255", "-1-1"))
    assert taken.accuracy >= theirs.accuracy + pixels.OVERRULES
    with torch.inference_mode():
        prepared = WAYS["-1-1"](train.images.astype(np.float64))[:20]
        expected = net("-1-1")(torch.from_numpy(prepared).float().flatten(1))
        found = built.model(torch.from_numpy(train.images[:20, None].copy()).float() / 255)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)
    origin = {"file": "m.h5", "written_by": "Keras 2.4.0", "notes": [], "pixels": seeing.to_json()}
    accuracy = percent(theirs.accuracy, 1)
    assert (
        f"says 0 to 255, as they are in the file, but shown that way it is right on {accuracy} only"
        in told(origin, train.classes)[1]
    )


@pytest.mark.real
def test_chance_does_not_overrule_a_config(train: Dataset, net: Nets) -> None:
    turned = replace(train, labels=(train.labels + 1) % 10)
    _, seeing = pixels.find(foreign(net("0-255"), scaled="0-255"), turned)
    assert (seeing.scale, seeing.why) == ("0-255", "config")
    own, *others = (one.accuracy for one in seeing.tried)
    assert max(others) > own + pixels.OVERRULES


@pytest.mark.real
def test_a_heavy_network_that_does_well_is_tried_once(
    train: Dataset, net: Nets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixels, "HEAVY", 1)
    monkeypatch.setattr(pixels, "SOUND", 0.5)
    _, seeing = pixels.find(foreign(net("0-1"), scaled="0-1"), train)
    assert (seeing.images, len(seeing.tried)) == (pixels.IMAGES_HEAVY, 1)


def test_notes_of_older_runs_are_told() -> None:
    tried = {"scale": "0-255", "size": pixels.AS_BUILT, "accuracy": 0.9, "log_loss": 0.3}
    seen = {"scale": "0-255", "size": pixels.AS_BUILT, "why": "config", "images": 2000, "tried": [tried], "order": [],
            "spare": 0}  # fmt: skip
    said = told({"file": "m.h5", "written_by": "Keras 2.4.0", "notes": [], "pixels": seen}, ())
    assert said[1] == "Its pixels: 0 to 255, as they are in the file (its own first layer says so)."


@pytest.mark.real
@pytest.mark.parametrize("name", ["0-1", "0-255", "-1-1"])
def test_stored_means_tell_the_scale(name: str, train: Dataset, net: Nets) -> None:
    prepared = WAYS[name](train.images.astype(np.float64))
    given = foreign(net(name), scaled=(float(prepared.mean()), float(prepared.std())))
    _, seeing = pixels.find(given, train)
    assert (seeing.scale, seeing.why) == (name, "config")


@pytest.mark.real
def test_stored_means_that_fit_nothing_are_passed_over(train: Dataset, net: Nets) -> None:
    _, seeing = pixels.find(foreign(net("0-1"), scaled=(5.0, 0.2)), train)
    assert (seeing.scale, seeing.why) == ("0-1", "tried")


@pytest.mark.real
def test_a_norm_that_never_moved_tells_nothing(train: Dataset, net: Nets) -> None:
    _, seeing = pixels.find(foreign(net("0-1"), scaled=(0.0, 1.0)), train)
    assert (seeing.scale, seeing.why) == ("0-1", "tried")


@pytest.mark.real
def test_a_user_may_say_it(train: Dataset, net: Nets) -> None:
    _, seeing = pixels.find(foreign(net("0-1"), scaled="0-255"), train, "0-1-inverted")
    assert (seeing.scale, seeing.why) == ("0-1-inverted", "asked")
    with pytest.raises(UsageError, match="Did you mean '0-255'"):
        pixels.find(foreign(net("0-1")), train, "0-256")


@pytest.mark.real
def test_what_has_learned_nothing_is_shown_what_most_are(train: Dataset) -> None:
    assert pixels.find(foreign(BLANK), train)[1].scale in ("0-1", "0-255")


@pytest.mark.real
def test_another_order_of_classes_is_noticed(train: Dataset, net: Nets) -> None:
    turned = replace(train, labels=(train.labels + 1) % 10)
    assert pixels.find(foreign(net("0-1")), train)[1].order == ()
    assert pixels.find(foreign(net("0-1")), turned, "0-1")[1].order == (1, 2, 3, 4, 5, 6, 7, 8, 9, 0)


@pytest.mark.real
def test_another_number_of_classes_is_refused(train: Dataset, net: Nets) -> None:
    with pytest.raises(DataError, match="tells 2 classes apart, but fashion-mnist has 10"):
        pixels.find(foreign(net("0-1"), outputs=2), train)
    assert pixels.find(foreign(net("0-1"), outputs=11), train)[1].spare == 1


@pytest.mark.parametrize(
    ("wants", "shape"),
    [((28, 28), (28, 28)), ((28, 28, 1), (28, 28, 1)), ((784,), (784,)), ((None, None, 1), (28, 28, 1)),
     ((784, 1), (784, 1)), ((28, 28, 3), (28, 28, 3)), ((None, 28), (28, 28))],
)  # fmt: skip
def test_images_come_to_the_shape_that_is_wanted(wants: Sides, shape: tuple[int, ...]) -> None:
    (fit,) = pixels.fits((1, 28, 28), foreign(BLANK, wants))
    assert (fit.shape, fit.name) == (shape, pixels.AS_BUILT)


def test_flat_pictures_of_another_size_are_squares() -> None:
    found = pixels.fits((1, 28, 28), foreign(BLANK, (1024,)))
    assert [(one.name, one.shape) for one in found] == [(pixels.PADDED, (1024,)), (pixels.RESIZED, (1024,))]


def test_channels_that_come_first_are_turned() -> None:
    (fit,) = pixels.fits((1, 28, 28), foreign(BLANK, (1, 28, 28), channels_first=True))
    assert fit.shape == (1, 28, 28)


@pytest.mark.parametrize("wants", [(28, 28, 4), (5, 5, 5, 5), (785,)])
def test_what_no_picture_can_become_is_refused(wants: Sides) -> None:
    with pytest.raises(DataError, match="the network takes"):
        pixels.fits((1, 28, 28), foreign(BLANK, wants))


def test_rare_scales_have_to_be_better_by_a_margin() -> None:
    common, rare = pixels.Tried("0-1", "", 0.80, 0.50), pixels.Tried("mnist", "", 0.82, 0.46)
    assert pixels._best([(common, NOTHING), (rare, NOTHING)]) is common
    sure = replace(rare, log_loss=0.3)
    assert pixels._best([(common, NOTHING), (sure, NOTHING)]) is sure
    bold = pixels.Tried("0-255", "", 0.83, 4.0)  # more of them right, and far too sure
    assert pixels._best([(common, NOTHING), (bold, NOTHING)]) is common
    dull = pixels.Tried("scaled-twice", "", 0.33, 0.1)
    assert pixels._best([(common, NOTHING), (dull, NOTHING)]) is common


def test_what_a_network_knows_by_heart_does_not_decide() -> None:
    usual, surer = pixels.Tried("0-1", "", 1.0, 1e-3), pixels.Tried("mnist", "", 1.0, 1e-9)
    assert pixels._best([(usual, NOTHING), (surer, NOTHING)]) is usual


@pytest.mark.parametrize("wants", [(28, 28), (28, 28, 1), (784,), (30, 30, 1)], ids=str)
def test_colours_are_made_grey_for_a_network_of_grey_pictures(wants: Sides) -> None:
    """By the weights of Pillow's convert("L"), which rounds to whole numbers."""
    colours = np.random.default_rng(0).integers(0, 256, (40, 28, 28, 3), np.uint8)
    train = Dataset(colours, np.arange(40) % 10, tuple("abcdefghij"), "photos", "train")
    size = 30 if 30 in wants else 28
    wide = nn.Sequential(nn.Linear(size * size, 4), nn.ReLU(), nn.Linear(4, 10))
    built, seeing = pixels.find(foreign(wide, wants), train, "0-1")
    assert seeing.grey
    grey = np.stack([np.asarray(Image.fromarray(one).convert("L")) for one in colours])
    theirs, ours = Dataset(grey, train.labels, train.classes), torch.from_numpy(colours).permute(0, 3, 1, 2).float()
    expected = pixels.find(foreign(wide, wants), theirs, "0-1")[0].model
    with torch.inference_mode():
        found = built.model(ours / 255)
        meant = expected(torch.from_numpy(grey[:, None]).float() / 255)
    torch.testing.assert_close(found, meant, atol=0.02, rtol=0.02)
    assert not pixels.find(foreign(wide, wants), theirs, "0-1")[1].grey
