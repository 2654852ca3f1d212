"""Which fixtures TensorFlow's own Keras writes, 1.13 to 2.15, and tf_keras after it.

Has to run on Python 3.7.
"""

from __future__ import annotations

from keras_zoo import graphs, plain, refused, scaled, sequences
from keras_zoo.fixture import (
    ANY_SIZE,
    BOTH,
    CHECKPOINT,
    CNN,
    DENSE,
    DISGUISED,
    H5,
    LAMBDA,
    LEGACY,
    LITE,
    NO_CONFIG,
    RAW,
    SAVED_MODEL,
    UNBUILT,
    WEIGHTS,
    WEIGHTS_ONLY,
    ZIP,
    Fixture,
    named_loss,
    named_metric,
)

TF_1_13 = (
    DENSE("2.2.4-tf: batch_input_shape in the first layer", fitted=True),
    CNN("2.2.4-tf: BatchNormalizationV1, axis a list"),
    Fixture("lstm", sequences.lstm, "2.2.4-tf: hard_sigmoid gates"),
    Fixture("gru", lambda k: sequences.gru(k, {}), "2.2.4-tf: GRU, reset_after False"),
    Fixture("residual", graphs.residual, "2.2.4-tf: functional"),
    WEIGHTS_ONLY,
)
TF_2_0 = (
    CNN("2.2.4-tf: batch_input_shape in the first layer; optimizer state"),
    Fixture("gru", lambda k: sequences.gru(k, {}), "GRU with TensorFlow 2's reset_after True"),
    Fixture("fixed-batch", sequences.lstm_fixed_batch, "batch_input_shape of 16 images; LayerNormalization"),
    Fixture("names", lambda k: plain.named(k, "block1/conv/1", "head/verdict"), "names of layers with slashes"),
    Fixture("shared", graphs.shared, "a layer and a nested model are each used twice"),
    Fixture("logits", plain.logits, "ends in Dense(10), no softmax", pixels=RAW, damped=True, fitted=True),
    UNBUILT(),
)
TF_2_2 = (
    Fixture("sigmoid", plain.sigmoid_end, "ends in ten sigmoids; explicit InputLayer"),
    Fixture("convolutions", plain.convolutions, "depthwise, separable, transposed"),
)
TF_2_4 = (
    Fixture("probabilities", plain.probability_model, "the tutorial's model of logits inside one with a Softmax layer"),
    Fixture("mixed", graphs.mixed, "policy mixed_float16, compiled: a LossScaleOptimizer", fitted=True),
    Fixture("rescaled", scaled.rescaled, "experimental.preprocessing.Rescaling; ends in logits", pixels=RAW),
    Fixture("any-size", plain.cnn_any_size, ANY_SIZE),
    Fixture("softmax-twice", plain.softmax_twice, "a softmax of a softmax"),
    UNBUILT(),
    Fixture("relu", plain.relu_layers, "ReLU and Softmax as layers, with options"),
    Fixture("bidirectional", sequences.bidirectional, "Bidirectional, GRU with reset_after True"),
)
KERAS_2_4_3 = (DENSE("keras 2.4.3 is a name for tf.keras; the file says 2.4.0"),)
TF_2_7 = (
    Fixture("augmented", scaled.augmented, "random layers nested in front, inert; Rescaling to -1..1", pixels=RAW),
    Fixture("float16", plain.small, "weights in float16", floatx="float16"),
    Fixture(
        "normalized",
        scaled.normalized,
        "Normalization with adapted weights, axis empty; its own reader forgets to use them, later ones do not",
        pixels=RAW,
    ),
    Fixture(
        "activations",
        lambda k: plain.activations(k, ("swish", "gelu", "hard_sigmoid", "relu6", "leaky_relu", "selu", "exponential")),
        "activations of tf.keras",
    ),
    Fixture(
        "operators",
        graphs.operators,
        "TFOpLambda",
        pixels=RAW,
        refused="an operator of TensorFlow's as a layer",
        either=True,
    ),
)
TF_2_11 = (
    CNN("optimizer state of the new optimizers"),
    Fixture("frozen", graphs.frozen_nested, "frozen BatchNormalization nested: the order of weights differs"),
    Fixture("colours", scaled.colours, "(32, 32, 3) in; grouped convolution; Rescaling", pixels=RAW),
    Fixture(
        "own-loss",
        plain.dense,
        "training_config names a loss and a metric that are nobody's",
        compiled={"loss": named_loss, "metrics": [named_metric]},
    ),
    Fixture("chunks", graphs.nested_functional, "names of weights spread over several attributes", header=120),
)
TF_2_12 = (
    CNN(
        "the earliest .keras: places like _layer_checkpoint_dependencies; HDF5 under the name .keras",
        (*BOTH, DISGUISED),
    ),
    Fixture(
        "gru",
        lambda k: sequences.gru(k, {"reset_after": False}, {}),
        "the earliest .keras: reset_after False, then True",
        BOTH,
    ),
    Fixture("nested", graphs.nested_sequential, "the earliest .keras: nested", (ZIP,)),
    Fixture("frozen", graphs.frozen_nested, "the earliest .keras: frozen and nested", (ZIP,)),
    Fixture(
        "relu",
        plain.relu_layers,
        "the earliest .keras: ReLU's options are arrays in the config, which its own reader refuses",
        (ZIP,),
        refused="ReLU's options are arrays",
        either=True,
    ),
    Fixture("bidirectional", sequences.bidirectional, "the earliest .keras: Bidirectional", (ZIP,)),
    Fixture(
        "normalized", scaled.normalized, "the earliest .keras: Normalization with adapted weights", (ZIP,), pixels=RAW
    ),
    LAMBDA(kinds=(ZIP,)),
)
TF_2_13 = (
    CNN(".keras", (ZIP,)),
    Fixture("shared", graphs.shared, ".keras: a layer and a nested model are each used twice", (ZIP,)),
    Fixture("bidirectional", sequences.bidirectional, ".keras: Bidirectional", (ZIP,)),
)
TF_2_15 = (
    UNBUILT(kinds=BOTH),
    Fixture("bilinear", lambda k: plain.spatial(k, interpolation="bilinear"), "UpSampling2D, bilinear", (ZIP,)),
    Fixture(
        "transposed",
        plain.padded_transpose,
        "Conv2DTranspose with output_padding",
        (H5,),
        refused="output_padding",
        either=True,
    ),
    Fixture("relu", plain.relu_layers, "ReLU and Softmax as layers, with options", BOTH),
    Fixture(
        "odd-lstm",
        lambda k: sequences.lstm(k, activation="relu", recurrent_activation="hard_sigmoid", use_bias=False),
        "LSTM with unusual activations, no bias",
        (H5,),
        refused="activations that are not an LSTM's own",
        either=True,
    ),
    CNN("optimizer state", BOTH),
    Fixture("residual", graphs.residual, "functional", BOTH),
    Fixture("time-distributed", sequences.time_distributed, "TimeDistributed, LayerNormalization", BOTH),
    Fixture("frozen", graphs.frozen_nested, "frozen BatchNormalization nested", BOTH),
    Fixture("mixed", graphs.mixed, "policy mixed_float16", BOTH),
    Fixture("spatial", plain.spatial, "padding, cropping, pooling with 'same', Permute, Reshape, noise", BOTH),
    Fixture("flat", plain.flat, "784 in; layers of activations, ThresholdedReLU", (ZIP,)),
    Fixture("given", scaled.normalized_given, "Normalization with mean and variance in its config", BOTH, pixels=RAW),
    Fixture("dense", plain.dense, "save_weights", (LEGACY, WEIGHTS), refused=NO_CONFIG),
    LAMBDA(kinds=BOTH),
    Fixture("own-layer", refused.with_own_layer, "", BOTH, refused="a layer of its owner's own class, Doubled"),
    Fixture(
        "own-activation",
        refused.with_registered_activation,
        "",
        BOTH,
        refused="an activation of its owner's own, course>squared",
    ),
    Fixture("two-outputs", refused.two_outputs, "", BOTH, refused="it gives two outputs"),
    Fixture("two-inputs", refused.two_inputs, "", BOTH, refused="it takes two inputs"),
    Fixture("autoencoder", refused.autoencoder, "", BOTH, refused="its output is an image"),
    Fixture("regression", refused.regression, "", (H5,), refused="a single number out, no classes"),
    Fixture("text", refused.text, "", (H5,), refused="takes words, not images: Embedding"),
    Fixture("words", refused.text_of_words, "", (ZIP,), refused="takes strings: TextVectorization"),
    Fixture(
        "logits",
        plain.logits,
        "a SavedModel's folder, zipped",
        (SAVED_MODEL,),
        refused="a SavedModel, not a Keras file",
    ),
    Fixture("logits", plain.logits, "", (LITE,), refused="a TensorFlow Lite file"),
    Fixture(
        "logits", plain.logits, "the index of a TensorFlow checkpoint", (CHECKPOINT,), refused="a TensorFlow checkpoint"
    ),
)
TF_KERAS_2_16 = (
    CNN("optimizer state", BOTH),
    Fixture("lstm", sequences.lstm, "", BOTH),
)
TF_KERAS_2_21 = (
    CNN("", (ZIP,)),
    Fixture("nested", graphs.nested_sequential, "", BOTH),
)
