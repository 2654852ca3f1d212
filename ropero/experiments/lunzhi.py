"""lunzhi-2018: three convolutional networks before and after augmentation, and frozen VGG19 features."""

from __future__ import annotations

from ropero.experiments.claims import ROUNDED, Experiment, Time, reach
from ropero.experiments.evidence import Reason
from ropero.texts import mark
from ropero.training.config import TrainConfig
from ropero.training.presets import plain, preset

REPORT = "lunzhi-2018"

# test accuracy and loss before and after augmentation; seconds an epoch
_CLAIMED = {
    "cnn-1": ((0.9104, 0.2485), (0.9229, 0.2210), (30, 45)),
    "cnn-3": ((0.9079, 0.2496), (0.9117, 0.2291), (61, 79)),
    "cnn-4": ((0.9052, 0.2657), (0.9352, 0.1777), (312, 379)),
}
_SPLIT = mark(
    "The report cuts 60,000 into 48,000 and 12,000 with scikit-learn and seed 13, in the order of the CSV files; here "
    "ropero's own split is taken, of the same sizes and not stratified either."
)
_VALIDATION = mark("The report augments its validation images too; so does this protocol. Weights are the last ones.")
_STEPS = mark(
    "Adam's learning rate is not said (0.001 here). The report's epochs have 187 full batches of 256, those here also "
    "the last, smaller one."
)
_INTERPOLATION = mark(
    "Keras's version is not said. Before 2.1.3 (January 2018) its image generator took the nearest pixel where today's "
    "interpolates; so does this protocol, since the report's figures fit that better."
)

_IMAGES = mark(
    "10,000 of the 60,000 images are used, 2,000 of them for validation, and all 10,000 test images, since the "
    "features of all would take two cores hours. The report learned from 48,000."
)
_WEIGHTS = mark("Weights: ImageNet's, from Keras's official file or one that --weights names.")
_VGG16 = mark(
    "The report used VGG19, and the claim is VGG19's; this is its experiment with VGG16, and with torchvision's "
    "weights, whose pixels are scaled by a mean and a deviation where Keras's are only shifted."
)


# The same head on the same images, features of VGG16: the report's protocol and ropero's differ in the scaling alone.
_SCALED_TWICE = Reason(
    mark(
        "The pixels were divided by 255 a second time before the network's own means were taken off, so that it saw "
        "almost the same dark picture everywhere. With VGG16 that gives {twice}; divided once, {once}."
    ),
    {
        "twice": "reproduce/lunzhi-2018-vgg16-report:measured/test_accuracy/mean",
        "once": "reproduce/lunzhi-2018-vgg16-ropero:measured/test_accuracy/mean",
    },
)


def _protocol(network: str) -> TrainConfig:
    return plain(
        network,
        epochs=60,
        batch_size=256,
        validation=12_000,
        stratified=False,
        augment_from=11,
        augment_validation=True,
        rotation=8.0,
        width_shift=0.08,
        height_shift=0.08,
        shear=0.3,
        zoom=0.08,
        interpolation="nearest",
        precision="auto",
    )


def _cnn(model: str) -> Experiment:
    (accuracy, loss), (later, later_loss), (low, high) = _CLAIMED[model]
    protocol = _protocol(f"lunzhi-{model}")
    return Experiment(
        report=REPORT,
        model=model,
        protocol=protocol,
        sound=preset(protocol.network),
        claimed={"test_accuracy": later, "test_loss": later_loss},
        before=(protocol.replace(epochs=10), {"test_accuracy": accuracy, "test_loss": loss}),
        time=Time(low=low, high=high, whole=False),
        unsaid=(_SPLIT, _VALIDATION, _STEPS, _INTERPOLATION, ROUNDED),
        why=(reach(REPORT, model),),
    )


def _vgg(depth: int) -> Experiment:
    protocol = plain(f"lunzhi-vgg{depth}", epochs=50, batch_size=256, validation=0.2, stratified=False, images=10_000)
    return Experiment(
        report=REPORT,
        model=f"vgg{depth}",
        protocol=protocol,
        # The same but for the scaling of the pixels, so that a difference is the scaling's.
        sound=protocol.replace(network=f"vgg{depth}-frozen"),
        claimed={"test_accuracy": 0.7664, "test_loss": 0.6238},
        unsaid=(_IMAGES, _WEIGHTS, *([_VGG16] if depth == 16 else [])),
        why=(_SCALED_TWICE,),
    )


EXPERIMENTS = (*(_cnn(model) for model in _CLAIMED), _vgg(19), _vgg(16))
