"""What a run is and where it comes from: its model and data, the run it was made like, what was changed since."""

from __future__ import annotations

from dataclasses import dataclass

from env.refusal import Refusal
from runner.runs.folder import Run
from runner.runs.hand_edits import hand_edits
from runner.runs.journal import EventType
from runner.views.folder_facts import subject


@dataclass(frozen=True, slots=True)
class Origin:
    """What ``runs`` tells of a run beside where it is.

    Attributes:
        subject: its model and its data, 'base-2m · luanti_mini'.
        like: the run that it was made like; "" where it began with conf/'s defaults.
        given: the overrides that were typed on top of that run's.
        differs: "seed 0 → 1" per key whose value differed from that run's, when it was made.
        changed: the keys whose values were changed since.
    """

    subject: str
    like: str
    given: tuple[str, ...]
    differs: tuple[str, ...]
    changed: tuple[str, ...]


def origin(run: Run) -> Origin:
    """Return a run's origin as its journal tells it; what an older journal lacks, as its configuration tells it."""
    told = run.journal.events[0].data
    changes = [event.data.get("changed", ()) for event in run.journal.events if event.type == EventType.CONFIG_CHANGED]
    changed = tuple(sorted({str(key) for keys in changes for key in keys}))
    is_told = "subject" in told and not any(key.startswith(("model.", "dataset.")) for key in changed)
    about = str(told["subject"]) if is_told else subject(run.folder)
    given, differs = (tuple(map(str, told.get(name, ()))) for name in ("given", "differs"))
    return Origin(about, str(told.get("like", "")), given, differs, changed)


def edits_by_hand(run: Run) -> tuple[str, ...]:
    """Return what somebody wrote into config.yaml and no advance has recorded, or why it cannot be read."""
    try:
        return tuple(map(str, hand_edits(run)))
    except Refusal as refusal:
        return (refusal.sentence,)
