"""What a fixture of `keras_fixtures.py` is, and those that several versions write.

Has to run on Python 3.7.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from keras_zoo import plain, refused

H5, ZIP, WEIGHTS, LEGACY = "h5", "keras", "weights.h5", "legacy-weights.h5"
DISGUISED = "hdf5.keras"  # what ".keras" was until TensorFlow 2.13
INT8, SAVED_MODEL, LITE, CHECKPOINT = "int8.keras", "saved-model.zip", "tflite", "index"
RAW, UNIT, CENTRED, STANDARD = "0..255", "0..1", "-1..1", "standardised"
# Pixels are fed as (uint8 - subtract) / divide; the last are Fashion-MNIST's own mean and deviation.
PIXELS = {RAW: (0.0, 1.0), UNIT: (0.0, 255.0), CENTRED: (127.5, 127.5), STANDARD: (72.940, 90.021)}


@dataclass(frozen=True)
class Fixture:
    """A model to be written.

    kinds: the files made of it, by their endings. pixels: a key of PIXELS. fitted: compiled and trained for one step,
    so that the file holds an optimizer. refused: why ropero shall not take it; either: it may, if it predicts the same.
    global_format, floatx: Keras's settings while it is built and read. shape: of an image, where the model cannot say
    it. header: Keras's bound on an attribute's bytes, lowered. damped: the first weights are small, for pixels that
    nothing scales. compiled: what `compile` is told.
    """

    name: str
    build: Callable[[Any], Any]
    special: str
    kinds: tuple[str, ...] = (H5,)
    pixels: str = UNIT
    fitted: bool = False
    refused: str = ""
    either: bool = False
    global_format: str = "channels_last"
    floatx: str = "float32"
    shape: tuple[int, ...] = ()
    header: int = 0
    damped: bool = False
    compiled: dict[str, Any] = field(default_factory=dict)


def named_loss(y_true: Any, y_pred: Any) -> Any:
    return (y_true - y_pred) ** 2


def named_metric(y_true: Any, y_pred: Any) -> Any:
    return y_true * y_pred


CODE = "a Lambda layer holds the code of a Python function"
NO_CONFIG = "weights alone, without the layers"
DEFERRED = "built by its first images: no layer says an input shape"
ANY_SIZE = "(None, None, 1) in; dilation; BatchNormalization without gamma or beta; a convolution to ten channels"
BARE = "Sequential's config is a bare list"
DENSE = partial(Fixture, "dense", plain.dense)
CNN = partial(Fixture, "cnn", plain.cnn, fitted=True)
WEIGHTS_ONLY = Fixture("weights", plain.dense, "save_weights", (WEIGHTS,), refused=NO_CONFIG)
UNBUILT = partial(Fixture, "deferred", plain.deferred, DEFERRED, shape=(28, 28))
LAMBDA = partial(Fixture, "lambda", refused.with_lambda, special="lambda x: x / 255", pixels=RAW, refused=CODE)
BOTH = (H5, ZIP)
ALL = (H5, ZIP, WEIGHTS)
