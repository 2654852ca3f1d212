"""The codes of a frozen base: right, computed once, gone on with after a kill, shared, and never half there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import filelock
import numpy as np
import pytest
import torch
from conftest import synthetic
from small_vgg import made_up, shrink
from torch import Tensor

from ropero.data.dataset import Images
from ropero.errors import UsageError
from ropero.models import codes
from ropero.models.classifier import Classifier
from ropero.models.codes import Encoding
from ropero.models.zoo import build


@pytest.fixture(autouse=True)
def few_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each call of the base had."""
    counts: list[int] = []
    encode: Callable[[Classifier, Images], Tensor] = codes._encode

    def counted(model: Classifier, images: Images) -> Tensor:
        counts.append(len(images))
        return encode(model, images)

    monkeypatch.setattr(codes, "_encode", counted)
    return counts


def network(name: str = "vgg16-frozen", seed: int = 0, side: int = 28) -> Classifier:
    model = build(name, (1, side, side), 3).eval()
    model.base.load_state_dict(made_up(seed=seed, channels=1).state_dict())  # type: ignore[union-attr]
    return model


def expected(model: Classifier, images: Images) -> Tensor:
    with torch.inference_mode():
        return model.encode(torch.from_numpy(images[:, None] / np.float32(255)))


IMAGES = synthetic(40).images


def test_codes_are_what_the_base_gives_in_any_order(computed: list[int]) -> None:
    model = network()
    assert codes.missing(model, [IMAGES]) == 40
    codes.fill(model, [IMAGES[:30], IMAGES[20:]])
    assert sum(computed) == 40  # what both parts have is computed once
    assert codes.missing(model, [IMAGES]) == 0
    order = np.array([7, 3, 39, 3, 0])
    found = codes.look_up(model, IMAGES[order])
    np.testing.assert_allclose(found.take(slice(0, 5)), expected(model, IMAGES[order]), atol=1e-5)
    np.testing.assert_allclose(found.take(torch.tensor([4, 1])), expected(model, IMAGES[[0, 3]]), atol=1e-5)
    assert found.take(slice(0, 5)).std() > 0.01


def test_codes_are_exact_whatever_asks_for_them() -> None:
    model = network()
    with torch.autocast("cpu", torch.bfloat16):
        codes.fill(model, [IMAGES])
    torch.testing.assert_close(
        codes.look_up(model, IMAGES).take(slice(0, 40)), expected(model, IMAGES), atol=1e-5, rtol=0
    )


def test_what_is_there_is_not_computed_again_in_another_process(computed: list[int]) -> None:
    codes.fill(network(), [IMAGES[:25]])
    codes.fill(network(), [IMAGES])
    codes.fill(network(), [IMAGES])
    assert sum(computed) == 40


def test_a_killed_encoding_goes_on_where_it_was(computed: list[int]) -> None:
    model = network()

    def kill(encoding: Encoding) -> None:
        if encoding.done >= codes.BATCH:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        codes.fill(model, [IMAGES], kill)
    seen: list[Encoding] = []
    codes.fill(model, [IMAGES], seen.append)
    assert computed[0] == codes.BATCH
    assert sum(computed) == 40
    assert [(one.done, one.over) for one in seen] == [(codes.BATCH, False), (2 * codes.BATCH, False), (40, True)]
    assert {(one.total, one.folder, one.size) for one in seen} == {(40, codes.folder(model), 40 * 4 * 6 * 4)}
    codes.fill(model, [IMAGES], seen.append)
    assert len(seen) == 3  # nothing to do, nothing to tell


@pytest.mark.parametrize("name", ["codes.f32", "images.sha256"])
@pytest.mark.parametrize("change", [b"half", -5, -1000])
def test_what_a_crash_left_half_written_does_not_count(name: str, change: bytes | int) -> None:
    model = network()
    codes.fill(model, [IMAGES[:30]])
    path = codes.folder(model) / name
    content = path.read_bytes()
    path.write_bytes(content + change if isinstance(change, bytes) else content[:change])
    codes.fill(model, [IMAGES])
    found = codes.look_up(model, IMAGES).take(slice(0, 40))
    np.testing.assert_allclose(found, expected(model, IMAGES), atol=1e-5)


def test_other_weights_scaling_or_shape_have_codes_of_their_own() -> None:
    models = [network(), network(seed=1), network("lunzhi-vgg16"), network(side=32)]
    shifted = network()
    shifted.base.mean += 0.1  # type: ignore[union-attr, operator]
    assert len({codes.folder(model) for model in [*models, shifted]}) == 5
    head = network()
    torch.nn.init.normal_(head.head.weight)  # type: ignore[arg-type]
    assert codes.folder(head) == codes.folder(network())


def test_a_deleted_cache_is_made_again() -> None:
    model = network()
    codes.fill(model, [IMAGES])
    for path in codes.folder(model).iterdir():
        path.unlink()
    codes.fill(model, [IMAGES])
    np.testing.assert_allclose(codes.look_up(model, IMAGES).take(slice(0, 40)), expected(model, IMAGES), atol=1e-5)


def test_a_disk_without_room_is_told_before(monkeypatch: pytest.MonkeyPatch, computed: list[int]) -> None:
    monkeypatch.setattr(codes.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(UsageError, match=r"40 images take 3.8 kB, but .* has 1.0 kB left; ROPERO_CACHE"):
        codes.fill(network(), [IMAGES])
    assert computed == []


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ROPERO_CACHE", str(tmp_path / "file"))
    with pytest.raises(UsageError, match="cannot be kept in"):
        codes.fill(network(), [IMAGES])


def test_what_another_process_computes_is_waited_for(monkeypatch: pytest.MonkeyPatch, computed: list[int]) -> None:
    monkeypatch.setattr(codes, "_WAIT_SECONDS", 0.01)
    model = network()
    codes.fill(model, [IMAGES[:10]])
    lock = filelock.FileLock(codes.folder(model) / ".lock", thread_local=False)
    lock.acquire()
    told: list[int] = []
    waited = threading.Event()

    def listen(encoding: Encoding) -> None:
        told.append(encoding.done)
        waited.set()

    codes.fill(model, [IMAGES[:10]])  # what is there needs no waiting
    thread = threading.Thread(target=codes.fill, args=(model, [IMAGES[:20]], listen))
    thread.start()
    try:
        assert waited.wait(10)
        assert sum(computed) == 10  # nothing while the other one is at it
    finally:
        lock.release()
        thread.join()
    assert told[0] == 10
    assert told[-1] == 20
    assert codes.missing(model, [IMAGES[:20]]) == 0


def test_the_estimate_counts_what_is_missing(computed: list[int]) -> None:
    model = network()
    assert codes.estimate_seconds(model, [IMAGES]) > 0
    assert sum(computed) == 32
    codes.fill(model, [IMAGES])
    assert codes.estimate_seconds(model, [IMAGES]) == 0
