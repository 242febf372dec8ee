"""A look at files of rows: what they hold, and what a run of a domain would leave out of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from env.refusal import Refusal
from eval.datasets.contents import Contents, contents_of
from eval.datasets.files.folders import files_of
from eval.datasets.files.hub import located
from eval.datasets.files.opening import open_rows
from eval.datasets.formats.reader import Record, read_records
from eval.datasets.formats.rows import read_source
from eval.datasets.formats.rules import RowRules
from eval.domains import Domain, Foreign, domain_named
from eval.records import Remark

if TYPE_CHECKING:
    from training.records import ModelSettings


@dataclass(frozen=True, slots=True)
class DataView:
    """What files of rows hold.

    Attributes:
        kinds: each file with what it is, such as "JSON lines, gzip".
        trained: how many training rows a run of the domain would make of them; None where no domain was named, or
            where it would refuse the files: ``refused`` then says why.
        remarks: what such a run would leave out, with reasons.
    """

    path: str
    kinds: Mapping[str, str]
    contents: Contents
    domain: str
    trained: int | None
    refused: str
    remarks: tuple[Remark, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with lines of the files."""
        return self.contents.problems


def look_at(path: Path, layout: str, tokenizer: str, domain: str) -> DataView:
    """Return what the rows of ``path`` hold: a file, a folder, or a data set of the hub.

    Args:
        layout: that every row must have; "auto" takes each row's own.
        tokenizer: a model's folder or hub name, in whose tokens lengths are told; "" tells them in characters.
        domain: whose families and licences are told; "" tells those that the rows name.

    Raises:
        Refusal: there is no such file, layout, model or domain, or a file is torn or damaged.
    """
    where = located(str(path))
    kinds = {file.name: open_rows(file).what for file in files_of(where)}
    record = domain_named(domain) if domain else None
    length, unit = (_token_count(tokenizer), "tokens") if tokenizer else (len, "characters")
    contents = contents_of(read_records(where, layout), partial(_family, _foreign(record)), length, unit)
    if not contents.rows and not contents.problems:
        raise Refusal(f"{where}: holds no rows.", "Name a file with one JSON object on each line.")
    trained, refused, remarks = _as_trained(where, layout, record)
    return DataView(str(where), kinds, contents, domain, trained, refused, remarks)


def _foreign(domain: Domain | None) -> Foreign | None:
    found: Foreign | None = import_module(domain.foreign) if domain and domain.foreign else None  # type: ignore[assignment]
    return found


def _family(foreign: Foreign | None, record: Record) -> str:
    if record.family or foreign is None:
        return record.family
    calls = [{"tool_calls": True} for turn in record.turns if turn.calls]
    return foreign.family_of({**record.meta, "messages": calls})


def _token_count(tokenizer: str) -> Callable[[str], int]:
    from runner.runs.config import compose_experiment
    from training.models import texts_of

    settings: ModelSettings = compose_experiment(["model=local", f"model.path={tokenizer}"])[0].model
    texts = texts_of("transformers_peft", settings)
    return lambda text: len(texts.answer(text))


def _as_trained(path: Path, layout: str, domain: Domain | None) -> tuple[int | None, str, tuple[Remark, ...]]:
    if domain is None:
        return None, "", ()
    try:
        read = read_source(path, domain, (), RowRules(layout=layout, turns="auto"))
    except Refusal as refusal:
        return None, str(refusal), ()
    return len(read.rows), "", read.remarks
