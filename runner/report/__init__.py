"""The report of a run, built from its artifacts alone: report.html, report.md and plain data."""

from runner.report.build import build
from runner.report.data import ReportData, to_json
from runner.report.page.writing import write_html, write_markdown

__all__ = ["ReportData", "build", "to_json", "write_html", "write_markdown"]
