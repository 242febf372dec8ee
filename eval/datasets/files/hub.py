"""A data set of the Hugging Face hub by its name: downloaded once, then read from the hub's own cache."""

from __future__ import annotations

import re
from pathlib import Path

from env.refusal import Refusal

PREFIX = "hub:"
_NAME = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?(?::(?P<folder>[\w./-]+))?")
# what files_of reads, and nothing else of a repository
_PACKED = ("", ".gz", ".bz2", ".xz", ".zst")
_PATTERNS = [f"*.{kind}{packed}" for kind in ("jsonl", "ndjson", "parquet", "json") for packed in _PACKED]


def is_hub_name(text: str) -> bool:
    """Whether a dataset's file is named on the hub: ``hub:OWNER/NAME[@REVISION][:FOLDER_OR_FILE]``."""
    return text.startswith(PREFIX)


def located(text: str, is_offline: bool = False) -> Path:
    """Return the path of a dataset's file or folder; a data set of the hub is downloaded where it is not here yet.

    Raises:
        Refusal: the hub's name is malformed or unknown, it cannot be reached, or (``is_offline``) the data set was
            never downloaded.
    """
    if not is_hub_name(text):
        return Path(text)
    found = _NAME.fullmatch(text.removeprefix(PREFIX))
    if found is None or ".." in text:
        raise Refusal(f"{text}: is no data set of the hub.", "Write hub:OWNER/NAME, or hub:OWNER/NAME@REVISION:FOLDER.")
    folder = _downloaded(text, found["name"], found["revision"], is_offline)
    part = folder / (found["folder"] or "")
    if not part.exists():
        raise Refusal(f"{text}: the data set has no {found['folder']}.", f"Look into {folder}.")
    return part


def _downloaded(text: str, name: str, revision: str | None, is_offline: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder: str = snapshot_download(
            name, repo_type="dataset", revision=revision, allow_patterns=_PATTERNS, local_files_only=is_offline
        )
        return Path(folder)
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        said = " ".join(str(error).split())[:200]
        raise Refusal(
            f"{text}: cannot be had from the hub ({type(error).__name__}: {said}).",
            "Check the name and the connection, or download it elsewhere and name the folder.",
        ) from None
