"""ropero: garment images into trained, measured, explained and served models.

``import ropero`` does nothing but name the public verbs; each is loaded when it is first used, so the import costs
milliseconds and pulls in neither torch nor any heavy extra.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ropero.data.dataset import Dataset as Dataset
    from ropero.data.dataset import Splits as Splits
    from ropero.errors import RoperoError as RoperoError
    from ropero.training.callbacks import Callback as Callback
    from ropero.training.config import TrainConfig as TrainConfig
    from ropero.workbench.completing import complete as complete
    from ropero.workbench.completing import complete_table as complete_table
    from ropero.workbench.generator import Generator as Generator
    from ropero.workbench.generator import open_generator as open_generator
    from ropero.workbench.generator import train_generator as train_generator
    from ropero.workbench.notebook import compare as compare
    from ropero.workbench.notebook import explore as explore
    from ropero.workbench.notebook import import_model as import_model
    from ropero.workbench.notebook import list_runs as list_runs
    from ropero.workbench.notebook import load as load
    from ropero.workbench.notebook import lr_find as lr_find
    from ropero.workbench.notebook import open_run as open_run
    from ropero.workbench.notebook import split as split
    from ropero.workbench.notebook import suspects as suspects
    from ropero.workbench.notebook import train as train
    from ropero.workbench.notebook import tune as tune
    from ropero.workbench.notebook import verify as verify
    from ropero.workbench.trained import Trained as Trained

_HOMES = {
    "Callback": "ropero.training.callbacks",
    "Dataset": "ropero.data.dataset",
    "Generator": "ropero.workbench.generator",
    "RoperoError": "ropero.errors",
    "Splits": "ropero.data.dataset",
    "TrainConfig": "ropero.training.config",
    "Trained": "ropero.workbench.trained",
    "compare": "ropero.workbench.notebook",
    "complete": "ropero.workbench.completing",
    "complete_table": "ropero.workbench.completing",
    "explore": "ropero.workbench.notebook",
    "import_model": "ropero.workbench.notebook",
    "list_runs": "ropero.workbench.notebook",
    "load": "ropero.workbench.notebook",
    "lr_find": "ropero.workbench.notebook",
    "open_generator": "ropero.workbench.generator",
    "open_run": "ropero.workbench.notebook",
    "split": "ropero.workbench.notebook",
    "suspects": "ropero.workbench.notebook",
    "train": "ropero.workbench.notebook",
    "train_generator": "ropero.workbench.generator",
    "tune": "ropero.workbench.notebook",
    "verify": "ropero.workbench.notebook",
}

__all__ = [
    "Callback",
    "Dataset",
    "Generator",
    "RoperoError",
    "Splits",
    "TrainConfig",
    "Trained",
    "__version__",
    "compare",
    "complete",
    "complete_table",
    "explore",
    "import_model",
    "list_runs",
    "load",
    "lr_find",
    "open_generator",
    "open_run",
    "split",
    "suspects",
    "train",
    "train_generator",
    "tune",
    "verify",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'ropero' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
