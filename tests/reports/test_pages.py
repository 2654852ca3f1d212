"""A report is one whole, safe, small HTML file with everything that a run has to say."""

from __future__ import annotations

import base64
import gettext
import hashlib
import html
import importlib
import re
import shlex
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import CLASSES, synthetic
from page_reader import EVIL, read

import ropero.reports
from ropero import runtime
from ropero.cli.app import build as build_app
from ropero.cli.options import given
from ropero.data.dataset import Dataset
from ropero.data.note import DataNote
from ropero.errors import MissingExtra
from ropero.evaluation.evaluate import Evaluation
from ropero.models import checkpoint
from ropero.models.summary import Summary, summarise
from ropero.models.zoo import build
from ropero.reports import figures, pages, words
from ropero.runs import Run, RunStore
from ropero.storage import append_json_line, write_json
from ropero.training.config import TrainConfig
from ropero.training.history import EpochRecord, History
from ropero.training.presets import preset


def predictions(data: Dataset, wrong: int = 7) -> Evaluation:
    k = len(data.classes)
    guess = data.labels.copy()
    guess[:wrong] = (guess[:wrong] + 1) % k
    rows = np.full((len(data), k), 0.1 / (k - 1), np.float32)
    rows[np.arange(len(data)), guess] = 0.9
    return Evaluation(data.labels, rows, data.rows, data.classes, data.split)


def epochs(n: int, validated: bool) -> list[EpochRecord]:
    held: dict[str, Any] = {"validation_loss": 0.5, "validation_accuracy": 0.8}
    none: dict[str, Any] = dict.fromkeys(held)
    return [
        EpochRecord(
            epoch=e,
            train_loss=1 / e,
            train_accuracy=1 - 1 / (e + 1),
            learning_rate=0.01,
            epoch_seconds=1.5,
            images_per_second=80.0,
            **(held if validated else none),
        )
        for e in range(1, n + 1)
    ]


Made = tuple[Run, Evaluation, Dataset, Summary]


def make(
    tmp_path: Path, *, classes: tuple[str, ...] = CLASSES, validated: bool = False, opened: int = 1, wrong: int = 7
) -> Made:
    plain = synthetic(60, seed=1, split="test")
    data = Dataset(plain.images, plain.labels, classes, "synthetic", "test")
    config = TrainConfig(network="softmax", epochs=3, seed=5, validation=0.1 if validated else 0)
    note = DataNote("synthetic", "synthetic", classes, data.input_shape, {"train": 120, "test": 60}, {"test": "0" * 64})
    run = RunStore(tmp_path / "runs").create(config, note, runtime.environment())
    for record in epochs(3, validated):
        append_json_line(run.folder / "history.jsonl", record.to_json())
    model = build("softmax", data.input_shape, len(classes))
    card = checkpoint.save(model, "softmax", classes, run.folder)
    held = 12 if validated else 0
    images = {"train": 120 - held, "validation": held, "test": 60} if held else {"train": 120, "test": 60}
    run.note(status="trained", train_seconds=4.5, images=images)
    for _ in range(opened):
        run.ledger.record("evaluate", card.weights_sha256, 60, 53 / 60)
    return run, predictions(data, wrong), data, summarise(model)


def test_a_report_is_whole_offline_and_small(tmp_path: Path) -> None:
    made = make(tmp_path)
    path = pages.write_run_report(*made, "en")
    assert path == made[0].folder / "report.html"
    page = path.read_text("utf-8")
    read(page)
    assert page.startswith('<!doctype html>\n<html lang="en"')
    assert len(page) < 200_000
    assert page.count("<svg") == 7


def test_a_report_says_everything(tmp_path: Path) -> None:
    run, evaluation, data, summary = make(tmp_path)
    text = " ".join(read(pages.run_report(run, evaluation, data, summary, lang="en")).text.split())
    for said in (
        "softmax on synthetic",
        "Test accuracy 88.33%",
        "60 images",
        run.name,
        "2,355",
        "4.5 s",
        "Train 120, Test 60",
        "The test part was opened once.",
        "No validation part was held out",
        "block (stripe)",
        "Macro average",
        "Weighted average",
        "Dense",
        "ropero train --data synthetic --network softmax",
        "--seed 5",
        "row 0",
        "90.0%",
        run.card.weights_sha256[:16],
        "learning_rate",
    ):
        assert said in text, said


def test_validation_and_second_openings_are_said(tmp_path: Path) -> None:
    text = read(pages.run_report(*make(tmp_path, validated=True, opened=2), lang="en")).text
    assert "12 validation images" in text
    assert "opened 2 times" in text
    assert "too good" in text
    assert "No validation part" not in text


def test_names_from_strangers_stay_text(tmp_path: Path) -> None:
    page = pages.run_report(*make(tmp_path, classes=EVIL), lang="en")
    reader = read(page)
    assert reader.scripts == 2  # ours, and the data for it
    assert "alert(1)</script>" not in page
    assert EVIL[0] in reader.text
    assert EVIL[2] in reader.text


def test_the_policy_allows_only_our_own_script(tmp_path: Path) -> None:
    page = pages.run_report(*make(tmp_path), lang="en")
    policy = html.unescape(re.findall(r'Content-Security-Policy" content="([^"]+)"', page)[0])
    script = re.findall(r"<script>(.*?)</script>", page, re.S)[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_no_mistakes_and_missing_pictures(tmp_path: Path) -> None:
    run, evaluation, data, summary = make(tmp_path, wrong=0)
    reader = read(pages.run_report(run, evaluation, data.take([3, 4]), summary, lang="en"))
    assert "There are no mistakes." in reader.text
    assert sum(address.startswith("data:image/png") for address in reader.loads) == 2


def test_pictures_are_found_by_row(tmp_path: Path) -> None:
    run, evaluation, data, summary = make(tmp_path)
    backwards = data.take(np.arange(len(data))[::-1])
    one = pages.run_report(run, evaluation, data, summary, lang="en")
    assert one == pages.run_report(run, evaluation, backwards, summary, lang="en")


def test_ten_thousand_images_take_six_megabytes_at_most(tmp_path: Path) -> None:
    """Images of noise: nothing takes more. A quarter of them is named wrongly."""
    run, _, data, summary = make(tmp_path)
    count = 10_000
    noise = np.random.default_rng(0).integers(0, 256, (count, *data.images.shape[1:]), dtype=np.uint8)
    many = replace(data, images=noise, labels=np.arange(count) % len(CLASSES), rows=np.arange(count))
    page = pages.run_report(run, predictions(many, wrong=count // 4), many, summary, lang="zh")
    assert len(page.encode()) < 6_000_000
    assert page.count("data:image/webp") >= count // 1000


def test_a_class_without_images(tmp_path: Path) -> None:
    run, _, data, summary = make(tmp_path)
    some = data.take(np.flatnonzero(data.labels < 2))
    read(pages.run_report(run, predictions(some), some, summary, lang="en"))


@pytest.mark.parametrize("shape", [(40, 90, 3), (300, 200)])
def test_colour_and_large_pictures(tmp_path: Path, shape: tuple[int, ...]) -> None:
    run, evaluation, data, summary = make(tmp_path)
    large = Dataset(np.zeros((len(data), *shape), np.uint8), data.labels, data.classes, "large", "test")
    page = pages.run_report(run, evaluation, large, summary, lang="en")
    read(page)
    assert len(page) < 200_000


def test_chinese_names_bring_their_font(tmp_path: Path) -> None:
    page = pages.run_report(*make(tmp_path, classes=("连衣裙", "外套", "踝靴")), lang="en")
    read(page)
    assert page.count("@font-face") == 1
    assert len(page) < 200_000
    assert "@font-face" not in pages.run_report(*make(tmp_path), lang="en")


def test_translations_reach_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every text goes through the catalogue: with a catalogue of Chinese signs no English sentence is left."""

    class Marked:
        def gettext(self, message: str) -> str:
            return "译" + message

        def ngettext(self, one: str, many: str, n: int) -> str:
            return "译" + (one if n == 1 else many)

    monkeypatch.setattr("ropero.texts.catalogue._translations", lambda _: Marked())
    page = pages.run_report(*make(tmp_path), lang="zh")
    reader = read(page)
    assert '<html lang="zh-Hans"' in page
    assert "@font-face" in page
    for line in ("译Test accuracy", "译The test part was opened once.", "译stripe", "译Loss", "译Precision"):
        assert line in reader.text, line


def test_spanish_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    english = gettext.NullTranslations()
    monkeypatch.setattr("ropero.texts.catalogue._translations", lambda _: english)
    text = read(pages.run_report(*make(tmp_path), lang="es")).text
    assert "88,33\N{NO-BREAK SPACE}%" in text


def test_fragment_is_scoped_and_quiet(tmp_path: Path) -> None:
    _, evaluation, _, _ = make(tmp_path)
    fragment = pages.run_fragment(History(epochs(3, True)), evaluation, EVIL, "quick & co")
    reader = read(fragment)
    assert reader.scripts == 0
    assert "Test accuracy: 88.33%" in reader.text
    assert len(fragment) < 60_000
    style = re.sub(r"@media[^{]*\{", "", re.findall(r"<style>(.*?)</style>", fragment, re.S)[0])
    for selectors in re.findall(r"([^{}]+)\{", style):
        assert all(one.strip().startswith(".ropero") for one in selectors.split(",")), selectors


def test_fragment_of_a_run_that_is_not_evaluated() -> None:
    reader = read(pages.run_fragment(History(), None, EVIL, "new"))
    assert "Not evaluated yet" in reader.text


def test_gallery() -> None:
    drawn = [("Classes & counts", figures.class_counts({"train": np.array([3, 4])}, EVIL[:2]))]
    page = pages.gallery("Data <1>", drawn, [("Parts", ["Part", "Images"], [["train", 7]])], intro="hello")
    reader = read(page)
    assert all(said in reader.text for said in ("Data <1>", "Classes & counts", "hello", "Parts", "train", "7"))


def test_the_command_of_the_report_trains_the_same_config(tmp_path: Path) -> None:
    run = make(tmp_path)[0]
    strange = replace(run.data, source="my $(touch evil) data/x's", image_size=32)
    config = run.config.replace(learning_rate=0.0123456789, validation=1234567, stratified=False)
    write_json(run.folder / "data.json", asdict(strange))
    write_json(run.folder / "config.json", config.to_json())
    typed = shlex.split(words.command(run))
    assert typed[:4] == ["ropero", "train", "--data", strange.source]
    _, bound, _ = build_app().parse_args(typed[1:])
    asked = bound.arguments
    assert (asked["data"], asked["image_size"]) == (strange.source, 32)
    assert preset("softmax").replace(**given(asked["flags"])) == config


def test_data_made_in_python_are_trained_in_python(tmp_path: Path) -> None:
    run = make(tmp_path)[0]
    write_json(run.folder / "data.json", asdict(replace(run.data, source="")))
    command = words.command(run)
    assert command.startswith("rp.train(data, 'softmax', ")
    assert "seed=5" in command


def test_without_the_extra_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtra, match=r"ropero\[report\]"):
        importlib.reload(ropero.reports)
