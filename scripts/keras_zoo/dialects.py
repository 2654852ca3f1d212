"""Every Keras that writes fixtures of `keras_fixtures.py`, on what it runs, and which.

Has to run on Python 3.7.
"""

from __future__ import annotations

from dataclasses import dataclass

from keras_zoo import keras_2, keras_3, tensorflow
from keras_zoo.fixture import Fixture

TF113 = "tensorflow==1.13.1 numpy<1.17 h5py<3 protobuf<3.20 theano==1.0.5 scipy<1.5"
TF20 = "tensorflow==2.0.0 numpy<1.19 h5py<3 protobuf<3.20"


@dataclass(frozen=True)
class Dialect:
    """One Keras: `package` is what is imported, `python` and `packages` what it runs on."""

    slug: str
    package: str
    version: str  # what the package calls itself
    backend: str
    python: str
    packages: str
    fixtures: tuple[Fixture, ...]


OLD, NEW = "3.7", "3.11"
DIALECTS = (
    Dialect("2.0.9", "keras", "2.0.9", "tensorflow", OLD, TF113 + " keras==2.0.9", keras_2.KERAS_2_0),
    Dialect("2.0.9-theano", "keras", "2.0.9", "theano", OLD, TF113 + " keras==2.0.9", keras_2.KERAS_2_0_THEANO),
    Dialect("2.1.6", "keras", "2.1.6", "tensorflow", OLD, TF113 + " keras==2.1.6", keras_2.KERAS_2_1),
    Dialect("2.1.6-theano", "keras", "2.1.6", "theano", OLD, TF113 + " keras==2.1.6", keras_2.KERAS_2_1_THEANO),
    Dialect("2.2.4", "keras", "2.2.4", "tensorflow", OLD, TF113 + " keras==2.2.4", keras_2.KERAS_2_2),
    Dialect("2.2.4-theano", "keras", "2.2.4", "theano", OLD, TF113 + " keras==2.2.4", keras_2.KERAS_2_2_THEANO),
    Dialect("2.3.1", "keras", "2.3.1", "tensorflow", OLD, TF20 + " keras==2.3.1", keras_2.KERAS_2_3),
    Dialect("2.3.1-theano", "keras", "2.3.1", "theano", OLD, TF113 + " keras==2.3.1", keras_2.KERAS_2_3_THEANO),
    Dialect("tf1.13", "tensorflow.keras", "2.2.4-tf", "tensorflow", OLD, TF113, tensorflow.TF_1_13),
    Dialect("tf2.0", "tensorflow.keras", "2.2.4-tf", "tensorflow", OLD, TF20, tensorflow.TF_2_0),
    Dialect(
        "tf2.2",
        "tensorflow.keras",
        "2.3.0-tf",
        "tensorflow",
        OLD,
        "tensorflow-cpu==2.2.0 numpy<1.19 h5py<3 protobuf<3.20",
        tensorflow.TF_2_2,
    ),
    Dialect(
        "tf2.4",
        "tensorflow.keras",
        "2.4.0",
        "tensorflow",
        OLD,
        "tensorflow-cpu==2.4.4 protobuf<3.20",
        tensorflow.TF_2_4,
    ),
    Dialect(
        "2.4.3",
        "keras",
        "2.4.3",
        "tensorflow",
        OLD,
        "tensorflow-cpu==2.4.4 protobuf<3.20 keras==2.4.3",
        tensorflow.KERAS_2_4_3,
    ),
    Dialect(
        "tf2.7",
        "tensorflow.keras",
        "2.7.0",
        "tensorflow",
        OLD,
        "tensorflow-cpu==2.7.4 protobuf<3.20",
        tensorflow.TF_2_7,
    ),
    Dialect(
        "tf2.11",
        "tensorflow.keras",
        "2.11.0",
        "tensorflow",
        "3.10",
        "tensorflow-cpu==2.11.1 numpy<1.24",
        tensorflow.TF_2_11,
    ),
    Dialect("tf2.12", "tensorflow.keras", "2.12.0", "tensorflow", NEW, "tensorflow-cpu==2.12.0", tensorflow.TF_2_12),
    Dialect("tf2.13", "tensorflow.keras", "2.13.1", "tensorflow", NEW, "tensorflow-cpu==2.13.1", tensorflow.TF_2_13),
    Dialect("tf2.15", "tensorflow.keras", "2.15.0", "tensorflow", NEW, "tensorflow-cpu==2.15.1", tensorflow.TF_2_15),
    Dialect(
        "tf_keras2.16",
        "tf_keras",
        "2.16.0",
        "tensorflow",
        NEW,
        "tensorflow-cpu==2.16.2 tf_keras==2.16.0",
        tensorflow.TF_KERAS_2_16,
    ),
    Dialect(
        "tf_keras2.21",
        "tf_keras",
        "2.21.0",
        "tensorflow",
        NEW,
        "tensorflow-cpu==2.21.0 tf_keras==2.21.0",
        tensorflow.TF_KERAS_2_21,
    ),
    Dialect("3.0.5", "keras", "3.0.5", "tensorflow", NEW, "tensorflow-cpu==2.16.2 keras==3.0.5", keras_3.KERAS_3_0),
    Dialect("3.4.1", "keras", "3.4.1", "torch", NEW, "torch keras==3.4.1", keras_3.KERAS_3_4),
    Dialect("3.10.0", "keras", "3.10.0", "jax", NEW, "jax keras==3.10.0", keras_3.KERAS_3_10),
    Dialect("3.15.1", "keras", "3.15.1", "torch", NEW, "torch keras==3.15.1", keras_3.KERAS_3_15_TORCH),
    Dialect(
        "3.15.1-tf", "keras", "3.15.1", "tensorflow", NEW, "tensorflow-cpu==2.21.0 keras==3.15.1", keras_3.KERAS_3_15_TF
    ),
)
