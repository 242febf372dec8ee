"""Why a real Luau program does not pass alone, by its verdict and its text: what it lacks, or what it does."""

from __future__ import annotations

import re
from collections.abc import Iterator

from eval.domains.roblox.api import facts
from eval.domains.roblox.findings.program.inference import infer
from eval.domains.roblox.findings.program.tree import NotRead, read
from eval.records import Outcome, Verdict

# Where an identifier is no name that is read: a declaration, a key, a type.
_NOT_READ = frozenset(
    [
        "variable_list",
        "parameter",
        "parameters",
        "function_declaration",
        "type_definition",
        "object_type",
        "function_type",
    ]
)
_NIL = re.compile(r"\bnil\b|missing or nil")
_MISSING = re.compile(r"is not a valid member of|cannot be found|is not a valid Service")
_OF_OUTCOME = {
    Outcome.SYNTAX_ERROR: "it does not compile",
    Outcome.NEEDS_STUDIO: "it needs Studio",
    Outcome.TIMEOUT: "it never ends: a loop without a wait",
    Outcome.MEMORY: "it takes more memory than a program may",
}


def kind_of(code: str, verdict: Verdict) -> str:
    """Return the kind of reason why ``code`` did not pass; its verdict's own words where no kind fits."""
    if verdict.outcome in _OF_OUTCOME:
        return _OF_OUTCOME[verdict.outcome]
    if _MISSING.search(verdict.detail):
        return "it names parts of a place that is not there"
    if _NIL.search(verdict.detail) and any(undefined_names(code)):
        return "it reads names that the text around it defines, or nobody"
    if _NIL.search(verdict.detail):
        return "it uses what a place or a module would have given: nil here"
    return f"{verdict.outcome} {verdict.detail}"


def undefined_names(code: str) -> Iterator[str]:
    """Yield the names that a program reads and that neither it nor the engine defines."""
    try:
        reading = infer(read(code))
    except NotRead:
        return
    api = facts.load()
    known = {"self", *api.others, *api.classes, *reading.written_globals}
    known |= {name for kind in ("Luau globals", "Roblox globals") for name in api.others[kind]}
    for node in reading.tree.kinds.get("identifier", ()):
        parent = node.parent
        is_key = node.field in ("field", "method") or (
            node.field == "name" and parent is not None and parent.kind == "field"
        )
        is_read = not is_key and parent is not None and parent.kind not in _NOT_READ
        name = reading.tree.text(node)
        if is_read and node not in reading.bindings and name not in known:
            yield name
