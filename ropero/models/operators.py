"""The table of ONNX's operators that ropero computes, and the sentence for each that it does not."""

from __future__ import annotations

from ropero.errors import UsageError, did_you_mean
from ropero.models import (
    operators_arithmetic,
    operators_layers,
    operators_quantised,
    operators_recurrent,
    operators_resize,
    operators_shape,
    operators_windows,
)
from ropero.models.entries import cut
from ropero.models.nodes import Node, Operator
from ropero.texts import t

OPERATORS: dict[str, Operator] = {
    **operators_arithmetic.OPERATORS,
    **operators_layers.OPERATORS,
    **operators_quantised.OPERATORS,
    **operators_recurrent.OPERATORS,
    **operators_resize.OPERATORS,
    **operators_shape.OPERATORS,
    **operators_windows.OPERATORS,
}
CONSTANT = "Constant"  # a small tensor in the graph itself; it has no computation
_CONTROL = ("If", "Loop", "Scan", "SequenceMap")


def operator(node: Node) -> Operator:
    """What is known of a node's operator. Raises UsageError for one that is not computed here."""
    if node.op in OPERATORS:
        return OPERATORS[node.op]
    if node.op in _CONTROL:
        raise UsageError(
            t("runs a part of the graph on a condition or again and again, which ropero does not follow; export the "
              "network in evaluation mode and with fixed sizes, so that the loop is written out.")
        )  # fmt: skip
    if node.op in ("ArgMax", "ArgMin", "TopK"):
        raise UsageError(
            t("gives the number of a class, and no value for each class; export the network without it, so that it "
              "ends with probabilities or logits.")
        )  # fmt: skip
    raise UsageError(
        t("is none of the {n} operators that ropero computes.", n=len(OPERATORS))
        + did_you_mean(cut(node.op), OPERATORS)
        + " "
        + t("Export the network with another opset (18, for example), or from another program; if it is a network for "
            "images, tell ropero's authors.")
    )  # fmt: skip
