"""Exporting an adapter from a run: which cell, whether its verdict allows it, and how the export records its origin."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from env.counts import counted
from env.files import make_folder, sha256_file, sync_folder, write_atomic
from env.refusal import Refusal
from env.space import DiskFull
from eval.decision.verdict import Decision
from gates.report import GateReport, read_report
from gates.report.results import BaseFacts, DecisionResults, SweepResults, TrainingResults

if TYPE_CHECKING:
    from eval.decision.cells import Cell
    from gates.settings import Experiment
    from training.exports import Form, RoundTrip

SCHEMA_VERSION = 1
PROVENANCE = "provenance.json"
CARD = "README.md"
# card, provenance, configuration and tokenizer
_SMALL_FILES_BYTES = 20_000_000


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an export comes from.

    Attributes:
        decision: Gate E's, on one cell; None before it.
        base: the base model that the adapter was trained on.
        prompts: some that it was measured on; () before Gate E.
    """

    run: str
    cell: Cell
    checkpoint: Path
    adapter_digest: str
    decision: Decision | None
    base: BaseFacts
    prompts: tuple[str, ...]
    reports: dict[str, GateReport]

    @property
    def verdict(self) -> str:
        """Return PROCEED, ADJUST or INCONCLUSIVE; "UNDECIDED" before Gate E."""
        return "UNDECIDED" if self.decision is None else str(self.decision.verdict)

    @property
    def decided(self) -> str | None:
        """Return the cell that the decision is about; None before Gate E."""
        return None if self.decision is None else self.decision.cell

    @property
    def headline(self) -> str:
        """Return the decision in one line; "" before Gate E."""
        return "" if self.decision is None else self.decision.headline

    @property
    def is_allowed(self) -> bool:
        """Whether the run's decision is PROCEED for this very cell."""
        return self.verdict == "PROCEED" and self.decided == self.cell.name


def export_cell(
    run_dir: Path,
    experiment: Experiment,
    cell_name: str,
    form: Form,
    to: Path,
    anyway: bool,
    write_card: Callable[[Origin, Experiment, Form, RoundTrip], str] | None = None,
) -> tuple[Origin, RoundTrip]:
    """Write the cell (the chosen one where ``cell_name`` is "") of a run into the new folder ``to``.

    Args:
        write_card: returns the card's text; ``card`` where it is None.

    Raises:
        Refusal: the folder exists, there is no such cell, its checkpoint is damaged, the decision does not support
            it (unless ``anyway``), or the export, read back, does not compute what was measured.
    """
    from training.exports import ExportRequest
    from training.models import export_adapter

    if to.exists():
        raise Refusal(f"{to} already exists, and nothing is overwritten.", "Give a folder that does not exist yet.")
    origin = find_origin(run_dir, cell_name)
    if not origin.is_allowed and not anyway:
        raise Refusal(
            f"The verdict of {origin.run} on {origin.cell.name} is {verdict_on(origin)}.",
            "Add --anyway to export it; its card will say so.",
        )
    make_folder(to.parent)
    require_room(experiment, origin.checkpoint, form, to)
    partial = to.with_name(f".{to.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    make_folder(partial)
    try:
        request = ExportRequest(origin.checkpoint, origin.cell.scale, form, partial, _texts(origin))
        found = export_adapter(experiment.backend.name, experiment.model, request)
        write_atomic(partial / CARD, (write_card or card)(origin, experiment, form, found))
        document = provenance(origin, experiment, form, found, partial)
        write_atomic(partial / PROVENANCE, json.dumps(document, indent=2, allow_nan=False) + "\n")
        partial.rename(to)
        sync_folder(to.parent)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        # libraries written in other languages report it only as text
        if isinstance(error, Exception) and "No space left on device" in str(error):
            raise DiskFull(to, export_bytes(experiment, origin.checkpoint, form), "the export") from error
        raise
    return origin, found


def require_room(experiment: Experiment, checkpoint: Path, form: Form, to: Path) -> None:
    """Raise DiskFull unless the export fits on the disk of ``to``, whose parent exists; nothing is loaded."""
    needed = export_bytes(experiment, checkpoint, form)
    if shutil.disk_usage(to.parent).free < needed:
        raise DiskFull(to, needed, "the export")


def export_bytes(experiment: Experiment, checkpoint: Path, form: Form) -> int:
    """Return about how many bytes an export takes: the adapter's file, or the whole base as its files hold it."""
    from training.checkpoints import ADAPTER_WEIGHTS
    from training.models import local_folder
    from training.needs.weight_headers import read_tensors

    if form != "merged":
        copies = 2 if form == "gguf" else 1
        return copies * (checkpoint / ADAPTER_WEIGHTS).stat().st_size + _SMALL_FILES_BYTES
    folder = local_folder(experiment.model)
    return (read_tensors(folder).unpacked_bytes if folder else 0) + _SMALL_FILES_BYTES


def find_origin(run_dir: Path, cell_name: str) -> Origin:
    """Return the origin of a run's cell, its checkpoint's files hashed. Raises Refusal as ``export_cell``."""
    from eval.decision.cells import cell_from_name
    from training.checkpoints import read_checkpoint

    reports = {gate: report for gate in "bcde" if (report := read_report(run_dir / f"gate_{gate}" / "report.json"))}
    training, sweep, decided = (reports[gate].results if gate in reports else None for gate in "cde")
    if not isinstance(training, TrainingResults):
        raise Refusal(f"{run_dir.name} has no trained adapter yet.", "`python -m runner advance` continues it.")
    if not cell_name and not isinstance(sweep, SweepResults):
        raise Refusal(f"{run_dir.name} has not chosen a cell yet.", "Advance it, or name one with --cell.")
    cell = cell_from_name(cell_name or (sweep.chosen.cell if isinstance(sweep, SweepResults) else ""))
    trained = {row.name: row for row in training.checkpoints}
    if cell.checkpoint not in trained:
        raise Refusal(
            f"{run_dir.name} has no checkpoint {cell.checkpoint} that can be exported.",
            f"Checkpoints: {', '.join(trained)}.",
        )
    row = trained[cell.checkpoint]
    checkpoint = read_checkpoint(run_dir / row.folder)
    if checkpoint.digest != row.digest:
        raise Refusal(f"{checkpoint.folder}: not the adapter that gate C reported.", "Restore it.")
    return Origin(
        run=run_dir.name,
        cell=cell,
        checkpoint=checkpoint.folder,
        adapter_digest=checkpoint.digest,
        decision=decided.decision if isinstance(decided, DecisionResults) else None,
        base=training.base,
        prompts=tuple(task.instruction for task in decided.tasks[:4]) if isinstance(decided, DecisionResults) else (),
        reports=reports,
    )


def provenance(origin: Origin, experiment: Experiment, form: Form, found: RoundTrip, folder: Path) -> dict[str, Any]:
    """Return provenance.json: everything that links the files of an export to the run, by digest."""
    return {
        "schema_version": SCHEMA_VERSION,
        "run": origin.run,
        "cell": origin.cell.name,
        "scale": origin.cell.scale,
        "form": form,
        "verdict": origin.verdict,
        "verdict_is_on_this_cell": origin.decided == origin.cell.name,
        "headline": origin.headline,
        "base": {"name": experiment.model.path, "digest": origin.base.digest, "parts": dict(origin.base.parts)},
        "adapter": origin.adapter_digest,
        "lora": asdict(experiment.gate.c.lora),
        "train": asdict(experiment.gate.c.train),
        "round_trip": asdict(found),
        "versions": origin.reports["c"].versions,
        "reports": {gate: report.inputs for gate, report in origin.reports.items()},
        "files": {file.name: sha256_file(file) for file in sorted(folder.iterdir()) if file.is_file()},
    }


def card(origin: Origin, experiment: Experiment, form: Form, found: RoundTrip) -> str:
    """Return README.md: what a reader outside the project must know, warning first where the verdict is not PROCEED."""
    from training.models import hub_name, source_note

    base, lora = experiment.model.path, experiment.gate.c.lora
    source = source_note(base)
    library = "transformers" if form == "merged" else "peft"
    lines = ["---", f"base_model: {hub_name(base)}", f"library_name: {library}", "tags: [lora, luagate]", "---", ""]
    lines += [f"# {origin.run}, {origin.cell.name}", ""]
    if not origin.is_allowed:
        lines += [f"**Exported with --anyway: the verdict on it is {verdict_on(origin)}.**", ""]
    lines += [what_it_is(origin, form), ""]
    lines += [f"* decision: {origin.headline}"] if origin.headline else []
    lines += [
        f"* base: {base}, digest {origin.base.digest[:16]}" + (f"; {source}" if source else ""),
        f"* trained: rank {lora.r}, alpha {lora.alpha:g} on {', '.join(lora.target_modules)}, "
        f"{counted(origin.cell.step, 'step')}",
        f"* adapter digest: {origin.adapter_digest[:16]}",
        f"* read back: {found.sentence}",
        f"* full provenance: {PROVENANCE}",
        "",
        "Load it from inside this folder:",
        "",
        *loading_lines(experiment, form),
    ]
    return "\n".join(lines) + "\n"


def what_it_is(origin: Origin, form: Form) -> str:
    """Return in a sentence what an export holds."""
    if form == "merged":
        return f"The base model with a LoRA adapter merged in at scale {origin.cell.scale:g}; it is not quantised."
    return (
        f"A LoRA adapter with the scale {origin.cell.scale:g} multiplied into its matrices: load it at its own scale."
    )


def loading_lines(experiment: Experiment, form: Form) -> list[str]:
    """Return how to load an export from inside its folder, as Markdown, with nothing of this project."""
    code = _MERGED if form == "merged" else _adapter_lines(experiment)
    return ["```python", *code, "```", *(_LLAMA_CPP if form == "gguf" else ())]


def _adapter_lines(experiment: Experiment) -> list[str]:
    """Return the lines of Python that load an adapter from inside its folder, with nothing of this project."""
    from training.models import unpacking_lines

    base = unpacking_lines(experiment.model.path) or _base_lines(_base_to_load(experiment))
    return ["from peft import PeftModel", *base, 'model = PeftModel.from_pretrained(model, ".")']


def _base_to_load(experiment: Experiment) -> str:
    """Return what names the base to another library: its hub name, or the folder it lies in here."""
    from training.models import local_folder

    name = experiment.model.path
    if "/" in name and not Path(name).is_dir():
        return name
    return str(local_folder(experiment.model) or name)


def _base_lines(base: str) -> list[str]:
    return [
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        f"tokenizer = AutoTokenizer.from_pretrained({base!r})",
        f"model = AutoModelForCausalLM.from_pretrained({base!r})",
    ]


_MERGED = (
    "from transformers import AutoModelForCausalLM, AutoTokenizer",
    "",
    'tokenizer = AutoTokenizer.from_pretrained(".")',
    'model = AutoModelForCausalLM.from_pretrained(".")',
)

_LLAMA_CPP = (
    "",
    "The same adapter for llama.cpp, over a GGUF file of the same base:",
    "",
    "```sh",
    "llama-server -m BASE.gguf --lora adapter.gguf",
    "```",
)


def verdict_on(origin: Origin) -> str:
    """Return the verdict on an origin's cell, in words."""
    if origin.decided is None:
        return "UNDECIDED: gate E has not decided on it"
    if origin.decided != origin.cell.name:
        return f"UNDECIDED: gate E decided on {origin.decided} ({origin.verdict})"
    return origin.verdict


def _texts(origin: Origin) -> tuple[str, ...]:
    """Return prompts that the base was measured on; logits are compared on them."""
    return origin.prompts or ("Register a node.", "local mod = {}\nreturn mod")
