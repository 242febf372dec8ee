"""A running gate: that it is alive, that it makes progress, how long it takes and by what measure, what is safe."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from env.heartbeat import Pulse
from env.wording.counts import counted
from gates import stores
from runner.screens.ink import NO_BREAK, Line, Span, line
from runner.screens.latest import last_losses, last_notices, last_verdicts
from runner.views.folder_facts import newest_checkpoint, stops_after
from runner.views.run_view import IDLE_AFTER_S, SILENT_AFTER_S, RunView
from runner.views.wording import clock_text, countdown_text, duration_text, parse_time, rate_text

# A smaller clock change is not worth a line.
_CLOCK_GAP_S = 5.0
_BAR_COLUMNS = 24
_LABEL = 10


def worker_lines(view: RunView, now: datetime | None = None) -> list[Line]:
    """Return the process, its heartbeat, how to attach, what is safe; then what is unusual, if anything is."""
    now = now or datetime.now().astimezone()
    parts = [_pulse_span(view, now)]
    if view.attach:
        parts.append((view.attach, "command"))
    if view.pulse is not None and (safe := _safe_text(view, view.pulse)):
        parts.append((safe, "dim"))
    memory = [line((_memory_text(view.pulse), "dim"))] if view.pulse is not None else []
    return [line(*_joined(parts)), *memory, *_odd_lines(view, now)]


def left_text(view: RunView) -> str:
    """Return '2 h 27' or '0:32': the time left in the phase; "" where unknown, or where nothing moves."""
    pulse = view.pulse
    if pulse is None or pulse.eta_s is None or not pulse.done < pulse.total or _is_idle(view):
        return ""
    return duration_text(pulse.eta_s) if pulse.eta_s >= 60 else countdown_text(pulse.eta_s)


def basis_text(pulse: Pulse) -> str:
    """Return '24/s over 60 s', or '41,200 tokens, 310/s over 60 s': the rate behind the time left.

    "" before the second pulse.
    """
    over = f" over {duration_text(pulse.rate_over_s)}" if pulse.rate_over_s else ""
    if pulse.tokens_per_s:
        return f"{counted(pulse.tokens, 'token')}, {rate_text(pulse.tokens_per_s)}{over}"
    return f"{rate_text(pulse.rate)}{over}" if pulse.rate else ""


def progress_lines(view: RunView, now: datetime | None = None) -> list[Line]:
    """Return what only a live screen shows: the bar, the time left with its basis, the last numbers and warnings."""
    now = now or datetime.now().astimezone()
    pulse, folder = view.pulse, Path(view.folder)
    if pulse is None:
        return []
    lines = [_labelled("now", *_bar_spans(pulse, view))]
    if basis := basis_text(pulse):
        left = left_text(view)
        done_at = (now + timedelta(seconds=pulse.eta_s or 0)).isoformat()
        at = f" · {left} left · this phase ends about {clock_text(done_at, now)}" if left else ""
        lines.append(_labelled("pace", basis + at))
    losses = last_losses(folder) if stores(pulse.gate, "checkpoints") else None
    if losses is not None:
        text = f"{losses.values[-1]:.3f} at step {losses.step:,}  "
        lines.append(
            _labelled(
                "loss", text, (losses.sparkline, "live"), (f"  last {counted(len(losses.values), 'step')}", "dim")
            )
        )
    verdicts = last_verdicts(folder, pulse) if stores(pulse.gate, "samples") else None
    if verdicts is not None:
        counts = "  ".join(f"{name} {number}" for name, number in verdicts.outcomes)
        lines.append(_labelled("verdicts", counts, (f"  last {counted(verdicts.n, 'sample')}", "dim")))
    notices = (_labelled("notice", (text, "odd")) for text in last_notices(folder, pulse.gate))
    return [*lines, *(replace(notice, cut=True) for notice in notices)]


def _joined(parts: list[Span]) -> list[Span]:
    """Return the parts with dots between them; a line is broken between parts, not within one."""
    whole = [(text.replace(" ", NO_BREAK), style) for text, style in parts]
    spans = whole[:1]
    for part in whole[1:]:
        spans += [(f" ·{NO_BREAK}", "dim"), part]
    return spans


def _labelled(label: str, *parts: str | Span) -> Line:
    return line("  ", (label.ljust(_LABEL), "dim"), *parts, hang=2 + _LABEL)


def _bar_spans(pulse: Pulse, view: RunView) -> list[Span]:
    since = f"for {duration_text(pulse.phase_s + (view.pulse_age_s or 0.0))}".replace(" ", NO_BREAK)
    if not pulse.total:
        return [(f"{pulse.phase}{f'  {pulse.message}' if pulse.message else ''}", ""), (f"  {since}", "dim")]
    filled = min(_BAR_COLUMNS, _BAR_COLUMNS * pulse.done // pulse.total)
    bar: list[Span] = [("━" * filled, "live"), ("─" * (_BAR_COLUMNS - filled), "dim")]
    return [*bar, (f" {pulse.done:,}/{pulse.total:,} {pulse.unit}", ""), (f"  {pulse.phase} {since}", "dim")]


def _pulse_span(view: RunView, now: datetime) -> Span:
    pulse, held_by = view.pulse, view.holder
    host = held_by.host if held_by is not None and held_by.liveness == "elsewhere" else ""
    on_host = f" on {host}" if host else ""
    if pulse is None or view.pulse_age_s is None:
        pid = f"pid {held_by.pid}{on_host}" if held_by is not None and held_by.pid else "running"
        since = clock_text(held_by.since, now) if held_by is not None else ""
        return (f"{pid}, no heartbeat yet{f', since {since}' if since else ''}", "dim")
    who = f"worker pid {pulse.pid}{on_host}"
    if view.pulse_age_s > SILENT_AFTER_S:
        return (f"{who}, silent for {duration_text(view.pulse_age_s)}", "odd")
    return (f"{who}, heartbeat {view.pulse_age_s:.0f} s ago", "dim")


def _safe_text(view: RunView, pulse: Pulse) -> str:
    if not stores(pulse.gate, "checkpoints"):
        return "every counted sample is stored" if pulse.done and pulse.unit == "samples" else ""
    step = newest_checkpoint(Path(view.folder) / f"gate_{pulse.gate}")
    return f"checkpoint {step} is safe" if step else ""


def _memory_text(pulse: Pulse) -> str:
    parts = [f"{pulse.rss_mb:,.0f} MB"]
    if pulse.free_gb is not None:
        parts.append(f"{pulse.free_gb:.1f} GB free")
    if pulse.gpu_total_gb is not None:
        busy = f"{pulse.gpu_busy_pct:.0f}% busy, " if pulse.gpu_busy_pct is not None else ""
        parts.append(f"GPU {busy}{pulse.gpu_used_gb or 0.0:.1f} of {pulse.gpu_total_gb:.1f} GB")
    return " · ".join(parts)


def _odd_lines(view: RunView, now: datetime) -> list[Line]:
    """Return a line for each thing that needs attention, with its start."""
    lines = []
    if view.stopping is not None:
        after = stops_after(view.pulse.gate, view.pulse) if view.pulse is not None else "starting"
        lines.append(f"stopping since {_moment(view.stopping.at, now)}: after {after}")
    log = f"logs/gate_{view.pulse.gate}.log" if view.pulse is not None else "logs/"
    if view.holder is not None and view.holder.liveness == "dead":
        lines.append(f"its supervisor, pid {view.holder.pid}, is gone; the worker ends as soon as it notices")
    if view.pulse_age_s is not None and view.pulse_age_s > SILENT_AFTER_S:
        since = _since(view.pulse_age_s, now)
        lines.append(f"no heartbeat since {since}: frozen, or the machine swaps or sleeps; see {log}")
    elif _is_idle(view) and view.pulse is not None:
        since = _since(view.idle_s or 0.0, now)
        lines.append(f"alive, but no progress in {view.pulse.phase} since {since}; see {log}")
    if view.pulse is not None and abs(view.clock_gap_s) > _CLOCK_GAP_S:
        lines.append(_clock_text(view))
    return [line(("! ", "odd"), (text, "odd"), hang=2) for text in lines]


def _is_idle(view: RunView) -> bool:
    return view.idle_s is not None and view.idle_s > IDLE_AFTER_S


def _moment(at: str, now: datetime) -> str:
    """Return 'Fri 09:02, 14 s ago' of an ISO time."""
    moment = parse_time(at)
    ago = f", {duration_text(max(0.0, (now - moment).total_seconds()))} ago" if moment is not None else ""
    return f"{clock_text(at, now)}{ago}"


def _since(seconds: float, now: datetime) -> str:
    return clock_text((now - timedelta(seconds=seconds)).isoformat(), now)


def _clock_text(view: RunView) -> str:
    gap = duration_text(abs(view.clock_gap_s))
    if view.clock_gap_s > 0:
        return f"since that heartbeat the clock moved {gap} ahead, or the machine slept"
    if view.holder is not None and view.holder.liveness == "elsewhere":
        return f"the clock of {view.holder.host} is {gap} ahead of this one's"
    return f"since that heartbeat the clock was set back by {gap}"
