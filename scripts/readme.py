"""Writes the parts of the READMEs and of docs that come from programs: the results table, the tree, sizes, rates.

`python scripts/readme.py` rewrites them, `--check` fails when they are not what the results and the disk say.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ropero.texts.numbers import Numbers

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "ropero"
READMES = {"en": "README.md", "es": "README.es.md", "zh": "README.zh.md"}
PEERS, EXPORT = "docs/peers.md", "docs/export.md"

ROOMS = {
    "texts": "what a user reads, in three languages",
    "data": "files -> Dataset -> batches",
    "metrics": "pure functions on arrays",
    "models": "the networks, saving, inference",
    "training": "config, loop, checkpoints",
    "evaluation": "predictions, their numbers, the test ledger",
    "export": "networks as files of other programs, read and written",
    "generation": "generators: networks, steps, training",
    "experiments": "the five reports: networks, protocols, claims",
    "reports": "figures and pages",
    "workbench": "the verbs, a file each",
    "cli": "the command line, a file a verb",
}
FLOORS = list(ROOMS)

WORDS = {
    "en": {
        "head": "| network | parameters | test accuracy | training | |",
        "row": "| `{name}` | {parameters} | **{mean}** ± {sd} ({n} seeds) | {seconds} s | {machine} |",
        "note": "Mean ± standard deviation over seeds; the official 10,000 test images, trained on all 60,000, last "
        "weights, no test-time tricks. One run's 95 % interval is {low} to {high}. Written by `benchmarks/quick.py` at "
        "commit `{commit}`.",
        "cores": "{cores} cores of {cpu}",
    },
    "es": {
        "head": "| red | parámetros | exactitud de test | entrenamiento | |",
        "row": "| `{name}` | {parameters} | **{mean}** ± {sd} ({n} semillas) | {seconds} s | {machine} |",
        "note": "Media ± desviación estándar entre semillas; las 10 000 imágenes oficiales de test, entrenada con las "
        "60 000, pesos de la última época, sin trucos al evaluar. El intervalo del 95 % de una ejecución va de {low} a "
        "{high}. Escrito por `benchmarks/quick.py` en el commit `{commit}`.",
        "cores": "{cores} núcleos de {cpu}",
    },
    "zh": {
        "head": "| 网络 | 参数量 | 测试准确率 | 训练时间 | |",
        "row": "| `{name}` | {parameters} | **{mean}** ± {sd}（{n} 个种子） | {seconds} 秒 | {machine} |",
        "note": "多个种子的均值 ± 标准差；官方 10,000 张测试图像，用全部 60,000 张训练，取最后一轮权重，"
        "测试时不用任何技巧。单次运行的 95% 置信区间为 {low} 至 {high}。"
        "由 `benchmarks/quick.py` 在提交 `{commit}` 写出。",
        "cores": "{cpu} 的 {cores} 个核心",
    },
}


def results(language: str) -> str:
    """The table of the default network's benchmark."""
    path = ROOT / "benchmarks" / "results" / "quick.json"
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    words, machine, n = WORDS[language], found["environment"], Numbers(language)
    low, high = found["interval_95_of_one_run"]
    row = words["row"].format(
        name=found["network"],
        parameters=n.whole(found["parameters"]),
        mean=n.percent(found["mean_test_accuracy"], 2),
        sd=n.percent(found["sd_test_accuracy"], 2),
        n=found["n"],
        seconds=round(found["median_train_seconds"]),
        machine=words["cores"].format(cores=machine["cores"], cpu=machine["cpu"]),
    )
    note = words["note"].format(low=n.percent(low, 2), high=n.percent(high, 2), commit=machine["commit"])
    return "\n".join([words["head"], "|---|---|---|---|---|", row, "", note])


def sizes() -> str:
    """How large a report of 10,000 images is, and another library's."""
    found: dict[str, Any] = json.loads((ROOT / "benchmarks" / "results" / "report_size.json").read_text("utf-8"))
    ours, theirs, n = found["ropero"], found["evidently"], Numbers("en")
    return (
        f"A report of {n.whole(ours['images'])} images, every one of them in it, takes "
        f"{n.decimal(ours['bytes'] / 1e6, 1)} MB here; Evidently's of as many predictions, without images, "
        f"{n.decimal(theirs['bytes'] / 1e6, 1)} MB. "
        "Written by `benchmarks/report_size.py`."
    )


ENGINES = {
    "torch": "ropero, PyTorch",
    "torch-bf16": "in bf16",
    "onnxruntime": "ropero, onnxruntime",
    "int8": "onnxruntime on the 8-bit export",
}


def rates() -> str:
    """How fast each network answers through each program."""
    found: dict[str, Any] = json.loads((ROOT / "benchmarks" / "results" / "inference.json").read_text("utf-8"))
    machine, settings, n = found["environment"], found["settings"], Numbers("en")
    lines = [
        "| network | keras.predict | " + " | ".join(ENGINES.values()) + " | one picture: keras.predict | PyTorch | "
        "onnxruntime |",
        "|---" * (len(ENGINES) + 5) + "|",
    ]
    for name, one_network in found["networks"].items():
        peers = one_network["peers"]
        row = [f"`{name}`", f"{n.whole(round(peers['keras']['images_per_second']))}/s"]
        row += [f"{n.decimal(peers[one]['times_keras_in_bulk'], 1)}x" if one in peers else "" for one in ENGINES]
        row += [f"{n.decimal(peers[one]['single_ms'], 2)} ms" for one in ("keras", "torch", "onnxruntime")]
        lines.append("| " + " | ".join(row) + " |")
    note = (
        f"Medians of {settings['rounds']} rounds of {n.whole(settings['images'])} images, each program in turn; "
        f"{machine['cores']} cores of {machine['cpu']}; keras.predict on TensorFlow with batches of "
        f"{settings['batch_size']['keras']}. In bulk, and one picture at a time. Written by "
        f"`benchmarks/inference.py`; the JSON names the commit of each row."
    )
    return "\n".join([*lines, "", note])


def tree() -> str:
    """Every folder of the package with its files, from the ground floor up."""
    lines = ["ropero/"]
    single = sorted(path.name for path in PACKAGE.glob("*.py") if not path.name.startswith("__"))
    lines.append(f"  {' '.join(single)}")
    for room in sorted((path for path in PACKAGE.iterdir() if path.name in ROOMS), key=lambda p: FLOORS.index(p.name)):
        files = " ".join(sorted(path.name for path in room.glob("*.py") if not path.name.startswith("__")))
        lines.append(f"  {room.name + '/':<12} # {ROOMS[room.name]}")
        lines.append(f"    {files}")
    lines.append("tests/         # mirrors ropero/")
    lines.append("benchmarks/    # scripts that write benchmarks/results/*.json")
    lines.append("docs/          # lab notes, pictures")
    return "\n".join(lines)


def written(text: str, language: str) -> str:
    """A page with its made parts as they should be."""
    makers: dict[str, Callable[[], str]] = {"results": lambda: results(language), "sizes": sizes, "rates": rates}
    for name, made in makers.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        if begin in text:
            before, _, rest = text.partition(begin)
            text = f"{before}{begin}\n{made()}\n{end}{rest.partition(end)[2]}"
    return re.sub(r"```tree\n.*?```", lambda _: f"```tree\n{tree()}\n```", text, flags=re.DOTALL)


def main() -> int:
    stale = []
    for language, name in [*READMES.items(), ("en", PEERS), ("en", EXPORT)]:
        path = ROOT / name
        before = path.read_text("utf-8")
        after = written(before, language)
        if before != after:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(after, "utf-8")
    print(
        "readme: " + (", ".join(stale) + (" stale" if "--check" in sys.argv else " rewritten") if stale else "current")
    )
    return bool(stale and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
