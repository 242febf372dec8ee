"""Calls and plans as runs of the sandboxed judge: one a world, with all that the candidate may say as data.

A world is JSON with a key "simulator". "studio" executes the calls inside the VM, where their Luau runs; "traversal"
carries a plan out here, which runs nothing of the candidate's, and the VM only checks what came of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from eval.domains.roblox.studio.luau_literal import chunk
from eval.domains.roblox.studio.tools import fault
from eval.domains.roblox.studio.traversal.plan import carry_out
from eval.domains.roblox.studio.traversal.world import world_from
from eval.domains.roblox.studio.worlds import simulator_of
from eval.pipeline.forms.calls import Calls, MalformedCalls, NoCalls, find_calls, read_document
from eval.pipeline.verifier import Job


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
        try:
            return read_document(code)
        except MalformedCalls:
            return find_calls(code)
    except NoCalls as error:
        raise MalformedCalls(str(error)) from None


def _run(world: dict[str, Any], calls: Calls) -> Run:
    if world["simulator"] == "traversal":
        trace = carry_out(world_from(world), [(call.name, call.arguments) for call in calls.calls])
        return Run("trace", chunk(trace))
    offered = tuple(world["tools"])
    spelled = [
        {"name": call.name, "arguments": call.arguments, "fault": fault(call.name, call.arguments, offered)}
        for call in calls.calls
    ]
    told = [{key: value for key, value in call.items() if value != ""} for call in spelled]
    return Run("studio", chunk({"world": world, "calls": told, "answer": calls.answer}))
