"""Which fixtures Keras 2.0 to 2.3 write, the Keras that was apart from TensorFlow.

Has to run on Python 3.7.
"""

from __future__ import annotations

from keras_zoo import graphs, plain, sequences
from keras_zoo.fixture import ANY_SIZE, BARE, CENTRED, CNN, DENSE, LAMBDA, RAW, STANDARD, WEIGHTS_ONLY, Fixture

KERAS_2_0 = (
    DENSE(BARE),
    Fixture(
        "lstm", sequences.lstm, BARE + "; LSTM with hard_sigmoid gates, Keras 2's slope of 0.2, which was the default"
    ),
    Fixture(
        "gru",
        lambda k: sequences.gru(k, {}, {"go_backwards": True}),
        BARE + "; GRU before there was reset_after",
        pixels=RAW,
        damped=True,
    ),
    Fixture("residual", graphs.residual, "functional: Add, Multiply, Concatenate, Average", fitted=True),
)
# Where windows hang over an edge Theano and TensorFlow differ by a pixel; these fixtures have no such windows.
KERAS_2_0_THEANO = (
    Fixture(
        "channels-first",
        lambda k: plain.channels_first(k, (3, 3), "valid"),
        "Theano turns kernels by 180 degrees; channels_first throughout, Flatten reads in that order",
        global_format="channels_first",
    ),
)
KERAS_2_1 = (
    CNN(BARE + "; optimizer state"),
    Fixture("flat", plain.flat, BARE + "; 784 in; layers of activations, ThresholdedReLU; initializers, constraints"),
    Fixture("bidirectional", sequences.bidirectional, BARE + "; Bidirectional, merged by concat and sum"),
    Fixture("nested", graphs.nested_sequential, "bare lists nested twice"),
    Fixture("rnn", sequences.simple_rnn, BARE + "; SimpleRNN, TimeDistributed(Dense), go_backwards", pixels=CENTRED),
    Fixture("float64", plain.dense, "weights in float64", floatx="float64"),
    WEIGHTS_ONLY,
    LAMBDA(),
)
KERAS_2_1_THEANO = (
    Fixture(
        "cnn",
        lambda k: plain.cnn(k, 3, "valid"),
        BARE + "; Theano turns kernels by 180 degrees; weights without ':0'",
        fitted=True,
    ),
)
KERAS_2_2 = (
    CNN("Sequential's config is a dict; optimizer state", pixels=STANDARD),
    Fixture("frozen", graphs.frozen_nested, "frozen BatchNormalization nested: the order of weights differs"),
    Fixture("spatial", plain.spatial, "padding, cropping, pooling with 'same', Permute, Reshape, noise"),
    Fixture("convolutions", plain.convolutions, "depthwise, separable, transposed"),
    Fixture(
        "gru", lambda k: sequences.gru(k, {"reset_after": True}, {"reset_after": False}), "reset_after True, then False"
    ),
    Fixture("shared", graphs.shared, "a layer and a nested model are each used twice"),
    Fixture(
        "activations",
        lambda k: plain.activations(
            k, ("elu", "selu", "softplus", "softsign", "tanh", "sigmoid", "hard_sigmoid", "exponential", "linear")
        ),
        "an activation for each layer; hard_sigmoid is Keras 2's",
    ),
)
KERAS_2_2_THEANO = (
    Fixture(
        "names",
        lambda k: plain.named(k, "conv of the Größe 1", "衣服/verdict"),
        "names of layers with spaces, slashes, no ASCII; Theano",
    ),
    Fixture(
        "flatten-first",
        lambda k: plain.channels_first(k, (3, 3), "valid", data_format="channels_first"),
        "channels_first, and Flatten(data_format='channels_first'), which reads as if channels were last; Theano",
    ),
    Fixture(
        "convolutions",
        lambda k: plain.convolutions(k, (3, 3), "valid"),
        "depthwise, separable, transposed, as Theano keeps them",
    ),
)
KERAS_2_3 = (
    CNN("optimizer state"),
    Fixture(
        "input",
        plain.explicit_input,
        "an explicit InputLayer, which Keras 2.3 leaves out of Sequential's config: its own reader refuses the file",
        refused="the config does not say the shape of an image",
        either=True,
    ),
    Fixture(
        "bidirectional",
        lambda k: sequences.bidirectional(k, "ave", "mul"),
        "merged by ave and mul; GRU with reset_after False",
    ),
    Fixture("lstm", sequences.lstm, "LSTM with sigmoid gates", fitted=True),
    Fixture("flat", plain.flat, "784 in; layers of activations, ThresholdedReLU", pixels=STANDARD),
    LAMBDA(),
)
KERAS_2_3_THEANO = (Fixture("any-size", plain.cnn_any_size, ANY_SIZE + "; Theano"),)
