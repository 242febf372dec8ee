"""Everything luagate shows in a terminal; rich is imported only here, where something moves or a program is shown."""

from runner.screens.answers.asking import print_answer
from runner.screens.answers.coming import print_coming
from runner.screens.answers.comparison import print_comparison
from runner.screens.answers.data.curation import print_curation
from runner.screens.answers.data.rows import print_data
from runner.screens.answers.data.tasks import print_judged, print_shown_task, print_tasks, print_validation
from runner.screens.answers.examining import announce_part, print_next_look
from runner.screens.answers.registry import print_entry, print_history, print_promotion, print_stock
from runner.screens.answers.reporting import print_report
from runner.screens.answers.samples import print_samples
from runner.screens.answers.verdicts.grading import print_calibrated, print_needs, print_quality
from runner.screens.answers.verdicts.rejudging import print_rejudgement
from runner.screens.answers.verdicts.repairing import print_repair, print_unrepaired
from runner.screens.answers.verdicts.replaying import print_replay
from runner.screens.answers.verdicts.scoring import print_scored
from runner.screens.answers.verdicts.verifying import print_verified, print_verified_end
from runner.screens.checks import print_checks
from runner.screens.live import make_screen
from runner.screens.notices import print_connection_hint, print_freshness, print_refusal, print_session, print_staleness
from runner.screens.status import print_runs, print_status, status_text
from runner.screens.watching import watch_status

__all__ = [
    "announce_part",
    "make_screen",
    "print_answer",
    "print_calibrated",
    "print_checks",
    "print_coming",
    "print_comparison",
    "print_connection_hint",
    "print_curation",
    "print_data",
    "print_entry",
    "print_freshness",
    "print_history",
    "print_judged",
    "print_needs",
    "print_next_look",
    "print_promotion",
    "print_quality",
    "print_refusal",
    "print_rejudgement",
    "print_repair",
    "print_replay",
    "print_report",
    "print_runs",
    "print_samples",
    "print_scored",
    "print_session",
    "print_shown_task",
    "print_staleness",
    "print_status",
    "print_stock",
    "print_tasks",
    "print_unrepaired",
    "print_validation",
    "print_verified",
    "print_verified_end",
    "status_text",
    "watch_status",
]
