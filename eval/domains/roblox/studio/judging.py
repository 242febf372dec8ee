"""Calls and plans as runs of the sandboxed judge: one a world, with all that the candidate may say as data.

A world is JSON with a key "simulator". "studio" executes the calls inside the VM, where their Luau runs; "traversal"
carries a plan out here, which runs nothing of the candidate's, and the VM only checks what came of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eval.domains.roblox.studio.luau_literal import chunk
from eval.domains.roblox.studio.tools import fault
from eval.domains.roblox.studio.traversal.plan import carry_out
from eval.domains.roblox.studio.traversal.world import world_from
from eval.domains.roblox.studio.worlds import simulator_of
from eval.pipeline.calls import Calls, MalformedCalls, find_calls, read_document
from eval.pipeline.verifier import Job
from eval.records import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the judge: the on-demand file to call, and the Luau chunk that gives it its data."""

    kind: str
    data: str


def is_simulated(job: Job) -> bool:
    """Whether a job's candidate is calls, to be run in a simulated world."""
    return any(simulator_of(world) for world in job.worlds)


def runs(job: Job) -> tuple[Run, ...]:
    """Return one run for each world of a job. Raises MalformedCalls where its code is no document of calls."""
    calls = _calls(job.code)
    return tuple(_run(json.loads(world), calls) for world in job.worlds)


def _calls(code: str) -> Calls:
    """Return the calls of a candidate: extraction wrote a document, a file of answers may hold any spelling."""
    try:
        return read_document(code)
    except MalformedCalls:
        return find_calls(code)


def _run(world: dict[str, Any], calls: Calls) -> Run:
    if world["simulator"] == "traversal":
        trace = carry_out(world_from(world), [(call.name, call.arguments) for call in calls.calls])
        return Run("trace", chunk(trace))
    offered = tuple(world["tools"])
    spelled = [
        {"name": call.name, "arguments": call.arguments, "fault": fault(call.name, call.arguments, offered)}
        for call in calls.calls
    ]
    return Run(
        "studio", chunk({"world": world, "calls": [_without_empty(call) for call in spelled], "answer": calls.answer})
    )


def _without_empty(call: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in call.items() if value != ""}


def combined(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the verdict on a candidate that was run in several worlds: the first that is no pass, else the first."""
    failed = [
        (number, verdict) for number, verdict in enumerate(verdicts, start=1) if verdict.outcome != Outcome.PASSED
    ]
    return failed[0][1] if failed else verdicts[0]
