"""What a terminal may be given of names and sentences out of strangers' files. Knows nothing of the rest of ropero."""

from __future__ import annotations

import re

NAME, SENTENCE = 200, 4000  # characters
# Control characters, which move, colour and erase; signs that turn the direction of writing or break a line; halves of
# characters, which cannot be written at all.
_HIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_HIDDEN_IN_LINE = re.compile(_HIDDEN.pattern.replace(r"\x00-\x1f", r"\x00-\x08\x0b-\x1f"))


def shown(text: object, most: int = NAME) -> str:
    r"""A name with what a terminal would obey spelled out (\x1b), in one line, at most so many characters."""
    return _spelled(_HIDDEN, str(text), most)


def shown_lines(text: object, most: int | None = None) -> str:
    """The same of what may have several lines; as long as it is by default."""
    return _spelled(_HIDDEN_IN_LINE, str(text), most)


def shown_json(text: str) -> str:
    """JSON that says the same, as a terminal may be given it."""
    return _HIDDEN_IN_LINE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _spelled(hidden: re.Pattern[str], text: str, most: int | None) -> str:
    text = text if most is None or len(text) <= most else text[:most] + "…"
    return hidden.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
