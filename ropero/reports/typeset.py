"""A document as a PDF: title page, contents, numbered figures and tables, references; in three languages.

Typst sets it, from a text that is written here; it sees nothing but that text, the figures and the fonts given to it.
"""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path

import matplotlib

from ropero.errors import MissingExtra
from ropero.reports import output
from ropero.reports.document import Block, Code, Document, Paragraph, Picture, Table
from ropero.reports.parts import Score
from ropero.reports.typeface import FILE, SECOND, showable
from ropero.storage import atomic_path
from ropero.texts import current, t

_WIDEST, _HIGHEST = 6.3, 4.0  # inches: between the margins of A4, and less than half a page
_LONG = 12  # rows of a table that may go over the end of a page
_LANGUAGE = {"en": ("en", ""), "es": ("es", ""), "zh": ("zh", ', region: "cn"')}


def check() -> None:
    """Raises MissingExtra when Typst is not installed."""
    if find_spec("typst") is None:
        raise MissingExtra(t("A report as PDF"), "pdf")


def write_pdf(document: Document, path: Path) -> Path:
    """Write the document, in the language in force, and return its path.

    Raises:
        MissingExtra: Typst is not installed.
    """
    check()
    import typst

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "report.typ").write_text(_source(document, folder), "utf-8")
        fonts = [str(FILE.parent), str(Path(matplotlib.get_data_path()) / "fonts" / "ttf")]
        made = typst.compile(str(folder / "report.typ"), root=name, font_paths=fonts, ignore_system_fonts=True)
    with atomic_path(path) as temporary:
        temporary.write_bytes(made)
    return path


def _source(document: Document, folder: Path) -> str:
    """The document in Typst's language; its figures are written to the folder."""
    language, region = _LANGUAGE[current()]
    first = '"DejaVu Sans"' if current() == "zh" else '"Libertinus Serif"'
    lines = [
        '#set page(paper: "a4", margin: (x: 2.5cm, y: 2.4cm), numbering: "1")',
        f'#set text(font: ({first}, "DejaVu Sans", "{SECOND}"), size: 10.5pt, lang: "{language}"{region})',
        "#set par(justify: true, leading: 0.68em)",
        '#set heading(numbering: "1.1")',
        "#show heading: set block(above: 1.6em, below: 0.9em)",
        "#show figure: set block(above: 1.2em, below: 1.2em)",
        "#show figure.where(kind: table): set figure.caption(position: top)",
        "#show table: set par(leading: 0.4em, justify: false)",
        "#set table(stroke: none, inset: (x: 6pt, y: 3.4pt))",
        f"#set document(title: {_string(document.title)}, author: {_string(document.author)})",
        "#page(numbering: none)[",
        "#v(28%)",
        f'#align(center)[#text(26pt, weight: "bold", {_string(document.title)})',
        f"#v(6pt) #text(14pt, {_string(document.subtitle)})",
        "#v(40pt)",
        *([f"#text(13pt, {_string(document.author)}) #v(6pt)"] if document.author else []),
        f"#text(12pt, {_string(document.date)})",
        f"#v(14pt) #text(9pt, fill: luma(40%), {_string(document.run)})]",
        "]",
        "#counter(page).update(1)",
        "#outline(depth: 2)",
        "#pagebreak()",
    ]
    for section in document.sections:
        lines.append(f"= #{_string(section.title)}")
        lines += [_block(block, folder) for block in section.blocks]
    if document.references:
        title = t("References")
        lines.append(f"#heading(numbering: none)[#{_string(title)}]")
        lines += [f"+ #{_string(one)}" for one in document.references]
    return "\n".join(lines) + "\n"


def _block(block: Block, folder: Path) -> str:
    match block:
        case Paragraph():
            return f"#{_string(block.text)}\n" if block.sentences else ""
        case Code():
            return f"#block(fill: luma(96%), inset: 8pt, radius: 3pt, width: 100%, raw({_string(block.text)}))"
        case Picture():
            output.save(block.figure, folder / f"{block.name}.svg")
            wide, high = block.figure.get_size_inches()
            width = min(_WIDEST, 0.85 * wide, _HIGHEST * wide / high)
            return f'#figure(image("{block.name}.svg", width: {width:.2f}in), caption: {_string(block.caption)})'
        case Table():
            return _table(block)


def _table(table: Table) -> str:
    align = ", ".join("right" if k in table.numbers else "left" for k in range(len(table.columns)))
    head = ", ".join(f"strong({_string(name)})" for name in table.columns)
    body = ",\n".join(", ".join(_cell(value) for value in row) for row in table.rows)
    breaks = "#show figure: set block(breakable: true)\n" if len(table.rows) > _LONG else ""
    return (
        f"#[{breaks}#figure(table(columns: {len(table.columns)}, align: ({align},),\n"
        f"table.hline(), table.header({head}), table.hline(stroke: 0.5pt),\n{body},\ntable.hline()),\n"
        f"caption: {_string(table.caption)})]"
    )


def _cell(value: str | Score) -> str:
    if isinstance(value, str) or not value.interval:
        return _string(str(value))
    return f"[#{_string(value.value)} #linebreak() #text(7pt, fill: luma(40%), {_string(value.interval)})]"


def _string(text: str) -> str:
    """A text as Typst's string, in which nothing is markup."""
    plain = "\n".join(showable(line) for line in text.splitlines())
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
