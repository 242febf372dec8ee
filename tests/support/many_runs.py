"""Fills a results folder with finished runs, for what must stay quick however many there are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.support.run_factory import make_run
from tests.support.story import Story


def fill(results: Path, number: int) -> list[Path]:
    """Make ``number`` finished runs in ``results``: one that is drawn, and copies under names of their own."""
    first = make_run(results, Story()).folder
    made = [first]
    for index in range(1, number):
        folder = results / f"2026-11-{index % 28 + 1:02d}_tiny_{index:04x}"
        shutil.copytree(first, folder)
        info = json.loads((folder / "run.json").read_text(encoding="utf-8")) | {"id": folder.name}
        (folder / "run.json").write_text(json.dumps(info), encoding="utf-8")
        made.append(folder)
    return made
