"""A log file per gate: what a gate and its libraries log, and the traceback of a crash, timestamped in UTC."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from env.files import make_folder, write_refusal

LINE = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def log_path(run_folder: Path, gate: str) -> Path:
    """Return the path of ``gate``'s log in a run's folder."""
    return run_folder / "logs" / f"gate_{gate}.log"


@contextmanager
def file_log(path: Path, level: int = logging.INFO) -> Iterator[logging.Logger]:
    """Append everything logged in the block to ``path``, Python warnings and an escaping exception included.

    Raises Refusal when the file cannot be written. The root logger is restored on exit.
    """
    make_folder(path.parent)
    try:
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise write_refusal(error, path, 0) from error
    formatter = logging.Formatter(LINE, datefmt="%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    root = logging.getLogger()
    level_before = root.level
    root.addHandler(handler)
    root.setLevel(min(level, level_before) if level_before else level)
    logging.captureWarnings(True)
    try:
        yield root
    except BaseException as error:
        root.error("ended by %s", type(error).__name__, exc_info=error)
        raise
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)
        root.setLevel(level_before)
        # a full disk costs log lines, never the gate's result
        with suppress(OSError):
            handler.close()
