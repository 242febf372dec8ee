"""Short notices: a refusal, stale inputs, a run locked by another process."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from env.refusal import Refusal
from env.wording.listing import listed_text, more_text
from gates import LAST
from runner.runs.folder import command, new_command
from runner.runs.plain_config import subject_of
from runner.screens.ink import Line, line, write_lines

if TYPE_CHECKING:
    from runner.changing.creating import Proposal
    from runner.launch.tmux import Session
    from runner.validity.freshness import Freshness

# Differences named on a screen; `status --why --json` has all of them.
_SHOWN = 10


def print_refusal(refusal: Refusal, stream: TextIO | None = None) -> None:
    """Write a refusal to ``stream`` (standard error): what is wrong, and what to do about it."""
    write_lines(stream or sys.stderr, refusal_lines(refusal))


def refusal_lines(refusal: Refusal) -> list[Line]:
    """Return a refusal's sentence, the items that it lists on lines of their own, and its fix."""
    sentence, *listed = refusal.sentence.split("\n")
    lines = [line(("✗ ", "no"), sentence, hang=2), *(line(item, hang=4) for item in listed)]
    return [*lines, line(("  fix: ", "dim"), refusal.fix, hang=7)] if refusal.fix else lines


def print_created(folder: Path, proposal: Proposal, before: str, stream: TextIO | None = None) -> None:
    """Write which run was made, what it is, and how it differs from the run that it is like."""
    write_lines(stream or sys.stdout, created_lines(folder, proposal, before))


def created_lines(folder: Path, proposal: Proposal, before: str) -> list[Line]:
    """Return what ``new`` says of the run it made; ``before`` is the run that was current until then."""
    was = f"   now the current run (was {before})" if before else ""
    what = " · ".join((f"profile {proposal.experiment.profile}", subject_of(proposal.config)))
    lines = [line("created ", str(folder), (was, "dim"), hang=8), line(f"  {what}")]
    if proposal.like is None:
        return lines
    shown = listed_text(proposal.differences, _SHOWN) or "nothing differs"
    lines.append(line(f"  like {proposal.like.name}: ", shown, hang=4))
    if proposal.kept:
        kept = shlex.join(proposal.kept)
        lines.append(line("  kept: ", kept, ("   --from-defaults drops them", "dim"), hang=8))
    return lines


def print_connection_hint(folder: Path, stream: TextIO | None = None) -> None:
    """Write that a lost connection would stop this advance, and the command that would survive it."""
    keeps = command(folder, "tmux")
    said = "over SSH, outside tmux: a lost connection stops this run; nothing is lost.  "
    write_lines(
        stream or sys.stdout, [line(("! ", "odd"), said, "Ctrl-C, then ", (keeps, "command"), " survives it", hang=2)]
    )


def print_session(folder: Path, session: Session, stream: TextIO | None = None) -> None:
    """Write that a run advances in a detached tmux session, and how to attach to it."""
    did = {"new": "begun", "ended": "continues", "running": "is already running"}[session.found]
    lines = [
        line("session ", (session.name, "bold"), f": {did}"),
        line(("attach: ", "dim"), (f"tmux attach -t {session.name}", "command")),
        line(("status: ", "dim"), (command(folder, "status"), "command")),
    ]
    write_lines(stream or sys.stdout, lines)


def print_freshness(folder: Path, found: Sequence[Freshness], stream: TextIO | None = None) -> None:
    """Write for every started gate whether its results are up to date; the ways out where some are not."""
    lines = [*_fresh_lines(found), *_damage_lines(found), *_stale_lines(found)]
    write_lines(stream or sys.stdout, [*(lines or [line("no gate has started")]), *_ways_out(folder, found, ())])


def print_staleness(
    folder: Path, found: Sequence[Freshness], overrides: Sequence[str] = (), stream: TextIO | None = None
) -> None:
    """Write which gates' results are stale (or would be, under ``overrides``) and the two ways out."""
    write_lines(stream or sys.stdout, staleness_lines(folder, found, overrides))


def staleness_lines(folder: Path, found: Sequence[Freshness], overrides: Sequence[str] = ()) -> list[Line]:
    """Return the stale gates and each difference once, then the ways out."""
    return [*_damage_lines(found), *_stale_lines(found), *_ways_out(folder, found, overrides)]


def _ways_out(folder: Path, found: Sequence[Freshness], overrides: Sequence[str]) -> list[Line]:
    stale = [item.gate.upper() for item in found if item.damage or not item.fresh]
    if not stale:
        return []
    damaged = [item.gate.upper() for item in found if item.damage]
    if damaged == stale:
        again = command(folder, f"rewind {damaged[0]}")
        what = (f"   or restore the files; a rewind runs {damaged[0]} again and keeps the old files", "dim")
        return [line(("next:  ", "dim"), (again, "command"), what, hang=7)]
    with_them = "".join(f" {shlex.quote(override)}" for override in overrides)
    new, rewind = new_command(folder, overrides), command(folder, f"rewind {stale[0]}{with_them}")
    again = stale[0] if stale[0] == LAST.upper() else f"{stale[0]} and the gates after it"
    return [
        line(("next:  ", "dim"), (new, "command"), ("   another run; this one stays as it is", "dim"), hang=7),
        line(("   or: ", "dim"), (rewind, "command"), (f"   runs {again} again; keeps the old attempt", "dim"), hang=7),
    ]


def _fresh_lines(found: Sequence[Freshness]) -> list[Line]:
    return [
        line(("✓ ", "good"), f"{item.gate.upper()}  up to date") for item in found if item.fresh and not item.damage
    ]


def _damage_lines(found: Sequence[Freshness]) -> list[Line]:
    lines = []
    for item in found:
        if item.damage:
            what = ": its files changed after it finished"
            lines.append(line(("✗ ", "no"), f"{item.gate.upper()}  ", ("modified", "no"), what))
            lines += [line("    ", sentence, hang=6) for sentence in item.damage[:_SHOWN]]
            lines += _more_lines(len(item.damage))
    return lines


def _stale_lines(found: Sequence[Freshness]) -> list[Line]:
    """Return the stale gates in one line, then each difference once, with its gates where it is not all of them."""
    stale = [item for item in found if not item.fresh]
    if not stale:
        return []
    gates: dict[str, list[str]] = {}
    for item in stale:
        for reason in item.reasons:
            gates.setdefault(reason, []).append(item.gate.upper())
    all_of = [item.gate.upper() for item in stale]
    differences = [
        line("    ", reason, ("" if of == all_of else f"  (gate {', '.join(of)})", "dim"), hang=6)
        for reason, of in gates.items()
    ]
    head = line(("✗ ", "no"), f"{', '.join(all_of)}  ", ("stale", "no"), ": computed from other inputs")
    return [head, *differences[:_SHOWN], *_more_lines(len(differences))]


def _more_lines(total: int) -> list[Line]:
    more = more_text(total - _SHOWN, where="status --why --json")
    return [line(f"    {more}")] if more else []
