"""What an editor or agent may ask: run code in the sandbox, read it, look at a run. Nothing here writes a file."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

from env.refusal import Refusal
from eval.domains import Project, domain_named, open_verifier, scorer_of
from eval.interop.projects import Found, find_projects, told_domain
from eval.interop.verifying import verify_projects
from eval.pipeline.verifier import Verifier, VerifierSettings

# Longer texts are no programs that anyone wrote.
MAX_CHARACTERS = 1024 * 1024


@dataclass
class Toolbox:
    """The tools over verifiers that stay open; a context manager, whose end ends their processes.

    Attributes:
        settings: limits of a program; each domain's best verifier takes them.
        root: files outside this folder are refused.
        status: returns the status of a run by name, "" the current one.
    """

    settings: VerifierSettings
    root: Path
    status: Callable[[str], dict[str, Any]]
    _opened: dict[str, Verifier] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)
    _lock: Lock = field(default_factory=Lock)

    def __enter__(self) -> Toolbox:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def verify(self, code: str, domain: str = "") -> dict[str, Any]:
        """Run a Luanti mod's or Roblox script's code in a sandbox. Returns outcome, error, findings and what it made.

        PASSED means that it ran without an error, not that it does what it should. domain: "luanti", "roblox", or ""
        to find out from the code.
        """
        return self._verified(_of_text(code, domain))

    def verify_path(self, path: str, domain: str = "") -> dict[str, Any]:
        """Run a Lua or Luau file, a mod's folder or a Rojo project as `verify` does. path: in the server's folder."""
        target = (self.root / path).resolve()
        if not target.is_relative_to(self.root.resolve()):
            raise Refusal(f"{path} is outside {self.root}.", "Name a path inside it, or start with another --root.")
        return self._verified(find_projects([target], domain))

    def lint(self, code: str, domain: str = "") -> dict[str, Any]:
        """Read code without running it: unknown or deprecated API names, likely mistakes."""
        found = _of_text(code, domain)
        return {"domain": found.domain.name, "findings": list(scorer_of(found.domain).findings(code))}

    def run_status(self, run: str = "") -> dict[str, Any]:
        """Return the state of a fine-tuning experiment: gates, verdict, next step. run: a name; "" the current."""
        return self.status(run)

    def _verified(self, found: Found) -> dict[str, Any]:
        with self._lock:
            name = found.domain.name
            if name not in self._opened:
                settings = replace(self.settings, name=next(iter(found.domain.verifiers)))
                self._opened[name] = self._stack.enter_context(open_verifier(found.domain, settings))
        programs = [one.to_json() for one in verify_projects(found, self._opened[name])]
        return {"domain": name, "verifier": self._opened[name].name, "programs": programs}


def _of_text(code: str, domain: str) -> Found:
    if not code.strip():
        raise Refusal("The code is empty.", "Give a program.")
    if len(code) > MAX_CHARACTERS:
        raise Refusal(f"The code has {len(code):,} characters, more than {MAX_CHARACTERS:,}.", "Give less of it.")
    project = Project("code", code, {"code.lua": code})
    chosen, why = (domain_named(domain), "requested") if domain else told_domain([project])
    return Found(chosen, why, (project,))
