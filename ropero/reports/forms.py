"""A document in the form that is asked for: PDF, Markdown or a notebook."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ropero.reports import markdown, typeset
from ropero.reports.document import Document

Form = Literal["html", "pdf", "md", "ipynb"]


def write(document: Document, path: Path, form: Form, opening: str) -> Path:
    """Write it in the language in force and return its path.

    Args:
        form: "pdf", "md" or "ipynb"; pages are made otherwise.
        opening: the Python lines that a notebook begins with.

    Raises:
        MissingExtra: a PDF, and Typst is not installed.
    """
    match form:
        case "pdf":
            return typeset.write_pdf(document, path)
        case "md":
            return markdown.write_markdown(document, path)
        case _:
            return markdown.write_notebook(document, path, opening)
