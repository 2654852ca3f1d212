"""The document in every form and language: whole, nothing in names is markup, figures are there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import synthetic

from ropero import texts
from ropero.data.dataset import Dataset, Splits
from ropero.models.summary import summarise
from ropero.reports import document, markdown, typeset
from ropero.reports.document import Code, Document, Paragraph, Picture, Section, Table
from ropero.runs import Run, RunStore
from ropero.training.config import TrainConfig
from ropero.workbench import examine
from ropero.workbench.evaluate import evaluate
from ropero.workbench.report import _examined, report
from ropero.workbench.train import train

EVIL = ('#panic("x") $1$ *b* _i_ @ref', "<script>alert(1)</script> | `c` [l](u)", '"]; \\ 连衣裙')


@pytest.fixture(scope="module")
def splits() -> Splits:
    def named(part: Dataset) -> Dataset:
        return Dataset(part.images, part.labels, EVIL, "evil # *data*", part.split)

    held = named(synthetic(90, seed=2, split="validation"))
    return Splits(named(synthetic(120)), held, named(synthetic(60, seed=1, split="test")))


@pytest.fixture(scope="module")
def run(splits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = TrainConfig(network="softmax", epochs=4, batch_size=32, learning_rate=0.002, erase=0.0, flip="none")
    run = train(splits, config, RunStore(tmp_path_factory.mktemp("runs"))).run
    evaluate(run, splits=splits)
    return run


@pytest.fixture(params=["en", "es", "zh"])
def made(request: pytest.FixtureRequest, run: Run, splits: Splits) -> Document:
    texts.use(request.param)
    part, evaluation = splits.part("test"), run.evaluation()
    assert evaluation is not None
    examined = _examined(run, evaluation, part, None)
    return document.of_run(
        run, evaluation, part, summarise(run.model()), train=splits.train, examined=examined, author="Ana # García"
    )


def test_it_says_what_a_report_has_to(made: Document) -> None:
    blocks = [block for section in made.sections for block in section.blocks]
    assert len(made.sections) == 10
    pictures = [block.name for block in blocks if isinstance(block, Picture)]
    assert {"class-counts", "examples", "curves", "confusion-matrix", "roc", "calibration", "robustness"} <= set(
        pictures
    )
    assert len(pictures) == len(set(pictures))
    assert sum(isinstance(block, Table) for block in blocks) >= 6
    assert any(isinstance(block, Code) and "softmax" in block.text for block in blocks)
    assert len(made.references) >= 5


def test_pdf(made: Document, tmp_path: Path) -> None:
    path = typeset.write_pdf(made, tmp_path / "report.pdf")
    content = path.read_bytes()
    assert content.startswith(b"%PDF-")
    assert len(content) < 6_000_000
    assert max(int(count) for count in re.findall(rb"/Count (\d+)", content)) >= 8  # pages


def test_markdown(made: Document, tmp_path: Path) -> None:
    path = markdown.write_markdown(made, tmp_path / "my report.md")
    text = path.read_text("utf-8")
    linked = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert linked
    assert all((tmp_path / place.replace("%20", " ")).stat().st_size > 1000 for place in linked)
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    assert "<script" not in outside.replace("\\<script", "")
    assert [line for line in text.splitlines() if line.startswith("# ")] == [text.splitlines()[0]]
    for table in re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1, table


def test_notebook(made: Document, tmp_path: Path, run: Run) -> None:
    path = markdown.write_notebook(made, tmp_path / "report.ipynb", f"run = rp.open_run({str(run.folder)!r})")
    content = json.loads(path.read_text("utf-8"))
    assert content["nbformat"] == 4
    cells = content["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    (opening,) = [cell for cell in cells if cell["cell_type"] == "code" and not cell["outputs"]]
    assert "rp.open_run(" in opening["source"]
    assert str(run.folder) in opening["source"]
    shown = [cell for cell in cells if cell["cell_type"] == "code" and cell["outputs"]]
    assert len(shown) == sum(isinstance(block, Picture) for section in made.sections for block in section.blocks)
    assert all("image/png" in cell["outputs"][0]["data"] for cell in shown)
    assert all("execution_count" in cell for cell in cells if cell["cell_type"] == "code")


def test_the_verb_writes_every_form(run: Run, splits: Splits, tmp_path: Path) -> None:
    for form in ("pdf", "md", "ipynb"):
        path = report(run, splits=splits, form=form, author="A", out=tmp_path / f"x.{form}")  # type: ignore[arg-type]
        assert path.stat().st_size > 5000
    before = len(run.ledger.openings())
    report(run, splits=splits, form="pdf", out=tmp_path / "y.pdf")
    assert len(run.ledger.openings()) == before
    assert examine.robustness(run, splits.part("test")).images == 60


def test_strings_are_strings() -> None:
    assert typeset._string('a "b" \\ c\nd') == '"a \\"b\\" \\\\ c\\nd"'
    assert markdown._plain("*a* [b](c) | <d>") == r"\*a\* \[b\](c) \| \<d\>"
    table = Table("x", ["a"], [["1"]] * 40)
    assert "breakable: true" in typeset._table(table)
    assert "breakable" not in typeset._table(Table("x", ["a"], [["1"]]))


def test_a_small_document(tmp_path: Path) -> None:
    plain = Document("t", "s", "", "d", "r", [Section("one", [Paragraph([]), Paragraph(["Only this."])])])
    assert typeset.write_pdf(plain, tmp_path / "a.pdf").exists()
    assert "Only this." in markdown.write_markdown(plain, tmp_path / "a.md").read_text("utf-8")
    assert np.isfinite(markdown.write_notebook(plain, tmp_path / "a.ipynb", "1 + 1").stat().st_size)
