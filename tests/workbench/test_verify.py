"""The verb verify: runs and files are looked at in a process of their own, which may die without harm."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from exporting import network, written
from safetensors.torch import save_file
from tampering import other_card, other_weights

import ropero as rp
from ropero import bounds
from ropero.cli.app import run as command
from ropero.data.dataset import Splits
from ropero.errors import DataError, RunError
from ropero.export.checks import FILE, PREDICTIONS, Check, Examined
from ropero.export.formats import FORMATS
from ropero.models import checkpoint
from ropero.runs import Run, RunStore
from ropero.storage import read_json, write_json
from ropero.training.config import TrainConfig
from ropero.workbench import verify as verb
from ropero.workbench.train import train
from ropero.workbench.verify import of_run, verify

pytest.importorskip("onnxruntime")
pytest.importorskip("h5py")
resource: Any = pytest.importorskip("resource")


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture
def run(splits: Splits, store: RunStore) -> Run:
    return train(splits, TrainConfig(network="softmax", epochs=1, batch_size=32, precision="fp32"), store).run


def runs(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of what looks at a file."""
    monkeypatch.setattr(bounds, "command", lambda *_: [sys.executable, "-c", code])


def found(folder: Path) -> dict[str, bool | None]:
    return {check.name: check.ok for check in of_run(folder).checks}


def test_a_run_is_found_whole_by_its_name(run: Run, store: RunStore) -> None:
    done = verify("last", store)
    assert done.ok
    assert [check.name for check in done.checks] == ["file", "weights", "classes", "shapes", "predictions"]
    assert done.path == run.folder.resolve()
    assert json.loads(json.dumps(done.to_json()))["ok"]


@pytest.mark.parametrize("form", FORMATS)
def test_changed_files_of_every_format_are_found_in_a_fresh_process(store: RunStore, form: str, tmp_path: Path) -> None:
    path = written(network("softmax"), form, tmp_path, "softmax")
    other_weights(path)
    done = verify(path, store)
    assert not done.ok
    assert {check.name for check in done.checks if check.ok is False} == {"weights", "predictions"}
    assert done.client


def test_a_run_of_an_older_ropero_has_no_samples_which_is_said(run: Run) -> None:
    (run.folder / "samples.json").unlink()
    assert found(run.folder)[PREDICTIONS] is None
    assert "older ropero" in of_run(run.folder).checks[-1].note


def test_other_weights_in_a_run(run: Run) -> None:
    path = run.folder / "model.safetensors"
    other_weights(path)
    said = found(run.folder)
    assert said["weights"] is False
    assert said["predictions"] is False


def test_other_weights_whose_card_was_made_to_fit(run: Run, tmp_path: Path) -> None:
    """run.json still knows the digest, and the samples belong to the weights before."""
    other_weights(run.folder / "model.safetensors")
    model = read_json(run.folder / "model.json")
    write_json(
        run.folder / "model.json", model | {"weights_sha256": verb.sha256_file(run.folder / "model.safetensors")}
    )
    said = found(run.folder)
    assert said["weights"] is False
    assert said["predictions"] is False


def test_other_classes_and_shapes_in_a_run(run: Run) -> None:
    model = read_json(run.folder / "model.json")
    write_json(run.folder / "model.json", model | {"classes": ["ring", "block", "stripe"]})
    assert found(run.folder)["classes"] is False
    write_json(run.folder / "model.json", model | {"input_shape": [1, 14, 56]})
    assert found(run.folder)["shapes"] is False


def test_samples_that_were_changed(run: Run) -> None:
    samples = read_json(run.folder / "samples.json")
    samples["logits"][0][0] += 0.1
    write_json(run.folder / "samples.json", samples)
    assert found(run.folder)["predictions"] is False


@pytest.mark.parametrize("name", ["model.safetensors", "model.json", "data.json", "run.json"])
def test_a_run_with_a_file_missing_or_cut(run: Run, name: str) -> None:
    content = (run.folder / name).read_bytes()
    (run.folder / name).write_bytes(content[: len(content) // 2])
    assert False in found(run.folder).values()
    (run.folder / name).unlink()
    assert False in found(run.folder).values()


def test_a_run_that_is_code_which_is_not_at_hand_is_no_failure(splits: Splits, tmp_path: Path) -> None:
    import torch

    trained = rp.train(splits, torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 3)), epochs=1)
    done = rp.verify(trained)
    assert done.ok
    assert done.checks[-1].ok is None
    assert "was an object in Python" in done.checks[-1].note


def test_a_process_that_dies_is_a_finding(run: Run, store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    runs("import os; os.abort()", monkeypatch)
    done = verify("last", store)
    assert [(check.name, check.ok) for check in done.checks] == [(FILE, False)]
    assert "ended with code" in done.checks[0].note


def test_a_process_that_hangs_is_a_finding(run: Run, store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    runs("import time; time.sleep(60)", monkeypatch)
    monkeypatch.setattr(verb, "LIMIT_SECONDS", 0.5)
    done = verify("last", store)
    assert [check.ok for check in done.checks] == [False]


def test_a_file_is_asked_without_a_graphics_card(run: Run, store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its samples were made without, and what a card's library takes is not counted in."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    runs("import os, sys; sys.exit(7 if os.environ['CUDA_VISIBLE_DEVICES'] == '' else 8)", monkeypatch)
    assert "ended with code 7" in verify("last", store).checks[0].note


def test_a_process_that_says_without_end_takes_no_memory_here(
    run: Run, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs("import sys\nwhile True: print('x' * 100_000)", monkeypatch)
    monkeypatch.setattr(verb, "LIMIT_SECONDS", 3.0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert not verify("last", store).ok
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + (100 << 10)  # in kilobytes


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not hold a process to its memory")
def test_what_opens_a_file_is_held_to_some_memory_and_to_no_traces_on_disk(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"")
    code = (
        "import os, resource, sys; from pathlib import Path; from ropero.workbench import verify\n"
        "verify.hold(Path(sys.argv[1])); print(resource.getrlimit(resource.RLIMIT_CORE)); bytearray(1 << 30)\n"
        "print('some'); bytearray(verify._OWN_BYTES + verify._CORE_BYTES * os.cpu_count())"
    )
    for path in (tmp_path / "model.onnx", tmp_path, tmp_path / "missing.onnx"):
        done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
        assert done.stdout == "(0, 0)\nsome\n", done.stderr
        assert "MemoryError" in done.stderr


def test_a_file_that_is_not_there_is_a_finding(store: RunStore, tmp_path: Path) -> None:
    (check,) = verify(tmp_path / "missing.onnx", store).checks
    assert "There is no file" in check.note


def test_nothing_of_the_folder_it_is_started_in_is_run(
    run: Run, store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text("raise SystemExit('mine was imported')")
    monkeypatch.chdir(tmp_path)
    assert verify("last", store).ok


def test_a_file_of_the_same_name_where_one_works_changes_nothing(
    store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    for folder in (tmp_path, tmp_path / "work"):
        save_file({"a": torch.zeros(2)}, folder / "a.safetensors")
    said = []
    for folder in (tmp_path, tmp_path / "work"):
        monkeypatch.chdir(folder)
        said.append(verify(tmp_path / "a.safetensors", store).checks)
    assert said[0] == said[1]
    assert [check.ok for check in said[0]] == [False]


def test_there_is_no_such_run(store: RunStore) -> None:
    with pytest.raises(RunError, match="There are no runs"):
        verify("nothing", store)


def test_the_command_line(
    run: Run, store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runs = f"--runs={store.folder}"
    assert command(["export", "last", "--format=safetensors", "--out=a.safetensors", runs]) == 0
    assert "Compared in ropero on 1,000 images" in capsys.readouterr().out
    assert command(["export", "last", "--out=a.safetensors", "--json", runs]) == 2
    assert "exists already" in capsys.readouterr().err
    assert command(["verify", "a.safetensors"]) == 0
    assert "predictions" in capsys.readouterr().out
    other_card(tmp_path / "a.safetensors", lambda card: card.update({"licence": "mine"}))
    assert command(["verify", "a.safetensors", "--json"]) == 2
    said = capsys.readouterr()
    assert not json.loads(said.out)["ok"]
    assert "a.safetensors failed: card." in said.err


def test_samples_are_stored_when_a_run_is_trained(run: Run, tmp_path: Path) -> None:
    found = checkpoint.read_samples(run.folder)
    assert found is not None
    assert found.logits.shape == (8, 3)
    shutil.copytree(run.folder, tmp_path / "elsewhere")
    assert of_run(tmp_path / "elsewhere").checks[-1].ok


def test_a_file_that_could_not_be_looked_at_is_not_found_right(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(network("softmax"), "onnx", tmp_path, "softmax")
    monkeypatch.setattr(verb, "fresh", lambda *_: Examined((Check(FILE, None, "Could not be looked at. ONNX ..."),)))
    assert not rp.verify(path).ok
    assert command(["verify", str(path)]) == 2
    said = capsys.readouterr()
    assert "net.onnx could not be looked at." in " ".join(said.err.split())
    assert "failed" not in said.out + said.err


def test_a_file_of_no_kind_that_ropero_reads_is_one_sentence(store: RunStore, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("a note")
    with pytest.raises(DataError, match="is no model that ropero reads"):
        verify(tmp_path / "x.txt", store)
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    assert verify(tmp_path / "x.safetensors", store).checks[0].ok is False
