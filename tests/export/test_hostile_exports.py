"""Files that pretend to be ropero's own exports, damaged in every way: what reads them says one sentence, or reads."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from exporting import network, written
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tampering import other_card, zipped

h5py = pytest.importorskip("h5py")
pytest.importorskip("onnx")
resource: Any = pytest.importorskip("resource")

from ropero.errors import RoperoError  # noqa: E402
from ropero.export import guard, portable, readback  # noqa: E402
from ropero.export.formats import FORMATS  # noqa: E402
from ropero.models import hdf5  # noqa: E402

MOST_BYTES = 700 << 20  # that a test may take more than before: torch, and what a child is given back


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A small network's file of each format."""
    return cache(lambda form: written(network("softmax"), form, tmp_path_factory.mktemp(form), "softmax"))


@pytest.fixture(autouse=True)
def memory() -> Any:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + (MOST_BYTES >> 10)


few = lambda n: settings(max_examples=n, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])  # noqa: E731


def damaged(data: st.DataObject, content: bytes) -> bytes:
    """Bytes changed, cut, doubled or put in, most often where the structure is: at the start and at the end."""
    found = bytearray(content)
    for _ in range(data.draw(st.integers(1, 5))):
        near = st.integers(0, min(4000, len(found) - 1))
        at = data.draw(near | near.map(lambda back: len(found) - 1 - back) | st.integers(0, len(found) - 1))
        found[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    return bytes(found[: data.draw(st.integers(1, len(found)))] if data.draw(st.integers(0, 9)) == 0 else found)


@pytest.mark.parametrize("form", ["safetensors", "torch-export", "onnx"])
@few(150)
@given(data=st.data())
def test_other_bytes(whole: Callable[[str], Path], form: str, tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / f"x{FORMATS[form].suffix}"
    path.write_bytes(damaged(data, whole(form).read_bytes()))
    ask(path)


@pytest.mark.parametrize("form", ["h5", "keras"])
@few(15)
@given(data=st.data())
def test_other_bytes_of_hdf5(whole: Callable[[str], Path], form: str, tmp_path: Path, data: st.DataObject) -> None:
    """Few, since each is read in a process of its own."""
    path = tmp_path / f"x{FORMATS[form].suffix}"
    path.write_bytes(damaged(data, whole(form).read_bytes()))
    ask(path)
    if form == "h5":
        with suppress(RoperoError):
            hdf5.read(path)


def ask(path: Path) -> None:
    """All that reads such a file in this process."""
    with suppress(RoperoError):
        readback.read(path)
    if path.suffix == ".safetensors":
        with suppress(RoperoError):
            portable.read_portable(path)
    if path.suffix == ".pt2":
        with suppress(RoperoError):
            guard.program(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=6) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a JSON value."""
    inner = content.items() if isinstance(content, Mapping) else enumerate(content) if isinstance(content, list) else ()
    return [place for key, one in inner for place in ((*path, key), *places(one, (*path, key)))]


def spoiled(data: st.DataObject, content: Any) -> None:
    """Something in a JSON value is another thing, or is missing."""
    *way, last = data.draw(st.sampled_from(places(content)))
    for key in way:
        content = content[key]
    if data.draw(st.booleans()):
        content[last] = data.draw(JSON)
    else:
        del content[last]


@few(250)
@given(data=st.data())
def test_any_card(whole: Callable[[str], Path], tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(whole("safetensors").read_bytes())
    other_card(path, lambda card: spoiled(data, card))
    ask(path)


@pytest.mark.parametrize("name", ["models/model.json", "model_weights_config.json", "model_constants_config.json"])
@few(80)
@given(data=st.data())
def test_any_program(whole: Callable[[str], Path], name: str, tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "x.pt2"
    path.write_bytes(whole("torch-export").read_bytes())

    def change(place: str, content: bytes) -> bytes:
        if not place.endswith(name):
            return content
        values = json.loads(content)
        spoiled(data, values)
        return json.dumps(values).encode()

    zipped(path, change)
    ask(path)


@few(100)
@given(header=st.dictionaries(st.text(max_size=4) | st.just("__metadata__"), JSON, max_size=3), data=st.data())
def test_any_header(header: Any, tmp_path: Path, data: st.DataObject) -> None:
    """Of safetensors: with tensors that lie anywhere."""
    for name in data.draw(st.lists(st.text(max_size=3), max_size=2)):
        ends = data.draw(st.lists(st.integers(-2, 40) | st.integers(), min_size=2, max_size=2))
        shape = data.draw(st.lists(st.integers(0, 4) | st.integers(0, 2**64), max_size=3))
        header[name] = {
            "dtype": data.draw(st.sampled_from(["F32", "BF16", "BOOL"])),
            "shape": shape,
            "data_offsets": ends,
        }
    text = json.dumps(header).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(data.draw(st.integers(0, 40))))
    ask(path)


def test_a_header_of_a_hundred_megabytes_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes((1 << 40).to_bytes(8, "little") + b"{" * 1000)
    with pytest.raises(RoperoError, match="Cannot read"):
        portable.read_card(path)


def test_a_keras_archive_whose_parts_are_the_same_bytes_is_refused(
    whole: Callable[[str], Path], tmp_path: Path
) -> None:
    path = tmp_path / "x.keras"
    path.write_bytes(whole("keras").read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        for one in archive.infolist():
            one.header_offset, one.file_size, one.compress_size = 0, 10_000, 10_000
        archive._didModify = True  # type: ignore[attr-defined]
    with pytest.raises(RoperoError):
        readback.read(path)
