"""Which fixtures Keras 3 writes.

Has to run on Python 3.7.
"""

from __future__ import annotations

from keras_zoo import graphs, plain, refused, scaled, sequences
from keras_zoo.fixture import ALL, ANY_SIZE, BOTH, CENTRED, CNN, INT8, LAMBDA, RAW, UNBUILT, ZIP, Fixture

# Keras 3.0 fails to write Bidirectional and nested models as .h5.
KERAS_3_0 = (
    CNN("optimizer state; written on TensorFlow", ALL),
    Fixture("gru", lambda k: sequences.gru(k, {"reset_after": False}, {}), "reset_after False, then True", BOTH),
    Fixture("bidirectional", sequences.bidirectional, "its own reader refuses it", (ZIP,)),
    Fixture("frozen", graphs.frozen_nested, "frozen BatchNormalization nested", (ZIP,)),
    Fixture("shared", graphs.shared, "a layer and a nested model are each used twice", (ZIP,)),
    Fixture("residual", graphs.residual, "functional", BOTH),
)
# Keras 3.4 on torch computes Conv2DTranspose with padding 'same' otherwise than every other Keras.
KERAS_3_4 = (
    CNN("written on torch", ALL),
    Fixture("gru", lambda k: sequences.gru(k, {"reset_after": False}, {}), "reset_after False, then True", BOTH),
    Fixture(
        "nested", graphs.nested_functional, "a functional model inside a Sequential: Keras itself refuses it", BOTH
    ),
)
KERAS_3_10 = (
    Fixture("convolutions", plain.convolutions, "depthwise, separable, transposed", BOTH),
    CNN("written on JAX", ALL),
    Fixture("residual", graphs.residual, "functional", BOTH),
    Fixture("normalized", lambda k: scaled.normalized(k, -1), "Normalization with adapted weights", BOTH, pixels=RAW),
    Fixture("lstm", sequences.lstm, "", BOTH),
)
KERAS_3_15_TORCH = (
    UNBUILT(kinds=BOTH),
    Fixture("relu", plain.relu_layers, "ReLU and Softmax as layers, with options", BOTH),
    Fixture(
        "transposed",
        plain.padded_transpose,
        "Conv2DTranspose with output_padding",
        (ZIP,),
        refused="output_padding",
        either=True,
    ),
    Fixture("normalized", scaled.normalized, "Normalization with adapted weights, axis None", (ZIP,), pixels=RAW),
    CNN("written on torch; optimizer state", ALL),
    Fixture("flat", plain.flat, "784 in; layers of activations; initializers, constraints", (ZIP,)),
    Fixture("any-size", plain.cnn_any_size, ANY_SIZE, BOTH),
    Fixture("rnn", sequences.simple_rnn, "SimpleRNN, TimeDistributed(Dense), go_backwards", BOTH, pixels=CENTRED),
    Fixture("bidirectional", sequences.bidirectional, "merged by concat and sum; LSTM and GRU", BOTH),
    Fixture(
        "names", lambda k: plain.named(k, "conv of the Größe 1", "衣服 verdict"), "names with spaces, no ASCII", BOTH
    ),
    Fixture("mixed", graphs.mixed, "policy mixed_float16", BOTH),
    Fixture("float16", plain.small, "weights in float16", BOTH, floatx="float16"),
    Fixture("float64", plain.small, "weights in float64", BOTH, floatx="float64"),
    Fixture(
        "augmented", scaled.augmented, "random layers nested in front, inert; Rescaling to -1..1", BOTH, pixels=RAW
    ),
    Fixture("spatial", plain.spatial, "padding, cropping, pooling with 'same', Permute, Reshape, noise", BOTH),
    Fixture("channels-first", plain.channels_first, "channels_first", BOTH),
    Fixture(
        "activations",
        lambda k: plain.activations(
            k, ("silu", "gelu", "mish", "leaky_relu", "relu6", "hard_sigmoid", "hard_silu", "selu", "exponential")
        ),
        "hard_sigmoid is Keras 3's: a slope of 1/6",
        BOTH,
    ),
    Fixture("colours", scaled.colours, "(32, 32, 3) in; grouped convolution; Rescaling", BOTH, pixels=RAW),
    Fixture("shared", graphs.shared, "a layer and a nested model are each used twice", BOTH),
    Fixture("frozen", graphs.frozen_nested, "frozen BatchNormalization nested", BOTH),
    Fixture("nested", graphs.nested_functional, "a functional model inside a Sequential", BOTH),
    Fixture("time-distributed", sequences.time_distributed, "TimeDistributed, LayerNormalization", BOTH),
    Fixture(
        "operators",
        graphs.operators,
        "Keras's operations",
        BOTH,
        pixels=RAW,
        refused="an operator as a layer",
        either=True,
    ),
    Fixture("quantised", plain.dense, "model.quantize('int8')", (INT8,), refused="weights quantised to int8"),
    LAMBDA(kinds=BOTH),
    Fixture("own-layer", refused.with_own_layer, "", (ZIP,), refused="a layer of its owner's own class, Doubled"),
    Fixture("two-inputs", refused.two_inputs, "", (ZIP,), refused="it takes two inputs"),
    Fixture("two-outputs", refused.two_outputs, "", (ZIP,), refused="it gives two outputs"),
    Fixture("attention", refused.attention, "", (ZIP,), refused="a layer that ropero has not: MultiHeadAttention"),
)
KERAS_3_15_TF = (CNN("written on TensorFlow", (ZIP,)),)
