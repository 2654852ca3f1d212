"""The verb predict: any picture in, ten probabilities out; what the model saw is kept."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ropero.data.dataset import Splits
from ropero.errors import DataError, UsageError
from ropero.runs import Run, RunStore
from ropero.training.config import TrainConfig
from ropero.workbench import data as data_verb
from ropero.workbench.predict import plot, predict_files, predict_test, prepare
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
    (piped,) = predict_files(run, ["-"], stdin=stream.getvalue())
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
    with pytest.raises(DataError, match="not a NumPy file"):
        predict_files(run, [str(tmp_path / "evil.npy")])


def test_a_number_out_of_range_is_refused_and_a_look_is_recorded(run: Run) -> None:
    with pytest.raises(UsageError, match="from 0 to 59"):
        predict_test(run, [60])
    assert run.ledger.openings() == []
    predict_test(run, [3, 4])
    assert [(o.verb, o.images) for o in run.ledger.openings()] == [("predict", 2)]


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
