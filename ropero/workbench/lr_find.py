"""The verb `lr-find`: which learning rate a training would want, as a test, a plot and the command to use it.

Keeps nothing but the plot.
"""

from __future__ import annotations

from pathlib import Path

from ropero.data.dataset import Splits
from ropero.data.raw import Progress
from ropero.models.codes import Encoding
from ropero.texts import t
from ropero.training.config import TrainConfig
from ropero.training.lr_find import RateTest, range_test
from ropero.workbench.train import cut, resolved


def lr_find(splits: Splits, config: TrainConfig, *, progress: Progress | None = None) -> RateTest:
    """Test learning rates on the images that a training with this config would learn from.

    Raises UsageError when the config cannot train on these data.
    """
    config = resolved(config)

    def tell(done: int, total: int) -> None:
        if progress:
            progress(t("Testing learning rates"), done * config.batch_size, total * config.batch_size, "images")

    def tell_of_codes(encoding: Encoding) -> None:
        if progress:
            progress(t("Features"), encoding.done, encoding.total, "images")

    return range_test(config, cut(config, splits).train, told=tell, told_encoding=tell_of_codes)


def save(found: RateTest, path: Path) -> Path:
    """Draw the test as .png, .svg or .pdf. Raises MissingExtra without Matplotlib, UsageError for another ending."""
    from ropero.reports import figures, output

    suggestion = found.suggestion
    marks = {} if suggestion is None else {t("Steepest"): suggestion.steepest, t("Lowest / 10"): suggestion.tenth}
    rates, losses = found.smoothed()
    return output.save(figures.rate_test(found.rates, found.losses, rates, losses, marks), path)
