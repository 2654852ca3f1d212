"""What people who know Keras or PyTorch write for a layer or an option that is called otherwise here.

Only for the sentence that mends it: nothing is understood under a second name.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection

from ropero.errors import did_you_mean
from ropero.models.layers import ACTIVATIONS, SOFTMAX
from ropero.texts import t

_LAYERS = {
    "Activation": ("act", "nonlinearity"),
    "AveragePooling2D": ("avgpool", "avgpool2d", "averagepool", "averagepool2d", "avgpooling2d"),
    "BatchNormalization": ("batchnorm", "batchnorm1d", "batchnorm2d", "batchnormalisation", "bn"),
    "Bidirectional": ("bilstm", "bigru", "birnn"),
    "AveragePooling1D": ("avgpool1d", "averagepool1d", "avgpooling1d"),
    "Conv1D": ("convolution1d",),
    "Conv1DTranspose": ("convtranspose1d",),
    "Conv2D": ("conv", "convolution", "convolution2d"),
    "Conv2DTranspose": ("convtranspose2d", "deconv2d", "deconvolution2d"),
    "Dense": ("linear", "fc", "fullyconnected", "lazylinear"),
    "DepthwiseConv2D": ("depthwiseconvolution2d", "depthwiseconv"),
    "GlobalAveragePooling2D": ("globalavgpool2d", "globalaveragepool2d", "adaptiveavgpool2d", "gap"),
    "GlobalMaxPooling2D": ("globalmaxpool2d", "adaptivemaxpool2d"),
    "LayerNormalization": ("layernorm", "layernormalisation"),
    "MaxPooling1D": ("maxpool1d",),
    "MaxPooling2D": ("maxpool", "maxpool2d", "maxpooling", "pooling", "pool"),
    "GroupNormalization": ("groupnorm", "instancenorm", "instancenormalization"),
    "RMSNormalization": ("rmsnorm",),
    "Rescaling": ("rescale",),
    "SeparableConv2D": ("separableconvolution2d", "separableconv"),
    "SimpleRNN": ("rnn", "rnncell"),
    "SpatialDropout1D": ("dropout1d",),
    "SpatialDropout2D": ("dropout2d",),
    "UpSampling2D": ("upsample", "upsampling"),
    "ZeroPadding1D": ("zeropad1d",),
    "ZeroPadding2D": ("zeropad2d", "padding"),
}
_KINDS = {other: kind for kind, others in _LAYERS.items() for other in others}
_NO_LAYERS = ("input", "inputlayer")

# Of several, the one that the layer has.
_OPTIONS = {
    "kernel": ("kernel_size", "pool_size"),
    "kernelsize": ("kernel_size", "pool_size"),
    "poolsize": ("pool_size", "kernel_size"),
    "pool": ("pool_size",),
    "size": ("pool_size", "kernel_size", "units"),
    "stride": ("strides",),
    "pad": ("padding",),
    "p": ("rate",),
    "prob": ("rate",),
    "dropout": ("rate",),
    "units": ("filters",),
    "filters": ("units",),
    "neurons": ("units",),
    "nodes": ("units",),
    "outfeatures": ("units",),
    "hiddensize": ("units",),
    "outchannels": ("filters",),
    "channels": ("filters",),
    "bias": ("use_bias",),
    "eps": ("epsilon",),
    "alpha": ("negative_slope",),
    "act": ("activation",),
    "shape": ("target_shape",),
    "initializer": ("kernel_initializer",),
    "returnsequence": ("return_sequences",),
}
_KNOWN_ANYWAY = (
    "name",
    "inputshape",
    "inputdim",
    "inputsize",
    "batchinputshape",
    "inchannels",
    "infeatures",
    "numfeatures",
    "dtype",
    "trainable",
    "dataformat",
)


def layer_guess(kind: str, known: Collection[str]) -> str:
    """' Did you mean ...?' for a layer's kind, '' when nothing is near."""
    plain = _plain(kind)
    if plain in _NO_LAYERS:
        return " " + t("Leave it out: images come in by themselves.")
    if plain in (*ACTIVATIONS, SOFTMAX):
        return " " + t("Did you mean {guess}?", guess=f'type = "Activation", activation = "{plain}"')
    exact = {_plain(one): one for one in known}
    guess = exact.get(plain) or _KINDS.get(plain)
    return " " + t("Did you mean {guess!r}?", guess=guess) if guess else did_you_mean(kind, known)


def option_guess(name: str, options: Collection[str]) -> str:
    """' Did you mean ...?' for an option of a layer that has these, '' when nothing is near."""
    plain = _plain(name)
    if plain in _KNOWN_ANYWAY:
        return " " + t("Leave it out: it is known from the layers before.")
    if "layer" in options and plain in ("units", "activation", "returnsequences"):
        example = 'layer = { type = "LSTM", units = 64 }'
        return " " + t("It belongs to the layer inside, as in {example}.", example=example)
    guess = next((one for one in _OPTIONS.get(plain, ()) if one in options), None)
    if guess is None:
        near = difflib.get_close_matches(name.lower(), list(options), n=1, cutoff=0.6)
        guess = near[0] if near else None
    return " " + t("Did you mean {guess!r}?", guess=guess) if guess else ""


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")
