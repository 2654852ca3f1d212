"""The report in a real browser: clicked through, without a network, nothing written to its console.

Needs Chromium and playwright; skipped where they are missing, unless ROPERO_REQUIRE_BROWSER asks for them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import synthetic
from PIL import Image

from ropero.data import changes
from ropero.data.dataset import Dataset, Splits
from ropero.reports import review
from ropero.runs import RunStore
from ropero.training.config import TrainConfig
from ropero.workbench.evaluate import evaluate
from ropero.workbench.report import report
from ropero.workbench.train import train

BROWSER = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), "")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    reason = "no Chromium" if not BROWSER else ""
    with ExitStack() as stack:
        try:
            from playwright.sync_api import sync_playwright

            engine = stack.enter_context(sync_playwright())
        except Exception as error:  # not installed, or its own driver does not start: it needs libatomic
            reason = reason or f"no playwright: {error}"
        if reason and os.environ.get("ROPERO_REQUIRE_BROWSER"):
            pytest.fail(reason)
        if reason:
            pytest.skip(reason)
        browser = engine.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-quic"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def splits() -> Splits:
    test = synthetic(240, seed=1, split="test")
    labels = test.labels.copy()
    labels[:40] = (labels[:40] + 1) % 3  # so that there are mistakes
    return Splits(
        synthetic(240), synthetic(150, seed=2, split="validation"), Dataset(test.images, labels, test.classes)
    )


@pytest.fixture(scope="module")
def page_path(splits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = TrainConfig(network="softmax", epochs=4, batch_size=32, learning_rate=0.01, erase=0.0, flip="none")
    run = train(splits, config, RunStore(tmp_path_factory.mktemp("runs"))).run
    evaluate(run, splits=splits)
    return report(run, splits=splits)


@pytest.fixture
def page(chromium: Any, page_path: Path) -> Iterator[Any]:
    opened = chromium.new_page(viewport={"width": 1280, "height": 900})
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda asked: None if asked.url.startswith(("file:", "data:")) else said.append(asked.url))
    opened.goto(page_path.as_uri())
    yield opened
    assert not said
    opened.close()


def titles(page: Any) -> list[str]:
    found: list[str] = page.locator("#explorer .card b").all_inner_texts()
    return found


def test_all_images_are_there_and_more_come_on_demand(page: Any) -> None:
    assert len(titles(page)) == 60
    assert page.locator("#explorer [data-role=count]").inner_text() == "240 images, 60 shown"
    for _ in range(3):
        page.locator("#explorer [data-role=more]").click()
    assert len(titles(page)) == 240
    assert page.locator("#explorer [data-role=more]").is_hidden()


def test_a_cell_of_the_confusion_matrix_shows_its_images(page: Any, splits: Splits) -> None:
    cells = page.locator("table.matrix tbody tr").nth(1).locator("td")
    counts = [int(text or 0) for text in cells.all_inner_texts()]
    wrong = int(np.argmax([0 if k == 1 else count for k, count in enumerate(counts)]))
    assert counts[wrong] > 3
    cells.nth(wrong).click()
    assert len(titles(page)) == counts[wrong]
    assert set(titles(page)) == {f"✗ {splits.classes[wrong]} ({splits.classes[1]})"}
    cells.nth(1).focus()
    page.keyboard.press("Enter")
    assert set(titles(page)) == {f"✓ {splits.classes[1]}"}


def test_sorted_and_chosen(page: Any) -> None:
    def shares() -> list[float]:
        texts = page.locator("#explorer .card .quiet span:first-child").all_inner_texts()
        return [float(text.rstrip("%")) for text in texts]

    assert shares() == sorted(shares(), reverse=True)
    page.select_option("#explorer [data-role=order]", "unsure")
    assert shares() == sorted(shares())
    page.select_option("#explorer [data-role=which]", "wrong")
    assert all(title.startswith("✗") for title in titles(page))
    assert len(titles(page)) >= 40
    page.select_option("#explorer [data-role=which]", "")
    page.select_option("#explorer [data-role=verdict]", "2")
    told = page.locator("#explorer .card .quiet span:nth-child(2)").all_inner_texts()
    assert set(told) <= {"not a garment"}


def test_thumbnails_are_the_images(page: Any, splits: Splits) -> None:
    page.select_option("#explorer [data-role=order]", "row")
    assert splits.test is not None
    picture = page.locator("#explorer .card .picture").nth(31)
    place = picture.bounding_box()
    shot = picture.screenshot()
    seen = np.asarray(Image.open(BytesIO(shot)).convert("L"), np.float64)
    border = (seen.shape[0] - round(seen.shape[0] / 28) * 28) // 2
    assert place is not None
    inner = seen[border : seen.shape[0] - border, border : seen.shape[1] - border]
    small = np.asarray(Image.fromarray(inner.astype(np.uint8)).resize((28, 28), Image.Resampling.BOX), np.float64)
    expected = splits.test.images[31].astype(np.float64)
    assert np.corrcoef(small.ravel(), expected.ravel())[0, 1] > 0.95


def test_pointing_at_a_class_lights_it_everywhere(page: Any) -> None:
    page.select_option("#explorer [data-role=order]", "row")
    page.locator("#classes tr[data-class='2']").hover()
    assert page.locator("table.matrix th.lit").count() == 2
    assert page.locator("#explorer .card.lit").count() == page.locator("#explorer .card[data-class='2']").count() > 0
    page.locator("h1").hover()
    assert page.locator(".lit").count() == 0


def test_dark_and_light(page: Any) -> None:
    before = page.evaluate("getComputedStyle(document.body.parentElement).backgroundColor")
    page.locator("#theme").click()
    assert page.evaluate("getComputedStyle(document.body.parentElement).backgroundColor") != before


def test_a_telephone_needs_no_sideways_scrolling(chromium: Any, page_path: Path) -> None:
    phone = chromium.new_page(viewport={"width": 390, "height": 844})
    phone.goto(page_path.as_uri())
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    phone.close()


@pytest.fixture(scope="module")
def review_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    part = synthetic(40)
    probabilities = np.full((40, 3), 0.1, np.float32)
    probabilities[np.arange(40), (part.labels + 1) % 3] = 0.8
    doubts = [review.Doubt(at, int((part.labels[at] + 1) % 3), f"doubt {at}") for at in (7, 3, 20)]
    path = tmp_path_factory.mktemp("review") / "review.html"
    return review.write(doubts, part, probabilities, path, "en", "Look.")


def test_labels_are_gone_through_undone_saved_and_applied(chromium: Any, review_path: Path, tmp_path: Path) -> None:
    context = chromium.new_context(accept_downloads=True)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(review_path.as_uri())
    assert page.locator("#progress").inner_text() == "0 of 3 decided"
    assert page.locator("#where").inner_text() == "row 7"
    assert page.locator("#labelled").inner_text() == "labelled block"
    page.keyboard.press("d")
    page.keyboard.press("r")  # row 3, a stripe that looks like a block
    page.keyboard.press("u")
    assert page.locator("#where").inner_text() == "row 3"
    page.select_option("#class", "2")
    page.locator("[data-act=relabel]").click()
    page.reload()  # decisions stay
    assert page.locator("#progress").inner_text() == "2 of 3 decided"
    page.keyboard.press("a")
    assert page.locator("#progress").inner_text() == "3 of 3 decided"
    assert page.locator("[data-act=accept]").is_disabled()
    with page.expect_download() as download:
        page.locator("[data-act=save]").click()
    saved = tmp_path / "changes.jsonl"
    download.value.save_as(saved)
    assert [(one.row, one.action, one.label) for one in changes.read(saved)] == [
        (7, "drop", ""),
        (3, "relabel", "ring"),
        (20, "accept", ""),
    ]
    applied = changes.read(saved).apply(Splits(synthetic(40))).train
    assert len(applied) == 39
    assert applied.labels[list(applied.rows).index(3)] == 2
    assert not said
    context.close()


def test_look_alikes_stand_beside_each_other(chromium: Any, tmp_path: Path) -> None:
    part = synthetic(40)
    probabilities = np.full((40, 3), 1 / 3, np.float32)
    doubts = [review.Doubt(7, 0, "one"), review.Doubt(3, 0, "two"), review.Doubt(20, 1, "alike", twin=11)]
    path = review.write(doubts, part, probabilities, tmp_path / "review.html", "en", "Look.")
    page = chromium.new_page()
    page.goto(path.as_uri())
    assert page.locator("#beside").is_hidden()
    page.select_option("#which", "twins")
    assert page.locator("#where").inner_text() == "row 20"
    assert page.locator("#twin-where").inner_text() == f"row 11, labelled {part.classes[part.labels[11]]}"
    shown = [page.locator(one).evaluate("it => it.style.backgroundPosition") for one in ("#picture", "#twin")]
    assert shown[0] != shown[1]
    page.keyboard.press("a")
    assert page.locator("#where").inner_text() == ""  # no look-alike is left
    page.select_option("#which", "networks")
    assert page.locator("#where").inner_text() == "row 7"
    page.close()
