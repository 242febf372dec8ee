"""What every phase of a round works with: the model, the verifier, the tasks, and where a round's files are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from eval.domains import Domain
from eval.pipeline.prompts import PromptForm
from eval.pipeline.sampling import SamplingSettings
from eval.pipeline.verifier import Verifier
from eval.records import Dataset, Task
from gates.context import GateContext
from gates.measuring.bench import sampling_settings
from gates.measuring.pace import samples_per_call
from gates.measuring.prompting import prompt_of
from gates.recipe_settings import RejectionSection
from training.backends.base import LoadedModel


@dataclass(frozen=True, slots=True)
class Workshop:
    """Everything that a round needs, opened; ``tasks`` are those of the pool, by id and in order."""

    context: GateContext
    settings: RejectionSection
    model: LoadedModel
    verifier: Verifier
    domain: Domain
    dataset: Dataset
    tasks: Mapping[str, Task]
    form: PromptForm

    @property
    def sampling(self) -> SamplingSettings:
        """How answers are drawn: as in measuring, at a temperature of their own."""
        measured = sampling_settings(self.context.experiment, self.model, self.form)
        calls = samples_per_call(self.context)
        return replace(measured, temperature=self.settings.temperature, samples_per_call=calls)

    def prompt(self, task: Task) -> str:
        """Return what the model reads of a task; a model that thinks is asked so that it does."""
        return prompt_of(task, self.model, self.form)

    def folder(self, number: int) -> Path:
        """Return the folder of a round; 0 is the drawer's."""
        return round_folder(self.context.folder, number)


def round_folder(gate_folder: Path, number: int) -> Path:
    """Return where a round keeps its files."""
    return gate_folder / "rounds" / str(number)
