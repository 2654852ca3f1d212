"""The features by which generated garments are measured: those of one small network, which comes with ropero.

It was trained once, by scripts/evaluator.py, on 50,000 training images of Fashion-MNIST; figures by other weights
cannot be compared with its own, so its weights are known by their digest. Knows nothing of generators.
Legend: N images, D features.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from ropero.data.dataset import Images
from ropero.errors import RunError, UsageError
from ropero.models import checkpoint
from ropero.models.classifier import Classifier
from ropero.models.inference import Floats
from ropero.models.inference import features as features_of
from ropero.texts import t

FOLDER = Path(__file__).parent / "evaluator"
SHA256 = "68cc33c877d602211914fd056b9a2d41d863fa881ab18c4484c549f784ad33cc"  # of its weights
SIDE = 28


@lru_cache(maxsize=1)
def evaluator() -> Classifier:
    """The network, on the CPU. Raises RunError where its weights are not those that ropero came with."""
    model, card = checkpoint.load(FOLDER)
    if card.weights_sha256 != SHA256:
        raise RunError(t("{path} is not the file its card describes: its SHA-256 differs.", path=FOLDER))
    return model


def features(images: Images) -> Floats:
    """(N, D) float32 of images (N, 28, 28) uint8.

    Raises UsageError for images of another shape, which it does not know.
    """
    if images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
        raise UsageError(
            t("ropero's own evaluator measures grey pictures of 28 x 28, these are {shape}; name a run of yours.",
              shape=" x ".join(map(str, images.shape[1:])))
        )  # fmt: skip
    return features_of(evaluator(), images)
