"""The texts catalogue's workshop: `python scripts/texts.py` extracts new messages, merges them and compiles.

    extract   all t("..."), tn("...") and mark("...") of ropero, and t("...") of its page templates
    update    put them into es.po and zh.po, keeping what is translated; what is gone is dropped
    compile   write es.mo and zh.mo, which ropero reads

`--check` changes nothing and fails when a message has no translation, a field is lost, or a .mo is not its .po.
"""

from __future__ import annotations

import io
import string
import sys
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "ropero"
FOLDER = PACKAGE / "texts"
LANGUAGES = {"es": "Spanish", "zh": "Chinese"}
_LEFT_OUT = tuple(
    f'"{name}'.encode()
    for name in ("Project-Id", "Report-Msgid", "POT-", "PO-Rev", "Last-Tr", "Language-Team", "Generated")
)
KEYWORDS = {"t": None, "mark": None, "tn": (1, 2)}


def extract() -> Catalog:
    """Every message of the product, with the files it stands in."""
    found = Catalog(project="ropero", charset="utf-8")
    methods = [("**.py", "python"), ("**.html", "jinja2")]
    options = {"**.html": {"silent": "false"}}
    for name, _, message, comments, _ in extract_from_dir(str(PACKAGE), methods, options, KEYWORDS):
        if message == "help":  # of t(one.metadata["help"]), which the extractor reads as t("help")
            continue
        found.add(message, auto_comments=comments, locations=[(f"ropero/{name}", 0)])
    return found


def read(language: str) -> Catalog:
    path = FOLDER / f"{language}.po"
    if not path.exists():
        return Catalog(locale=language, charset="utf-8")
    with path.open("rb") as file:
        return read_po(file, locale=language)


def updated(language: str, template: Catalog) -> Catalog:
    """The language's catalogue with exactly the messages of the template."""
    catalogue = read(language)
    # Babel knows a message by its singular alone, and would keep the translation of another plural.
    plurals = {_ids(message)[0]: _ids(message) for message in template if message.id}
    for message in list(catalogue):
        if message.id and plurals.get(_ids(message)[0], _ids(message)) != _ids(message):
            catalogue.delete(message.id, message.context)
    catalogue.update(template, no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    return catalogue


def po_bytes(catalogue: Catalog) -> bytes:
    file = io.BytesIO()
    catalogue.fuzzy = False
    catalogue.header_comment = (
        f"# What ropero says, in {LANGUAGES[catalogue.locale_identifier]}. `make texts` keeps it."
    )
    write_po(file, catalogue, width=120, sort_output=True, omit_header=False, include_lineno=False)
    # Dates would change the file each time it is written, and no one is to be written to.
    return b"\n".join(line for line in file.getvalue().split(b"\n") if not line.startswith(_LEFT_OUT))


def mo_bytes(catalogue: Catalog) -> bytes:
    # Babel puts in the time of day where the .po holds none.
    catalogue.creation_date = catalogue.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    file = io.BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def complaints(language: str, template: Catalog) -> list[str]:
    """What keeps a language from being complete."""
    catalogue = read(language)
    found: list[str] = []
    for message in template:
        if not message.id:
            continue
        translated = catalogue.get(message.id)
        if translated is None or not all(_forms(translated)):
            found.append(f"{language}: not translated: {message.id!r}")
        elif not _same_fields(_ids(message), _forms(translated)):
            found.append(f"{language}: other {{fields}}: {message.id!r} -> {translated.string!r}")
    known = {_ids(message)[0] for message in template}
    found += [f"{language}: no longer used: {m.id!r}" for m in catalogue if m.id and _ids(m)[0] not in known]
    path = FOLDER / f"{language}.mo"
    if not path.exists() or path.read_bytes() != mo_bytes(catalogue):
        found.append(f"{language}: {path.name} is not compiled from {language}.po; run python scripts/texts.py")
    return found


def _ids(message: Message) -> tuple[str, ...]:
    return message.id if isinstance(message.id, tuple) else (str(message.id),)


def _forms(message: Message) -> tuple[str, ...]:
    return message.string if isinstance(message.string, tuple) else (str(message.string or ""),)


def _same_fields(ids: tuple[str, ...], forms: tuple[str, ...]) -> bool:
    """Whether each form has the fields of its English; a language with one form has those of the plural."""
    wanted = ids if len(forms) == len(ids) else ids[-1:] * len(forms)
    return all(fields(one) == fields(other) for one, other in zip(wanted, forms, strict=True))


def fields(text: str) -> set[str]:
    """The names of the {fields} in a message."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def main() -> int:
    template = extract()
    if "--check" in sys.argv:
        found = [line for language in LANGUAGES for line in complaints(language, template)]
        print("\n".join(found) or "texts: complete")
        return bool(found)
    for language in LANGUAGES:
        catalogue = updated(language, template)
        (FOLDER / f"{language}.po").write_bytes(po_bytes(catalogue))
        # Compiled from the file, not from what is in memory, so that anyone can compile the same bytes from it.
        (FOLDER / f"{language}.mo").write_bytes(mo_bytes(read(language)))
        missing = sum(not all(_forms(message)) for message in catalogue if message.id)
        print(f"{language}: {len(catalogue)} messages, {missing} without translation")
    return 0


if __name__ == "__main__":
    sys.exit(main())
