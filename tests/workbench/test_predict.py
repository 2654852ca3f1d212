"""The verb predict: any picture in, ten probabilities out; what the model saw is kept."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ropero.data.dataset import Dataset, Splits
from ropero.errors import DataError, UsageError
from ropero.runs import Run, RunStore
from ropero.training.config import TrainConfig
from ropero.workbench import data as data_verb
from ropero.workbench import predict as verb
from ropero.workbench.predict import (
    STDIN,
    plot,
    predict_arrays,
    predict_dataset,
    predict_files,
    predict_test,
    prepare,
)
from ropero.workbench.train import train


@pytest.fixture
def run(source: Path, tmp_path: Path) -> Run:
    config = TrainConfig(network="softmax", epochs=3, batch_size=32, learning_rate=0.01)
    return train(data_verb.load(str(source)), config, RunStore(tmp_path / "runs")).run


@pytest.fixture
def picture(tmp_path: Path, splits: Splits) -> Path:
    assert splits.test is not None
    path = tmp_path / "garment.png"
    Image.fromarray(splits.test.images[1]).save(path)
    return path


def test_a_test_image_in_a_file_is_seen_as_it_is(run: Run, picture: Path) -> None:
    (from_file,) = predict_files(run, [str(picture)])
    (by_number,) = predict_test(run, [1])
    np.testing.assert_array_equal(from_file.seen, by_number.seen)
    np.testing.assert_array_equal(from_file.probabilities, by_number.probabilities)
    assert by_number.true == 1
    assert from_file.true is None
    assert from_file.predicted == 1
    assert float(sum(from_file.to_json()["probabilities"].values())) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("form", ["RGB", "RGBA", "L", "large", "jpeg", "light"])
def test_every_usual_form_gives_the_same_class(run: Run, picture: Path, tmp_path: Path, form: str) -> None:
    with Image.open(picture) as opened:
        image = opened.copy()
    path = tmp_path / "x.png"
    if form == "large":
        image = image.resize((280, 280))
    elif form == "jpeg":
        path = tmp_path / "x.jpg"
    elif form == "light":
        image = Image.fromarray(255 - np.asarray(image))
    else:
        image = image.convert(form)
    image.save(path)
    (found,) = predict_files(run, [str(path)])
    assert found.predicted == 1
    assert found.inverted == (form == "light")
    assert found.seen.shape == (28, 28)


def test_arrays_and_standard_input(run: Run, splits: Splits, tmp_path: Path) -> None:
    assert splits.test is not None
    images = splits.test.images[:3]
    np.save(tmp_path / "bytes.npy", images)
    np.save(tmp_path / "floats.npy", images.astype(np.float32) / 255)
    as_bytes = predict_files(run, [str(tmp_path / "bytes.npy")], invert="no")
    as_floats = predict_files(run, [str(tmp_path / "floats.npy")], invert="no")
    assert [one.predicted for one in as_bytes] == [0, 1, 2] == [one.predicted for one in as_floats]
    stream = io.BytesIO()
    Image.fromarray(images[2]).save(stream, "PNG")
    (piped,) = predict_files(run, [STDIN], stdin=stream.getvalue())
    np.testing.assert_allclose(piped.probabilities, as_bytes[2].probabilities, atol=1e-6)


@pytest.mark.parametrize(
    ("content", "says"), [(b"", "not a picture"), (b"\x89PNG\r\n\x1a\nrest", "not a picture|Cannot decode")]
)
def test_what_is_no_picture_is_named(run: Run, tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"({says})"):
        predict_files(run, [str(path)])
    with pytest.raises(DataError, match="absent"):
        predict_files(run, [str(tmp_path / "absent.png")])


def test_a_pickled_array_is_refused(run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "evil.npy", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"evil\.npy is not an array of numbers"):
        predict_files(run, [str(tmp_path / "evil.npy")])


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (b"{'descr': '|u1', 'fortran_order': False, 'shape': (10000000000000, 28, 28), }", "more than the 4.3 GB"),
        (b"{'descr': '|u1', 'fortran_order': False, 'shape': (5000000, 28, 28), }", "should hold 3920000000 bytes"),
        (b"{'descr': '|u1', 'fortran_order': False, 'shape': (((((", "not an array of numbers"),
    ],
    ids=["too much for any machine", "more than there is", "junk"],
)
def test_an_array_whose_header_lies_takes_no_memory(run: Run, tmp_path: Path, header: bytes, says: str) -> None:
    import tracemalloc

    path = tmp_path / "lie.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    tracemalloc.start()
    with pytest.raises(DataError, match=says) as caught:
        predict_files(run, [str(path)])
    assert tracemalloc.get_traced_memory()[1] < 8e6
    tracemalloc.stop()
    assert "lie.npy" in str(caught.value)


def test_what_is_too_large_is_told_so(run: Run, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = picture.read_bytes()
    monkeypatch.setattr(verb, "LIMIT_BYTES", len(content))
    assert len(predict_files(run, [str(picture), STDIN], stdin=content)) == 2
    monkeypatch.setattr(verb, "LIMIT_BYTES", len(content) - 1)
    with pytest.raises(DataError, match=r"garment\.png is larger than"):
        predict_files(run, [str(picture)])
    with pytest.raises(DataError, match=r"^stdin: is larger than"):
        predict_files(run, [STDIN], stdin=content)


def test_no_files_and_no_numbers_give_nothing(run: Run) -> None:
    assert predict_files(run, []) == []
    assert predict_test(run, []) == []
    assert run.ledger.openings() == []


def test_a_number_out_of_range_is_refused_and_a_look_is_recorded(run: Run) -> None:
    with pytest.raises(UsageError, match="from 0 to 59"):
        predict_test(run, [60])
    assert run.ledger.openings() == []
    predict_test(run, [3, 4])
    assert [(o.verb, o.images) for o in run.ledger.openings()] == [("predict", 2)]


def _looks(run: Run) -> list[tuple[str, int]]:
    return [(opening.verb, opening.images) for opening in run.ledger.openings()]


def test_a_dataset_that_is_a_test_part_is_recorded(run: Run, source: Path) -> None:
    splits = data_verb.load(str(source))
    assert splits.test is not None
    predict_dataset(run, splits.train)
    assert _looks(run) == []
    predict_dataset(run, splits.test)
    predict_dataset(run, splits.test.take(range(7)))
    assert _looks(run) == [("predict", 60), ("predict", 7)]


def test_the_test_part_by_another_name_is_recorded(run: Run, source: Path) -> None:
    splits = data_verb.load(str(source))
    assert splits.test is not None
    renamed = Dataset(splits.test.images, splits.test.labels, splits.classes, "mine", "all")
    found = predict_dataset(run, renamed)
    assert _looks(run) == [("predict", 60)]
    assert [one.true for one in found[:3]] == [0, 1, 2]


def test_a_test_part_that_the_run_held_out_is_recorded(run: Run, source: Path) -> None:
    held = data_verb.load(str(source)).train.take(range(12), "train")
    predict_dataset(run, held)
    assert _looks(run) == []
    notes = json.loads((run.folder / "run.json").read_text("utf-8"))
    (run.folder / "run.json").write_text(json.dumps({**notes, "digests": {"test": held.digest}}), "utf-8")
    predict_dataset(run, held)
    assert _looks(run) == [("predict", 12)]


def test_a_look_is_written_down_before_anything_is_predicted(
    run: Run, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = data_verb.load(str(source)).test
    assert test is not None

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(verb, "of_run", killed)
    with pytest.raises(KeyboardInterrupt):
        predict_test(run, [1, 2])
    with pytest.raises(KeyboardInterrupt):
        predict_dataset(run, test)
    assert _looks(run) == [("predict", 2), ("predict", 60)]


def test_prepare_fits_other_shapes() -> None:
    colour = np.zeros((40, 20, 3), np.uint8)
    assert prepare(colour, (1, 28, 28), "auto")[0].shape == (28, 28)
    assert prepare(colour, (3, 32, 24), "auto")[0].shape == (32, 24, 3)
    grey = np.full((28, 28), 250, np.uint8)
    assert prepare(grey, (1, 28, 28), "auto")[1]
    assert not prepare(grey, (1, 28, 28), "no")[1]


def test_plots_go_to_a_file_or_a_folder(run: Run, tmp_path: Path) -> None:
    (path,) = plot(predict_test(run, [0]), tmp_path / "one.png")
    with Image.open(path) as drawn:
        assert drawn.width > 300
    paths = plot(predict_test(run, [0, 1]), tmp_path / "many")
    assert [one.name for one in paths] == ["000-test-0.png", "001-test-1.png"]


def test_several_plots_do_not_fit_one_file(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give a folder for 2"):
        plot(predict_test(run, [0, 1]), tmp_path / "one.png")


def test_arrays_are_taken_as_keras_users_have_them(run: Run, splits: Splits) -> None:
    assert splits.test is not None
    images = splits.test.images[:3]
    for form in (images, images[..., None], images / 255, (images / 255).astype(np.float32)):
        assert [one.predicted for one in predict_arrays(run, form)] == [0, 1, 2]
    assert repr(predict_arrays(run, images[0])[0]).startswith("Prediction(image 0: 0, ")
    with pytest.raises(DataError, match="got float64"):
        predict_arrays(run, images * 1.0)
