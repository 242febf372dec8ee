"""The commands that take an adapter out of a run: export it, publish it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from env.refusal import Refusal
from env.silence import turn_to
from runner.cli.app import Results, RunName, app, existing_run, say
from runner.runs.locations import RESULTS


class Form(StrEnum):
    """What is written: the adapter with its scale baked in, the base with it merged in, or llama.cpp's adapter too."""

    ADAPTER = "adapter"
    MERGED = "merged"
    GGUF = "gguf"


@app.command()
def export(
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="A folder that does not exist yet.")],
    form: Annotated[
        Form,
        typer.Option(
            "--form", help="The adapter at its scale, the base with it merged in, or the adapter for llama.cpp too."
        ),
    ] = Form.ADAPTER,
    cell: Annotated[str, typer.Option("--cell", help="A cell, e.g. step-000100_x0.50; default: the chosen one.")] = "",
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Export even if the verdict is not PROCEED; the card says so.")
    ] = False,
    run: RunName = None,
    results: Results = RESULTS,
) -> None:
    """Export the adapter, or the merged model.

    Its scale is baked in; the files are read back and compared with what was measured.
    """
    from runner.release.export import export_cell
    from runner.runs.config import read_older_config

    folder = existing_run(results, run)
    experiment = read_older_config(folder / "config.yaml")
    turn_to("exporting: the model is loaded, the files are written, read back and compared")
    origin, found = export_cell(folder, experiment, cell, form.value, to.expanduser().absolute(), anyway)
    say(f"{origin.cell.name} of {origin.run}, verdict {origin.verdict}\n{found.sentence}\n{to}")


@app.command()
def publish(
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="A folder that does not exist yet.")],
    repo: Annotated[str, typer.Option("--repo", metavar="USER/NAME", help="Where --push uploads it.")] = "",
    push: Annotated[bool, typer.Option("--push", help="Upload it; without it nothing leaves this machine.")] = False,
    public: Annotated[bool, typer.Option("--public", help="A new repository is public; default: private.")] = False,
    form: Annotated[Form, typer.Option("--form", help="As for `export`.")] = Form.ADAPTER,
    licence: Annotated[str, typer.Option("--license", metavar="SPDX", help="The adapter's licence.")] = "",
    benchmark: Annotated[
        str, typer.Option("--benchmark", metavar="USER/NAME", help="The hub's data set of the tasks, if there is one.")
    ] = "",
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Even if the verdict is not PROCEED; the card says so.")
    ] = False,
    run: RunName = None,
    results: Results = RESULTS,
) -> None:
    """Export with a full model card; --push uploads it.

    The card has every number with its interval, what was not measured, and results in the hub's own formats.
    """
    from runner.publishing.publish import Request, require_repo
    from runner.publishing.publish import publish as write_folder
    from runner.publishing.publish import push as upload

    if push and not repo:
        raise Refusal("--push needs to know where.", "Give --repo USER/NAME.")
    if repo:
        require_repo(repo)
    folder = existing_run(results, run)
    target = to.expanduser().absolute()
    turn_to("exporting: the model is loaded, the files are written, read back and compared")
    origin = write_folder(folder, Request(target, form.value, licence, benchmark, anyway))
    say(f"{origin.cell.name} of {origin.run}, verdict {origin.verdict}\n{to}")
    if push:
        say(upload(target, repo, is_private=not public))
    elif repo:
        say(f"not uploaded: --push uploads it to {repo}")
