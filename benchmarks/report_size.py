"""How many bytes a report of 10,000 test images takes: ropero's page, with every image in it, and Evidently's, without.

    python benchmarks/report_size.py RUN [--peer PYTHON]

RUN is an evaluated run's folder; PYTHON another environment's interpreter with evidently and pandas, which need not be
ropero's. Evidently is given made-up predictions of 10,000 images and ten classes; its page holds no images. Writes
benchmarks/results/report_size.json.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ropero import runtime
from ropero.runs import RunStore
from ropero.storage import read_json, write_json
from ropero.workbench import report

RESULT = Path(__file__).parent / "results" / "report_size.json"
PEER = """
import importlib.metadata, json, os, sys
import numpy as np, pandas as pd
from evidently import DataDefinition, Dataset, MulticlassClassification, Report
from evidently.presets import ClassificationPreset
labels = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
rng = np.random.default_rng(0)
true = rng.integers(0, 10, 10_000)
odds = np.exp(rng.normal(size=(10_000, 10)) + 3.5 * np.eye(10)[true])
frame = pd.DataFrame(odds / odds.sum(axis=1, keepdims=True), columns=labels)
frame.insert(0, "prediction", [labels[k] for k in odds.argmax(axis=1)])
frame.insert(0, "target", [labels[k] for k in true])
kind = MulticlassClassification(target="target", prediction_labels="prediction", prediction_probas=labels)
columns = DataDefinition(classification=[kind], numerical_columns=labels, categorical_columns=["target", "prediction"])
made = Report([ClassificationPreset()]).run(Dataset.from_pandas(frame, data_definition=columns), None)
made.save_html(sys.argv[1])
print(json.dumps({"evidently": importlib.metadata.version("evidently"), "bytes": os.path.getsize(sys.argv[1])}))
"""


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("run")
    asked.add_argument("--peer", default="")
    options = asked.parse_args()
    run = RunStore(None).find(options.run)
    evaluation = run.evaluation("test")
    if evaluation is None:
        sys.exit("evaluate the run first")
    content: dict[str, Any] = read_json(RESULT) if RESULT.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        page = report.report(run, out=Path(folder) / "report.html")
        content["ropero"] = {
            "bytes": page.stat().st_size,
            "images": len(evaluation),
            "images_in_the_page": True,
            "network": run.config.network,
            "environment": runtime.environment(),
        }
        if options.peer:
            command = [options.peer, "-W", "ignore", "-c", PEER, str(Path(folder) / "peer.html")]
            told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            file = Path(folder) / "told.json"
            file.write_text(told.strip().splitlines()[-1], "utf-8")
            content["evidently"] = {**read_json(file), "images": 10_000, "images_in_the_page": False}
    write_json(RESULT, content)
    print(content)


if __name__ == "__main__":
    main()
