"""Reads a page as a browser would: every element closed, nothing loaded from elsewhere, no id twice."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "img", "br", "link", "input", "col", "hr"}
EVIL = ("<script>alert(1)</script>", 'say "hi" & go', "{{ 7 * 7 }}")


class Reader(HTMLParser):
    """Checks that every element is closed where it was opened, and collects what a page could load."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.scripts = 0
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.loads += [values[name] or "" for name in ("src", "href", "action", "srcset") if name in values]
        self.ids += [values["id"] or ""] if "id" in values else []
        self.scripts += tag == "script"
        assert not any(name.startswith("on") for name in values), "an inline handler"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += f"{data} "


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert not reader.open
    assert len(reader.ids) == len(set(reader.ids)), "an id twice"
    for address in reader.loads:
        assert address.startswith(("data:", "#")), address
    assert not re.search(r'https?:|@import|url\((?!#|"?data:)', page)
    return reader
