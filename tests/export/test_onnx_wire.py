"""What a parser would take is known before it parses: an empty message is two bytes in a file, hundreds in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

onnx = pytest.importorskip("onnx")

from ropero.errors import DataError  # noqa: E402
from ropero.export import onnx_file, onnx_reader  # noqa: E402
from ropero.export.onnx_wire import weigh  # noqa: E402

MODEL = onnx.ModelProto.DESCRIPTOR


def tagged(field: int, content: bytes) -> bytes:
    """A field with bytes in it; its length in seven bits a byte."""
    length, found = len(content), b""
    while True:
        found += bytes([length & 0x7F | (0x80 if length > 0x7F else 0)])
        length >>= 7
        if not length:
            return bytes([field << 3 | 2]) + found + content


def test_a_real_file_weighs_a_little_more_than_its_bytes() -> None:
    content = (Path(__file__).parent.parent / "fixtures" / "onnx" / "sklearn-mlp.onnx").read_bytes()
    assert len(content) < weigh(content, MODEL, 1 << 30) < 3 * len(content)


def test_a_million_empty_nodes_are_refused_before_they_are_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = tagged(7, tagged(1, b"") * 1_000_000)
    assert len(content) < 2_100_000
    with pytest.raises(DataError, match="would take more memory than any network"):
        weigh(content, MODEL, 100 << 20)
    assert weigh(content, MODEL, 1 << 30) > 200_000_000
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    monkeypatch.setattr(onnx_file, "LIMIT_PARSED", 100 << 20)
    monkeypatch.setattr(onnx.ModelProto, "FromString", None, raising=False)
    with pytest.raises(DataError, match="would take more memory"):
        onnx_reader.read(path)


def test_packed_numbers_and_words_are_counted() -> None:
    attribute = tagged(8, b"\x01" * 1000)  # ints, one byte each
    words = tagged(9, b"") * 1000
    for inside in (attribute, words):
        assert weigh(tagged(7, tagged(1, tagged(5, inside))), MODEL, 1 << 30) > 8000


def test_messages_in_one_another_have_a_depth() -> None:
    content = b""
    for _ in range(40):  # a graph in an attribute of a node of a graph
        content = tagged(1, tagged(5, tagged(6, content)))
    with pytest.raises(DataError, match="nested deeper"):
        weigh(tagged(7, content), MODEL, 1 << 30)


@pytest.mark.parametrize(
    "content",
    [b"\x3a\x05ab", b"\x3a", b"\x08", b"\x08" + b"\xff" * 20, b"\x3b\x00", b"\x3a\xff\xff\xff\xff\x0f", b"\x0d\0"],
)
def test_what_is_no_message_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match="damaged"):
        weigh(content, MODEL, 1 << 30)
