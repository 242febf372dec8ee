"""The page that shows runs side by side: one self-contained HTML file in the report's style, without scripts."""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from env.counts import counted
from env.files import digest, make_folder, write_atomic
from eval.records import Metric
from runner.report.data import Interval
from runner.report.page import figures
from runner.report.page.writing import moment, printable, signed
from runner.views.comparison import Comparison, GroupResult, Side
from runner.views.paired_adapters import Pairing
from runner.views.wording import metric_text

FOLDER = "comparisons"
# More names than this make a file name that no file system takes.
_NAMED = 3


def comparison_page(results: Path, comparison: Comparison) -> Path:
    """Return where the page of a comparison goes by default: the same runs in the same order, the same page."""
    ids = [side.id for side in comparison.sides]
    name = "_vs_".join(ids) if len(ids) <= _NAMED else f"{ids[0]}_vs_{len(ids) - 1}_others_{digest(ids)[:8]}"
    return results / FOLDER / f"{name}.html"


def write_comparison(comparison: Comparison, path: Path) -> Path:
    """Write the page and return its path. Raises Refusal where it cannot be written."""
    helpers = {
        "interval": partial(metric_text, lacking="–"),
        "family_rows": family_rows,
        "group_names": group_names,
        "group_of": group_of,
        "counted": counted,
        "rates_of": rates_of,
    }
    template = _templates().get_template("comparison.html.j2")
    text = template.render(comparison=comparison, figures=figures, **helpers)
    make_folder(path.parent)
    write_atomic(path, text.encode("utf-8", "replace"))
    return path


def family_rows(pairing: Pairing) -> list[Interval]:
    """Return the difference of all tasks, then by family."""
    whole = [] if pairing.difference is None else [_row("all", pairing.difference, "")]
    return [*whole, *(_row(group.name, group.gain, group.flag) for group in pairing.groups if group.by == "family")]


def group_names(comparison: Comparison) -> list[tuple[str, str]]:
    """Return every (division, group) that some run reports, in the order of the first that does."""
    return list(dict.fromkeys((group.by, group.name) for side in comparison.sides for group in side.groups))


def group_of(side: Side, by: str, name: str) -> str:
    """Return one run's gain in a group, with its flag; a dash where it has none."""
    found = _group(side, by, name)
    return "–" if found is None else f"{metric_text(found.gain, signed=True)}{f' {found.flag}' if found.flag else ''}"


def rates_of(side: Side, by: str, name: str) -> str:
    """Return '38.3 → 61.2 on 40 tasks in 12 clusters', both rates in percent; "" where one run has none."""
    found = _group(side, by, name)
    if found is None or found.base.value is None or found.adapter.value is None:
        return ""
    rates = f"{found.base.value:.1f} → {found.adapter.value:.1f}"
    return f"{rates} on {counted(found.tasks, 'task')} in {counted(found.clusters, 'cluster')}"


def _group(side: Side, by: str, name: str) -> GroupResult | None:
    return next((group for group in side.groups if (group.by, group.name) == (by, name)), None)


def _row(label: str, metric: Metric, mark: str) -> Interval:
    return Interval(label, metric.value, metric.low, metric.high, metric.unit, metric.n, mark)


@lru_cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("runner.report.page"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(moment=moment, printable=printable, signed=signed)
    return environment
