"""Rows as JSON lines, in the instruction format or the chat format."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from env.files import write_atomic
from eval.datasets.chat_format import to_chat
from eval.records import Row

FORMATS = ("instruction", "chat")


def export(rows: Sequence[Row], form: str, path: Path) -> None:
    """Write ``rows`` to ``path``, one JSON object a line; ``formats.rows.read_rows`` reads either format."""
    make = to_chat if form == "chat" else to_instruction
    write_atomic(path, "".join(f"{json.dumps(make(row), ensure_ascii=False)}\n" for row in rows))


def to_instruction(row: Row) -> dict[str, Any]:
    """Return ``row`` with the keys of the public format."""
    return {
        "instruction": row.instruction,
        "input": row.input,
        "output": row.output,
        "family": row.family,
        "kind": row.kind,
        "cluster": row.cluster,
    }
