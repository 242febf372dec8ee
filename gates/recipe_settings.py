"""The keys of Gate C's recipes that are more than an adapter and a schedule. Defaults live in conf/, never here."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from gates.report.document import Document


class AnswerWeights(Document):
    """What each mark of an answer that passed counts in its score, and a judge's grade; 0 or more, of any sum."""

    syntax: float = Field(ge=0)
    api: float = Field(ge=0)
    bugs: float = Field(ge=0)
    quality: float = Field(ge=0)
    judge: float = Field(ge=0)

    @model_validator(mode="after")
    def _one_counts(self) -> Self:
        if not sum(self.model_dump().values()):
            raise ValueError("at least one weight must be above 0")
        return self


class RejectionSection(Document):
    """Rounds of rejection sampling: draw answers to training tasks, keep some that passed, train on them.

    Attributes:
        rounds: at most so many.
        samples: answers drawn for each task and round.
        temperature: of these; everything else of sampling is shared with measuring.
        tasks: training tasks that are drawn for, the first ones of the dataset; 0 is every training row with checks.
            More than dataset.rows are tasks without a gold answer, where the dataset deals its rows.
        drawer_steps: of supervised fine-tuning on the gold rows before the first round draws; 0: the base draws.
        keep, keep_per_task, threshold, weights, max_all_pass_pct: which answers are kept (eval/rejection/selection.py).
        gold: whether all gold rows are trained on beside them, or those alone whose task has no answer that is kept.
        start: whether a round trains from the base, or continues with the adapter of the round before.
        stop_when: "nothing_new" ends before a round that solved no task which was unsolved in every round before.
        failed_only: train on failed answers alone too, which must be clearly worse, or the instrument is wrong.
    """

    rounds: int = Field(ge=1)
    samples: int
    temperature: float = Field(gt=0)
    tasks: int = Field(ge=0)
    drawer_steps: int = Field(ge=0)
    keep: Literal["shortest", "best_score", "all_distinct"]
    keep_per_task: int = Field(ge=1)
    threshold: float = Field(ge=0, le=1)
    weights: AnswerWeights
    max_all_pass_pct: float = Field(ge=0, le=100)
    gold: Literal["mix", "only_unsolved"]
    start: Literal["base", "previous"]
    stop_when: Literal["never", "nothing_new"]
    failed_only: bool

    @field_validator("samples")
    @classmethod
    def _a_choice(cls, samples: int) -> int:
        if samples < 2:
            raise ValueError("must be at least 2: of one answer a task nothing can be chosen")
        return samples

    @property
    def controls(self) -> tuple[str, ...]:
        """The arms that are trained to be compared with, and can never be chosen."""
        return ("gold", "unjudged", *(("failed",) if self.failed_only else ()))
