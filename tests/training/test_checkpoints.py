"""A damaged or unwritable checkpoint costs the newest state, never the run."""

import sys
from pathlib import Path

import pytest
import torch

from ropero.training import checkpoints
from ropero.training.checkpoints import CheckpointStore


def saved(folder: Path) -> CheckpointStore:
    store = CheckpointStore(folder)
    for epoch in (1, 2):
        store.save({"weight": torch.full((3,), float(epoch))}, {"epoch": epoch})
    return store


def test_the_newest_is_loaded(tmp_path: Path) -> None:
    snapshot = saved(tmp_path).load()
    assert snapshot is not None
    assert snapshot[1] == {"epoch": 2}
    assert snapshot[0]["weight"].tolist() == [2, 2, 2]


@pytest.mark.parametrize("keep_bytes", [0, 5, 60])
def test_a_truncated_one_falls_back_with_a_sentence(tmp_path: Path, keep_bytes: int) -> None:
    store = saved(tmp_path)
    store.newest.write_bytes(store.newest.read_bytes()[:keep_bytes])
    with pytest.warns(RuntimeWarning, match="going on from the one before"):
        snapshot = store.load()
    assert snapshot is not None
    assert snapshot[1] == {"epoch": 1}


def test_a_full_disk_keeps_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = saved(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.warns(RuntimeWarning, match="No space left"):
        store.save({"weight": torch.zeros(3)}, {"epoch": 3})
    snapshot = store.load()
    assert snapshot is not None
    assert snapshot[1] == {"epoch": 2}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint-before.safetensors",
        "checkpoint.safetensors",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_a_write_that_the_system_cuts_short_keeps_the_one_before(tmp_path: Path) -> None:
    """A real failure within the file, as on a full disk: the system refuses what goes beyond a limit."""
    import resource

    store = saved(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.warns(RuntimeWarning, match="the one before is kept"):
            store.save({"weight": torch.zeros(10_000)}, {"epoch": 3})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    snapshot = store.load()
    assert snapshot is not None
    assert snapshot[1] == {"epoch": 2}
    assert len(list(tmp_path.iterdir())) == 2


def test_what_killed_writers_left_is_swept_away(tmp_path: Path) -> None:
    store = saved(tmp_path)
    for name in (".unfinished-checkpoint-abc12345.safetensors", ".tmpA1b2C3"):  # ours, and safetensors' own
        (tmp_path / name).write_bytes(b"half")
    store.load()
    assert len(list(tmp_path.iterdir())) == 2
    (tmp_path / ".unfinished-checkpoint-abc12345.safetensors").write_bytes(b"half")
    store.clear()
    assert not list(tmp_path.iterdir())


def test_killed_between_its_renames_the_one_before_is_loaded_and_noted(tmp_path: Path) -> None:
    store = saved(tmp_path)
    store.newest.unlink()
    assert store.notes() == {"epoch": 1}
    snapshot = store.load()
    assert snapshot is not None
    assert snapshot[1] == {"epoch": 1}


def test_with_no_whole_one_it_is_said_that_all_begins_anew(tmp_path: Path) -> None:
    store = saved(tmp_path)
    for path in (store.newest, store.before):
        path.write_bytes(b"")
    with (
        pytest.warns(RuntimeWarning, match="going on from the one before"),
        pytest.warns(RuntimeWarning, match="before.* starting from the beginning"),
    ):
        assert store.load() is None


def test_nothing_there_is_nothing(tmp_path: Path) -> None:
    assert CheckpointStore(tmp_path).load() is None
    saved(tmp_path).clear()
    assert not list(tmp_path.iterdir())
