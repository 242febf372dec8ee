"""The writers of a report: one self-contained HTML page and one Markdown file; foreign text never becomes markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from env.counts import counted, more_text
from env.files import write_atomic
from env.installed.invocation import as_started
from runner.report.data import ArmOutcomes, Interval, ReportData
from runner.report.page import charts, figures
from runner.report.page.packing import pack
from runner.report.page.tables import read_tables
from runner.views.wording import parse_time

# An underscore inside a word is no markup: a name or a command stays what it is.
_MARKDOWN_SIGNS = re.compile(r"[\\`*{}\[\]<>#|~!&]|(?<![^\W_])_|_(?![^\W_])")
# A command of ours in a sentence.
_COMMAND = re.compile(r"(`(?:python -m runner|tmux|git) [^`|\n]*`)")
_BLANK_LINES = re.compile(r"\n{3,}")
_MAX_MARKDOWN_TASKS = 30
# In the order in which they build on each other.
_SCRIPTS = ("elements.js", "tables.js", "lua.js", "diff.js", "samples.js", "world.js", "pane.js", "browser.js")


def write_html(data: ReportData, folder: Path) -> Path:
    """Write report.html: no network, readable without scripts but for the sample browser; return its path."""
    style, script = _part("style.css"), "\n".join(_part(name) for name in _SCRIPTS)
    page = (
        _html()
        .get_template("report.html.j2")
        .render(
            data=data,
            packed=pack(data),
            tables=inside_script(read_tables(data)),
            style=Markup(style),
            script=Markup(script),
            policy=_policy(style, script),
        )
    )
    return _write(folder / "report.html", page)


def _part(name: str) -> str:
    """Return a style or script of ours as it is: no template runs over it, and nothing foreign comes into it."""
    return as_started((Path(__file__).parent / "templates" / name).read_text(encoding="utf-8"))


def _policy(style: str, script: str) -> str:
    """Return the page's content security policy: nothing is fetched, and only these bytes of ours style it or run."""
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    return (
        f"default-src 'none'; style-src 'sha256-{digests[0]}'; script-src 'sha256-{digests[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )


def write_markdown(data: ReportData, folder: Path) -> Path:
    """Write report.md, the same verdict and numbers without the programs; return its path."""
    text = _markdown().get_template("report.md.j2").render(data=data, at_most=_MAX_MARKDOWN_TASKS)
    lines = "\n".join(line.rstrip() for line in text.split("\n"))
    return _write(folder / "report.md", _BLANK_LINES.sub("\n\n", lines).strip() + "\n")


def _write(path: Path, text: str) -> Path:
    # Completions may hold lone surrogates, which UTF-8 cannot.
    write_atomic(path, as_started(text).encode("utf-8", "replace"))
    return path


@lru_cache
def _html() -> Environment:
    return _environment(autoescape=True)


@lru_cache
def _markdown() -> Environment:
    return _environment(autoescape=False, finalize=escape_markdown)


def _environment(**settings: Any) -> Environment:
    environment = Environment(
        loader=PackageLoader("runner.report.page"),
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
        plural=counted,
        verbatim=verbatim,
        code=code,
        commands=commands,
        link=link,
        more=more_text,
        share=share,
        named=named,
        anchor=charts.task_anchor,
    )
    environment.globals.update(figures=figures, charts=charts)
    environment.tests.update(
        above=lambda value, bar: value is not None and value > bar,
        below=lambda value, bar: value is not None and value < bar,
    )
    return environment


def escape_markdown(value: Any) -> str:
    """Return a value as Markdown text on one line: what could be markup is escaped, commands stay code."""
    if isinstance(value, Markup):
        return str(value)
    parts = _COMMAND.split(" ".join(printable(str(value)).split()))
    return "".join(part if place % 2 else _MARKDOWN_SIGNS.sub(r"\\\g<0>", part) for place, part in enumerate(parts))


def printable(text: str) -> str:
    """Return foreign text with control signs, which could reorder or hide what follows, made visible."""
    return "".join(sign if sign.isprintable() or sign in "\n\t" else f"\\u{ord(sign):04x}" for sign in text)


def verbatim(text: str) -> Markup:
    """Return text for a code block of Markdown on one line: nothing there is markup but a fence."""
    return Markup(" ".join(printable(text).replace("```", "` ` `").split()))


def code(text: str) -> Markup:
    """Return text as a code span of Markdown, fenced by more backquotes than it holds in a row."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence, room = "`" * (longest + 1), " " if "`" in text else ""
    return Markup(f"{fence}{room}{verbatim(text)}{room}{fence}")


def commands(text: str) -> Markup:
    """Return a sentence for the page, its backquoted commands as code."""
    parts = _COMMAND.split(printable(text))
    return Markup("").join(
        Markup("<code>{}</code>").format(part.strip("`")) if place % 2 else part for place, part in enumerate(parts)
    )


def link(path: str) -> str:
    """Return a path inside the run as a relative address."""
    return quote(path, safe="/")


def inside_script(value: Any) -> Markup:
    """Return plain data as JSON that cannot end its script element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def signed(value: float | None, unit: str = "") -> str:
    """Return '+12.3 pp', '0.0 pp' or 'undefined'."""
    if value is None:
        return "undefined"
    number = f"{value:+.1f}" if round(value, 1) else "0.0"
    return f"{number} {unit}".rstrip()


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


def share(arm: ArmOutcomes, name: str) -> float:
    """Return how much of an arm's samples ended so, in percent."""
    return 100 * arm.counts.get(name, 0) / (sum(arm.counts.values()) or 1)


def named(interval: Interval, label: str) -> Interval:
    """Return the interval under another name."""
    return replace(interval, label=label)
