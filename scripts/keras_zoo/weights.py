"""Weights for the models of `keras_fixtures.py`: drawn from a seed, so that no layer does nothing and images differ.

Has to run on Python 3.7.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from keras_zoo.fixture import PIXELS, Fixture
from keras_zoo.images import images


def draw(name: str, shape: tuple[int, ...], state: np.random.RandomState) -> Any:
    """A weight by its Keras name: no zeros, no ones, and about as large as lets an activation neither grow nor fade."""
    if name in ("gamma", "moving_variance"):
        return state.uniform(0.6, 1.5, shape)
    if name == "alpha":
        return state.uniform(0.05, 0.5, shape)
    if name in ("beta", "moving_mean") or "bias" in name:
        return state.normal(0, 0.25, shape)
    gain = 1.0 if name == "recurrent_kernel" else 1.6
    fan_in = int(np.prod(shape[:2] if name == "depthwise_kernel" else shape[:-1]))
    return state.normal(0, gain / np.sqrt(max(1, fan_in)), shape)


def leaves(model: Any) -> Any:
    """The layers of a model and of the models in it."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from leaves(layer)
        else:
            yield layer


def redraw(model: Any, fixture: Fixture, attempt: int = 0) -> None:
    """Other weights for every layer, the same for the same fixture under every Keras."""
    state = np.random.RandomState(zlib.crc32(fixture.name.encode()) + attempt)
    damp = 128.0 if fixture.damped else 1.0
    for layer in leaves(model):
        old = layer.get_weights()
        if not old or type(layer).__name__ in ("Normalization", "TextVectorization"):
            continue
        new = []
        for number, weight in enumerate(layer.weights):
            name = weight.name.split("/")[-1].split(":")[0]
            if old[number].dtype.kind != "f":  # the seed of a random layer
                new.append(old[number])
                continue
            drawn = draw(name, old[number].shape, state)
            new.append((drawn / (1.0 if "bias" in name else damp)).astype(old[number].dtype))
        damp = 1.0
        layer.set_weights(new)


def sharpen(model: Any, x: Any) -> Any:
    """Last weights that tell the images apart, so that a wrong reader is told too; the predictions, None if in vain."""
    last = [layer for layer in leaves(model) if layer.get_weights()][-1]
    for _ in range(10):
        predictions = predicted(model, x)
        assert predictions.shape == (len(x), 10), predictions.shape
        if np.isfinite(predictions).all() and predictions.std(0).mean() > 0.06:
            return predictions
        scores = np.log(np.maximum(predictions, 1e-30)) if predictions.min() >= 0 else predictions
        centre = (scores - scores.mean(1, keepdims=True)).mean(0)
        last.set_weights([2 * (weight if weight.ndim > 1 else weight - centre) for weight in last.get_weights()])
    predictions = predicted(model, x)
    return predictions if np.isfinite(predictions).all() and predictions.std(0).mean() > 0.02 else None


def tell_apart(model: Any, fixture: Fixture, x: Any) -> Any:
    """Weights drawn until they tell the images apart; the predictions."""
    for attempt in range(1, 20):
        predictions = sharpen(model, x)
        if predictions is not None:
            return predictions
        redraw(model, fixture, attempt)
    raise SystemExit(f"{fixture.name}: all images look alike")


def build(k: Any, fixture: Fixture) -> Any:
    k.backend.set_image_data_format(fixture.global_format)
    k.backend.set_floatx(fixture.floatx)
    model = fixture.build(k)
    if fixture.fitted or fixture.compiled:
        settings = {"loss": "categorical_crossentropy", "metrics": ["accuracy"], **fixture.compiled}
        model.compile(optimizer="adam", **settings)
    if fixture.fitted:
        x = fed(model, fixture)
        model.fit(x, np.eye(10, dtype="float32")[np.arange(len(x)) % 10], epochs=1, batch_size=len(x), verbose=0)
    redraw(model, fixture)
    return model


def shape_of(model: Any, fixture: Fixture) -> tuple[int, ...]:
    """An image's shape as the model takes it, 28 where it says nothing."""
    return tuple(28 if side is None else side for side in fixture.shape or model.input_shape[1:])


def fed(model: Any, fixture: Fixture) -> Any:
    """The images as the model wants them."""
    subtract, divide = PIXELS[fixture.pixels]
    return ((images(shape_of(model, fixture)).astype("float32") - subtract) / divide).astype("float32")


def predicted(model: Any, x: Any) -> Any:
    return np.asarray(model.predict(x, batch_size=16, verbose=0)).astype("float32")
