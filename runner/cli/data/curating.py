"""The command that curates: from sources to rows that may be trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from env.locking import LockHeld
from env.refusal import Refusal
from runner.cli.app import AsJson, Overrides, app, print_json
from runner.runs.exit_codes import Exit


@app.command()
def curate(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe of conf/curation, or a YAML file.")],
    overrides: Overrides = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FOLDER", help="Where the files go; default: curated/RECIPE.", show_default=False
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run; write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Curate training rows: licensed, executed, balanced.

    Finished stages with the same inputs, settings and code are reused; a curation that was stopped continues.
    """
    from eval.curation.running import curate as run
    from eval.curation.running import preview, summary
    from runner import screens
    from runner.report.page.curation import write_curation
    from runner.runs.recipes import plan

    planned = plan(recipe, overrides or [], out)
    if dry_run:
        outcomes, page = preview(planned), None
    else:
        try:
            outcomes = run(planned).outcomes
        except LockHeld as held:
            told = f"Another process curates into {planned.out}: {held.holder}."
            screens.print_refusal(Refusal(told, "Wait until it ends, or name another folder by --out."))
            raise typer.Exit(Exit.HELD) from None
        page = write_curation(planned, outcomes)
    if as_json:
        print_json({**summary(outcomes), "out": str(planned.out), "dry_run": dry_run})
    else:
        screens.print_curation(outcomes, planned.out, page)
