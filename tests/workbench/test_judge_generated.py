"""Pictures of a generator are labelled by any run and scored against real images; what was found is kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import CLASSES, synthetic

from ropero.data.dataset import Images, Labels, Splits
from ropero.errors import RunError, UsageError
from ropero.evaluation.ledger import TestLedger
from ropero.metrics.frechet import frechet_distance
from ropero.runs import Run, RunStore
from ropero.storage import read_json, write_json
from ropero.training.config import TrainConfig
from ropero.workbench import importing, judge_generated
from ropero.workbench.evaluate import evaluate
from ropero.workbench.export import export
from ropero.workbench.judge_generated import Labelling, keep, kept_labels, kept_score, label, score
from ropero.workbench.train import train

CONFIG = TrainConfig(network="softmax", epochs=4, batch_size=32, learning_rate=0.01, erase=0.0, flip="none")


@pytest.fixture(scope="module")
def splits() -> Splits:
    return Splits(synthetic(400), synthetic(300, seed=3, split="validation"), synthetic(60, seed=1, split="test"))


@pytest.fixture(scope="module")
def run(splits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(splits, CONFIG, RunStore(tmp_path_factory.mktemp("runs"))).run


def made(seeds: Sequence[int], classes: Labels | None) -> Images:
    """A generator that is perfect, but for what it makes of the seeds below 6: noise."""
    found = synthetic(3 * len(seeds), seed=int(seeds[0]) + 50)
    wanted = np.zeros(len(seeds), np.int64) if classes is None else classes
    images = np.array([found.images[3 * at + int(k)] for at, k in enumerate(wanted)])
    images[np.asarray(seeds) < 6] = np.random.default_rng(0).integers(0, 256, (28, 28))
    return images.astype(np.uint8)


def test_a_run_labels_what_was_made(run: Run) -> None:
    wanted = np.arange(60) % 3
    found = label(run, made(range(60), wanted), wanted=wanted, classes=CLASSES)
    assert found.agrees is not None
    assert found.agrees[6:].mean() > 0.9
    assert set(range(6)) & set(found.rejected.tolist()), "noise is no garment"
    assert found.real is None  # never evaluated: nothing is opened for this
    assert run.ledger.openings() == []
    assert label(run, made(range(60), None)).agreement is None


def test_wanted_classes_are_found_by_name(run: Run) -> None:
    images, wanted = made(range(6, 36), np.arange(30) % 3), np.arange(30) % 3
    turned = label(run, images, wanted=2 - wanted, classes=CLASSES[::-1])
    assert turned.agreement == label(run, images, wanted=wanted, classes=CLASSES).agreement
    with pytest.raises(UsageError, match="Unknown class 'sock'"):
        label(run, images, wanted=wanted, classes=("stripe", "block", "sock"))


def test_pictures_of_another_size_are_refused(run: Run) -> None:
    with pytest.raises(UsageError, match=r"takes images \(1, 28, 28\), got \(3, 14, 14\)"):
        label(run, np.zeros((4, 14, 14, 3), np.uint8))


def test_its_figures_on_real_images_stand_beside(run: Run, splits: Splits) -> None:
    evaluate(run, split="validation", splits=splits)
    wanted = np.arange(60) % 3
    found = label(run, made(range(60), wanted), wanted=wanted, classes=CLASSES)
    assert found.real is not None
    assert (found.real.split, found.real.images) == ("validation", 300)
    assert found.gap is not None
    assert found.gap.value < 0  # six are noise
    assert run.ledger.openings() == []


def test_a_model_from_elsewhere_labels_too(run: Run, splits: Splits, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    file = export(run, out=tmp_path / "theirs.onnx").path
    store = RunStore(tmp_path / "runs")
    imported = importing.import_model(file, splits, store).run
    assert imported.origin is not None
    wanted = np.arange(60) % 3
    images = made(range(6, 66), wanted)
    found = label(importing.open_run(store, str(file)).run, images, wanted=wanted, classes=CLASSES)
    mine = label(run, images, wanted=wanted, classes=CLASSES)
    assert found.agreement == mine.agreement
    np.testing.assert_array_equal(found.predicted, mine.predicted)


def features(images: Images) -> np.ndarray:
    """Means of 7 x 7 pixels."""
    return images.reshape(len(images), 4, 7, 4, 7).mean((2, 4)).reshape(len(images), 16) / 255


def test_a_perfect_generator_is_as_near_as_real_images() -> None:
    real, others = synthetic(150, seed=4, split="validation"), synthetic(300, seed=5)
    told: list[tuple[int, int]] = []

    def perfect(seeds: Sequence[int], classes: Labels | None) -> Images:
        return made([one + 6 for one in seeds], classes)

    found = score(perfect, features, real, others, name="means", conditional=True, samples=150, draws=2,
                  told=lambda *one: told.append(one))  # fmt: skip
    frechet = found.figures["frechet"]
    assert len(frechet.draws) == len(frechet.floor) == 2
    assert frechet.mean < 3 * frechet.floor_mean
    assert told == [(150, 750), (450, 750), (600, 750), (750, 750)]
    assert (found.features, found.split, found.others, found.rows) == ("means", "validation", "train", 150)
    wanted = np.resize(real.labels, 150)
    expected = frechet_distance(features(real.images), features(perfect(range(150, 300), wanted)))
    assert frechet.draws[1] == pytest.approx(expected)
    one_class = score(perfect, features, real, others, name="means", conditional=False, samples=150, draws=2)
    assert one_class.figures["frechet"].mean > 10 * frechet.mean, "a generator of stripes alone"


def test_a_look_at_test_images_is_written_down(tmp_path: Path) -> None:
    real, others = synthetic(60, seed=1, split="test"), synthetic(60, seed=5)
    with pytest.raises(UsageError, match="takes a ledger"):
        score(made, features, real, others, name="means", conditional=True, samples=60, draws=1)
    ledger = TestLedger(tmp_path / "test-ledger.jsonl")
    score(made, features, real, others, name="means", conditional=True, samples=60, draws=1, ledger=ledger,
          weights_sha256="ab")  # fmt: skip
    (look,) = ledger.openings()
    assert (look.verb, look.images, look.accuracy, look.weights_sha256) == ("score", 60, None, "ab")


def test_what_was_found_is_kept_for_the_weights_it_was_found_with(tmp_path: Path, run: Run) -> None:
    assert kept_labels(tmp_path, "ab") is None
    assert kept_score(tmp_path, "ab") is None
    found = label(run, made(range(30), None))
    scored = score(made, features, synthetic(60, seed=1, split="validation"), synthetic(60, seed=5), name="means",
                   conditional=True, samples=60, draws=2)  # fmt: skip
    keep(tmp_path, "ab", labels=Labelling(found, "a run", 7), scored=scored)
    again = kept_labels(tmp_path, "ab")
    assert again is not None
    assert (again.by, again.seed) == ("a run", 7)
    assert again.found.to_json() == found.to_json()
    assert kept_score(tmp_path, "ab") == scored
    assert kept_labels(tmp_path, "cd") is None
    assert kept_score(tmp_path, "cd") is None
    path = tmp_path / judge_generated.LABELS
    whole = read_json(path)
    for damage in ({"answers": {}}, {"seed": -1}, {"seed": "7"}):
        write_json(path, {**whole, **damage})
        with pytest.raises(RunError, match="damaged"):
            kept_labels(tmp_path, "ab")
