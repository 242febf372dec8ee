"""The commands that judge what was made elsewhere: programs of any origin, and others' completions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from runner.cli.app import AsJson, app, print_json
from runner.runs.exit_codes import Exit


@app.command()
def verify(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Lua or Luau files, a mod, a Rojo project, folders of them.")
    ],
    domain: Annotated[str, typer.Option(help="What they are for; default: by the names that they use.")] = "",
    verifier: Annotated[str, typer.Option(help="What runs them; default: the domain's best here.")] = "",
    strict: Annotated[bool, typer.Option("--strict", help="Findings count as failures.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run programs in the sandbox: errors, findings, what they make.

    No model and no task: for code of any origin. Ends with 3 where one fails, with 1 where one could not be judged.
    """
    from eval.domains import open_verifier
    from eval.interop.projects import find_projects
    from eval.interop.verifying import verify_projects
    from eval.records import Outcome
    from runner import screens
    from runner.runs.config import compose_experiment

    found = find_projects(paths, domain)
    experiment, _ = compose_experiment([])
    settings = replace(experiment.verifier, name=verifier or next(iter(found.domain.verifiers)))
    verified = []
    with open_verifier(found.domain, settings) as opened:
        for one in verify_projects(found, opened):
            verified.append(one)
            if not as_json:
                screens.print_verified(one)
        judge = f"{opened.name}, isolation {opened.isolation}"
    failed = [one for one in verified if one.verdict.outcome != Outcome.PASSED or (strict and one.findings)]
    if as_json:
        about = {"domain": found.domain.name, "verifier": opened.name, "isolation": opened.isolation}
        print_json({**about, "programs": [one.to_json() for one in verified], "failed": len(failed)})
    else:
        screens.print_verified_end(found, verified, len(failed), judge)
    if any(one.verdict.outcome == Outcome.HARNESS_ERROR for one in failed):
        raise typer.Exit(Exit.CRASHED)
    if failed:
        raise typer.Exit(Exit.GATE_SAID_NO)
