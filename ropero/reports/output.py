"""Figures as files and as SVG inside a page. Knows nothing of what they show.

`as_svg` gives text as text, colours as CSS variables (so that the page's theme decides), ids that no other figure in
the page has, two decimals, no date, no outside reference: the same figure gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import re
import threading
from dataclasses import fields
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
from matplotlib.figure import Figure as Figure

from ropero.errors import UsageError
from ropero.reports.style import LIGHT
from ropero.reports.typeface import FIRST, SECOND
from ropero.storage import atomic_path
from ropero.texts import joined, t

FORMATS = (".png", ".svg", ".pdf")
DPI = 150
# Dates out, names of ids fixed, text kept as text: the same figure gives the same file.
_SETTINGS = {"svg.hashsalt": "ropero", "svg.fonttype": "none", "svg.image_inline": True, "pdf.fonttype": 3}
_NO_DATE = {".png": {"Software": None}, ".svg": {"Date": None, "Creator": None}, ".pdf": {"CreationDate": None}}
# matplotlib's settings belong to the process; two threads must not change them at once.
_one_at_a_time = threading.Lock()

_VARIABLES = {getattr(LIGHT, one.name): f"var(--{one.name})" for one in fields(LIGHT)}
_XLINK = "{http://www.w3.org/1999/xlink}href"


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as .png, .svg or .pdf, whole or not at all. Raises UsageError for another ending."""
    check(path)
    suffix = path.suffix.lower()
    with atomic_path(path) as temporary:
        _write(figure, temporary, suffix)
    return path


def check(path: Path) -> None:
    """Raises UsageError for a file ending that a figure cannot be written as."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(t("A figure is written as {known}; got {name!r}.", known=joined(FORMATS), name=path.name))


def as_png(figure: Figure) -> bytes:
    """A figure as the content of a .png file, for a notebook."""
    file = io.BytesIO()
    _write(figure, file, ".png")
    return file.getvalue()


def _write(figure: Figure, target: Path | io.BytesIO, suffix: str) -> None:
    # A file of its own carries no font: there the letters become outlines. A page has fonts.
    settings: dict[Any, Any] = _SETTINGS | {"svg.fonttype": "path"} if isinstance(target, Path) else _SETTINGS
    with _one_at_a_time, matplotlib.rc_context(settings):
        figure.savefig(target, format=suffix[1:], dpi=DPI, facecolor=figure.get_facecolor(), metadata=_NO_DATE[suffix])


def as_svg(figure: Figure, describe: str = "") -> str:
    """A figure of the light theme as an <svg> element for HTML; `describe` is what is read out instead of it."""
    file = io.BytesIO()
    _write(figure, file, ".svg")
    root = ElementTree.fromstring(file.getvalue())
    _without_namespaces(root)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    width = figure.get_figwidth() * 96  # CSS pixels in an inch
    root.attrib.update({"class": "figure", "role": "img", "style": f"max-width:{width:.0f}px"})
    if describe:
        root.set("aria-label", describe)
    else:
        root.set("aria-hidden", "true")
    _drop_leftovers(root)
    for element in root.iter():
        _lighten(element)
    _flatten(root)
    _own_ids(root)
    return ElementTree.tostring(root, encoding="unicode")


def _without_namespaces(root: ElementTree.Element) -> None:
    for element in root.iter():
        if _XLINK in element.attrib:
            element.set("href", element.attrib.pop(_XLINK))
        element.tag = element.tag.rpartition("}")[2]


def _drop_leftovers(root: ElementTree.Element) -> None:
    """Metadata, the paper, and a rule for every element of the page it is in: the page has its own."""
    for child in list(root):
        if child.tag == "metadata":
            root.remove(child)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == "style" or (child.tag == "g" and child.get("id") == "patch_1"):
                parent.remove(child)


def _lighten(element: ElementTree.Element) -> None:
    """Fewer digits, no white space, themed colours and the page's font in one element."""
    element.tail = None
    if element.tag not in ("text", "tspan"):
        element.text = None
    if element.get("transform", "").startswith("rotate(-0 "):
        del element.attrib["transform"]
    for name, value in element.attrib.items():
        if name in ("d", "transform", "x", "y", "width", "height", "points", "viewBox"):
            element.set(name, _shorter(value))
        elif name == "style":
            element.set(name, _themed(value))


def _flatten(element: ElementTree.Element) -> None:
    """Put the children of groups that say nothing in their place."""
    for child in list(element):
        _flatten(child)
        if child.tag in ("g", "defs") and not set(child.attrib) - {"id"} and (child.tag == "g" or not len(child)):
            place = list(element).index(child)
            element[place : place + 1] = list(child)


def _shorter(value: str) -> str:
    rounded = re.sub(r"-?\d+\.\d{3,}", lambda hit: f"{float(hit[0]):.2f}".rstrip("0").rstrip("."), value)
    return " ".join(rounded.split())


def _themed(style: str) -> str:
    for colour, variable in _VARIABLES.items():
        style = style.replace(colour, variable)
    style = re.sub(rf"'{FIRST}'(, '{SECOND}')?", "var(--font, sans-serif)", style)
    return re.sub(r"\d+\.\d{3,}", lambda hit: f"{float(hit[0]):.2f}", style)


def _own_ids(root: ElementTree.Element) -> None:
    """Keep only ids that something refers to, and put the digest of the drawing before them."""
    text = ElementTree.tostring(root, encoding="unicode")
    prefix = "f" + hashlib.sha256(text.encode()).hexdigest()[:8]
    used = set(re.findall(r"url\(#([^)]+)\)", text)) | set(re.findall(r'href="#([^"]+)"', text))
    for element in root.iter():
        name = element.attrib.pop("id", None)
        if name in used:
            element.set("id", f"{prefix}-{name}")
        for key, value in element.attrib.items():
            if key == "href" and value.startswith("#"):
                element.set(key, f"#{prefix}-{value[1:]}")
            elif "url(#" in value:
                element.set(key, value.replace("url(#", f"url(#{prefix}-"))
