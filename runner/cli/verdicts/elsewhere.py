"""The commands that judge what was made elsewhere: programs of any origin, others' completions, an editor's code."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from env.files import write_atomic
from env.refusal import Refusal
from env.silence import hand_over
from runner.cli.app import AsJson, Results, RunName, app, existing_run, print_json, say
from runner.runs.exit_codes import Exit
from runner.runs.locations import RESULTS


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


@app.command()
def score(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.jsonl", help="A line each: task_id, completion, and arm if several.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Whose tasks, e.g. dataset=luantibench; default: the run's."),
    ] = None,
    run: RunName = None,
    results: Results = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Judge completions made anywhere: pass@k with intervals.

    Several arms in a file are compared with the first one, task by task. Ends with 1 where one could not be judged.
    """
    from gates.outside_completions import score_completions, store_named
    from runner import screens
    from runner.runs.config import compose_experiment, read_older_config

    if not file.is_file():
        raise Refusal(f"{file}: no such file.", "Give a file of completions, one JSON object on each line.")
    if overrides:
        experiment, _ = compose_experiment(overrides)
    else:
        experiment = read_older_config(existing_run(results, run) / "config.yaml")
    store = results / "scores" / store_named(experiment, file)
    scored = score_completions(experiment, file, store)
    write_atomic(store / "score.json", json.dumps(scored.to_json(), indent=2, ensure_ascii=False) + "\n")
    if as_json:
        print_json(scored.to_json())
    else:
        screens.print_scored(scored)
        say(f"\nevidence: {store}: score.json, and every program with its verdict in samples.jsonl")
    if scored.harness_errors:
        raise typer.Exit(Exit.CRASHED)


@app.command()
def mcp(
    root: Annotated[Path, typer.Option("--root", metavar="FOLDER", help="Paths outside it are refused.")] = Path("."),
    results: Results = RESULTS,
) -> None:
    """Serve the verifiers to editors and agents (MCP, stdio).

    Tools: verify, verify_path, lint, run_status. docs/verify-and-score.md has the lines for a client.
    """
    from runner.assisting.mcp_server import mcp_server, require_sdk
    from runner.assisting.tools import Toolbox
    from runner.runs.config import compose_experiment
    from runner.runs.folder import Run
    from runner.views.run_view import view_run

    require_sdk()
    if not root.is_dir():
        raise Refusal(f"{root}: no such folder.", "Give the folder of your mod or project.")
    experiment, _ = compose_experiment([])

    def status(run: str) -> dict[str, Any]:
        view = view_run(Run.open(existing_run(results, run or None)))
        found: dict[str, Any] = json.loads(json.dumps(asdict(view), default=str))
        return found

    # its standard error is a log, and standard output carries the protocol
    hand_over()
    with Toolbox(replace(experiment.verifier, workers=1), root, status) as tools:
        mcp_server(tools).run("stdio")
