"""A run's report as its readers have it: the page's elements and text, its samples, the Markdown."""

from __future__ import annotations

import base64
import json
import re
import zlib
from html.parser import HTMLParser
from typing import Any

from runner.report import build, write_html, write_markdown
from runner.runs.folder import Run


def html_of(run: Run) -> str:
    return write_html(build(run), run.folder).read_text(encoding="utf-8")


def markdown_of(run: Run) -> str:
    return write_markdown(build(run), run.folder).read_text(encoding="utf-8")


class Page(HTMLParser):
    """Collects what a browser would make of a page: elements with attributes, and visible text."""

    VOID = frozenset({"meta", "br", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def carried(text: str) -> dict[str, Any]:
    """Return the samples a page carries, unpacked as its script does it."""
    [packed] = re.findall(r'id="samples-data">([^<]*)<', text)
    document: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed)))
    return document
