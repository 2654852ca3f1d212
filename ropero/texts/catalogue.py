"""The texts catalogue: English messages are the keys, Spanish and Chinese live in `es.po` and `zh.po`.

`t("Unknown network {name!r}.", name=...)` translates, then fills in. A message kept in a constant is wrapped in `mark`
so that the extractor finds it. `python scripts/texts.py` extracts, and compiles the .mo files that are read here.
"""

from __future__ import annotations

import gettext
import locale
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

LANGUAGES = ("en", "es", "zh")
_FOLDER = Path(__file__).parent
_chosen: ContextVar[str | None] = ContextVar("ropero_language", default=None)


def detect(environ: Mapping[str, str] | None = None) -> str:
    """The user's language: ROPERO_LANG, then the locale's variables, then the system's locale; English when unknown."""
    environ = os.environ if environ is None else environ
    names = [environ.get(key, "") for key in ("ROPERO_LANG", "LC_ALL", "LC_MESSAGES", "LANG")]
    names.append(locale.getlocale()[0] or "")
    # The first variable that is set decides, as in POSIX; "C" and "POSIX" mean English.
    chosen = next((name for name in names if name), "en").lower()
    if chosen.startswith(("es", "spanish")):
        return "es"
    if chosen.startswith(("zh", "chinese")):
        return "zh"
    return "en"


def current() -> str:
    """The language in force: what `use` chose, else the user's own."""
    return _chosen.get() or detect()


def use(name: str | None) -> None:
    """Choose the language of everything said from here on; None returns to the user's own.

    Raises ValueError for a language that ropero does not speak.
    """
    if name is not None and name not in LANGUAGES:
        raise ValueError(t("Unknown language {name!r}; ropero speaks {known}.", name=name, known=joined(LANGUAGES)))
    _chosen.set(name)


@contextmanager
def language(name: str) -> Iterator[None]:
    """Speak another language inside a `with` block."""
    before = _chosen.get()
    use(name)
    try:
        yield
    finally:
        _chosen.set(before)


@cache
def _translations(name: str) -> gettext.NullTranslations:
    if name == "en":
        return gettext.NullTranslations()
    with (_FOLDER / f"{name}.mo").open("rb") as file:
        return gettext.GNUTranslations(file)


def t(message: str, /, **values: object) -> str:
    """The message in the language in force, its {fields} filled with the values."""
    found = _translations(current()).gettext(message) if message else ""
    return found.format(**values) if values else found


def tn(one: str, many: str, n: int, /, **values: object) -> str:
    """As `t`, choosing between the singular and the plural form by n, which fills {n}."""
    return _translations(current()).ngettext(one, many, n).format(n=n, **values)


def joined(names: Iterable[object]) -> str:
    """Names in a row, divided as the language in force divides them: "a, b", "a、b"."""
    return t(", ").join(map(str, names))


def mark(message: str) -> str:
    """The message itself, untranslated: marks a constant for the extractor."""
    return message
