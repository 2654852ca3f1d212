"""Walks through a protobuf message without building it, and says how much memory that would take.

A parser makes an object of a hundred bytes out of an empty message of two: a small file could fill the memory of the
machine. Knows what the message's own description says of its fields, and nothing of ONNX.
"""

from __future__ import annotations

from typing import Any

from ropero.errors import DataError
from ropero.texts import t

_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
_OBJECT, _STRING, _NUMBER = 256, 64, 16  # bytes that a parser takes for a message, a string and a number, at most
_DEEPEST = 60  # messages in one another; the parser itself gives up at 100
_MOST_FIELDS = 3_000_000

_STRINGS = (9, 12)  # protobuf's numbers for the types string and bytes
_FIXED = (1, 2, 6, 7, 15, 16)  # double, float and the whole numbers of fixed length: packed, they grow no further


class _Walk:
    """One walk, with what it has found so far."""

    def __init__(self, content: bytes, limit: int) -> None:
        self.content, self.limit = content, limit
        self.cost = self.fields = 0

    def message(self, start: int, end: int, kind: Any, depth: int) -> None:
        """The fields between two places."""
        if depth > _DEEPEST:
            raise DataError(t("is nested deeper than a network is."))
        at = start
        while at < end:
            key, at = self.number(at, end)
            at = self.field(key >> 3, key & 7, at, end, kind, depth)

    def field(self, number: int, form: int, at: int, end: int, kind: Any, depth: int) -> int:
        """Where the next field begins."""
        self.add(_NUMBER)
        if form == _VARINT:
            return self.number(at, end)[1]
        if form in (_EIGHT, _FOUR):
            return self.within(at + (8 if form == _EIGHT else 4), end)
        if form != _BYTES:
            raise DataError(t("is no ONNX file, or damaged."))
        length, at = self.number(at, end)
        after = self.within(at + length, end)
        known = kind.fields_by_number.get(number)
        if known is not None and known.message_type is not None:
            self.add(_OBJECT)
            self.message(at, after, known.message_type, depth + 1)
        elif known is None or known.type in (*_STRINGS, *_FIXED):
            self.add(_STRING + length)
        else:  # packed whole numbers, each of which may be a single byte
            self.add(_NUMBER * length)
        return after

    def number(self, at: int, end: int) -> tuple[int, int]:
        """(a whole number of variable length, where the next thing begins)."""
        value = 0
        for shift in range(0, 70, 7):
            if at >= end:
                break
            byte = self.content[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, at
        raise DataError(t("is cut short or damaged."))

    def within(self, at: int, end: int) -> int:
        if at > end:
            raise DataError(t("is cut short or damaged."))
        return at

    def add(self, cost: int) -> None:
        self.cost += cost
        self.fields += 1
        if self.cost > self.limit or self.fields > _MOST_FIELDS:
            raise DataError(t("would take more memory than any network that ropero reads."))


def weigh(content: bytes, kind: Any, limit: int) -> int:
    """The bytes that a parser would take, at most, for a message of this kind (a protobuf descriptor).

    Raises DataError, without a file's name, when they are more than the limit, or when this is no such message.
    """
    walk = _Walk(content, limit)
    walk.message(0, len(content), kind, 0)
    return walk.cost
