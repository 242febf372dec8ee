"""Everything a person sees of luagate in a terminal; rich is imported here alone, and only by what moves."""

from runner.screens.checks import print_checks
from runner.screens.live import make_screen, watch_status
from runner.screens.notices import print_freshness, print_refusal, print_staleness
from runner.screens.rejudging import print_rejudgement
from runner.screens.status import print_runs, print_status, status_text

__all__ = [
    "make_screen",
    "print_checks",
    "print_freshness",
    "print_refusal",
    "print_rejudgement",
    "print_runs",
    "print_staleness",
    "print_status",
    "status_text",
    "watch_status",
]
