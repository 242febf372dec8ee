"""The writers of a report: one self-contained HTML page and one Markdown file; foreign text never becomes markup."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from env.files import write_atomic
from runner.report import figures
from runner.report.data import Interval, ReportData
from runner.screens.wording import parse_time

_MARKDOWN_SIGNS = re.compile(r"([\\`*_{}\[\]<>#|~!&])")
_MAX_MARKDOWN_TASKS = 30


def write_html(data: ReportData, folder: Path) -> Path:
    """Write report.html, readable without network or scripts; return its path."""
    return _write(folder / "report.html", _html().get_template("report.html.j2").render(data=data, figures=figures))


def write_markdown(data: ReportData, folder: Path) -> Path:
    """Write report.md, the same verdict and numbers without the programs; return its path."""
    template = _markdown().get_template("report.md.j2")
    return _write(folder / "report.md", template.render(data=data, at_most=_MAX_MARKDOWN_TASKS))


def _write(path: Path, text: str) -> Path:
    # Completions may hold lone surrogates, which UTF-8 cannot.
    write_atomic(path, text.encode("utf-8", "replace"))
    return path


@lru_cache
def _html() -> Environment:
    return _environment(autoescape=True)


@lru_cache
def _markdown() -> Environment:
    return _environment(autoescape=False, finalize=escape_markdown)


def _environment(**settings: Any) -> Environment:
    environment = Environment(
        loader=PackageLoader("runner.report"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **settings,
    )
    environment.filters.update(
        signed=signed,
        number=number,
        spread=spread,
        moment=moment,
        printable=printable,
        heat=heat,
        plural=plural,
        verbatim=verbatim,
    )
    return environment


def escape_markdown(value: Any) -> str:
    """Return a value as Markdown text on one line: what could be markup is escaped."""
    if isinstance(value, Markup):
        return str(value)
    return _MARKDOWN_SIGNS.sub(r"\\\1", " ".join(printable(str(value)).split()))


def printable(text: str) -> str:
    """Return foreign text with control signs, which could reorder or hide what follows, made visible."""
    return "".join(sign if sign.isprintable() or sign in "\n\t" else f"\\u{ord(sign):04x}" for sign in text)


def verbatim(text: str) -> Markup:
    """Return text for an indented code block of Markdown, where nothing is markup; it must be one line."""
    return Markup(" ".join(printable(text).split()))


def signed(value: float | None, unit: str = "") -> str:
    """Return '+12.3 pp', '0.0 pp' or 'undefined'."""
    return "undefined" if value is None else f"{value:+.1f}{f' {unit}' if unit else ''}"


def number(value: float | None) -> str:
    """Return '34.8', or 'undefined'."""
    return "undefined" if value is None else f"{value:.1f}"


def spread(interval: Interval | None) -> str:
    """Return '43.9 (37.0 to 50.8)' of a rate with its interval; '' of none."""
    if interval is None:
        return ""
    if interval.low is None or interval.high is None:
        return number(interval.value)
    return f"{number(interval.value)} ({interval.low:.1f} to {interval.high:.1f})"


def moment(at: str) -> str:
    """Return '2026-11-20 09:02:11' of an ISO time, in the zone of whoever writes the report."""
    parsed = parse_time(at)
    return at if parsed is None else f"{parsed:%Y-%m-%d %H:%M:%S}"


def heat(gain: float | None, largest: float) -> str:
    """Return how strongly a cell of the sweep is coloured, 0 to 1."""
    return f"{min(1.0, abs(gain or 0.0) / (largest or 1.0)):.2f}"


def plural(count: int, noun: str) -> str:
    """Return '1 task', '120 tasks'."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
