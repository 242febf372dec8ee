"""The rows of a parquet file, a batch at a time, by pyarrow where it is installed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from env.refusal import Refusal
from eval.datasets.files.json_lines import Line, text_fault

MAGIC = b"PAR1"
# few enough that a batch of long rows stays small
_BATCH_ROWS = 256


def parquet_lines(path: Path) -> Iterator[Line]:
    """Yield every row, counted from 1. A missing value is left out, as it is in JSON.

    Raises:
        Refusal: pyarrow is not installed, or the file is torn or damaged.
    """
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ModuleNotFoundError:
        raise Refusal(
            f"{path}: is parquet, and pyarrow, which reads it, is not installed.", '`pip install "luagate[data]"`.'
        ) from None
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                for row in batch.to_pylist():
                    number += 1
                    yield _line(number, row)
    except (arrow.ArrowException, OSError, ValueError) as error:
        said = " ".join(str(error).split())[:160]
        raise Refusal(
            f"{path}: is torn or damaged parquet, after row {number} ({said}).", "Copy or download it again."
        ) from None


def _line(number: int, row: dict[str, Any]) -> Line:
    values = {key: _plain(value) for key, value in row.items()}
    fault = text_fault(values)
    return Line(number, {} if fault else values, fault)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: a struct has every key of its column, and null where a row has none."""
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items() if part is not None}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return f"{len(value)} bytes" if isinstance(value, bytes) else value
