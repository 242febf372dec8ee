"""The words of a command: which nobody types on purpose, and what becomes of a command whose words cannot be used."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable, Sequence

from env.installed.invocation import as_started
from env.refusal import Refusal

# A path that was named and cannot be used. A file that is missing is none of these: that may be our own fault.
_UNUSABLE = frozenset({
    errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EROFS,
})  # fmt: skip
_NAME_SHOWN = 80
_NOTHING = re.compile(r"--[a-z-]+=")
_OVERRIDE = re.compile(r"[\w./@:+~-]+=")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")


def strange_word(words: Sequence[str]) -> Refusal | None:
    """Return what is wrong with a word that nobody types on purpose; None where there is none.

    Overrides have rules of their own for what they hold.
    """
    for place, word in enumerate(words, start=1):
        if not word or _NOTHING.fullmatch(word):
            what = f"{word.rstrip('=')} is given without a value" if word else f"Word {place} of the command is empty"
            return Refusal(f"{what}.", "If it was a variable of the shell, it is not set.")
        if _CONTROL.search(word) and not _OVERRIDE.match(word):
            return Refusal(f"{word!r}: a name with a control character in it.", "Rename it, or type it without.")
    return None


def unusable_path(error: OSError) -> Refusal | None:
    """Return the refusal of a path that cannot be used as it was meant; None for any other error."""
    if error.filename is None or error.errno not in _UNUSABLE:
        return None
    name = os.fsdecode(error.filename)
    shown = name if len(name) <= _NAME_SHOWN else f"{name[:_NAME_SHOWN]}…"
    return Refusal(f"{shown}: {error.strerror}.", "Name another file or folder, or correct its permissions.")


def carried_out(run: Callable[[Sequence[str]], int], words: Sequence[str]) -> int:
    """Return what ``run`` returns of the words; 2, with one sentence on standard error, where it is refused."""
    try:
        if (strange := strange_word(words)) is not None:
            raise strange
        return run(words)
    except Refusal as refusal:
        refused = refusal
    except OSError as error:
        unusable = unusable_path(error)
        if unusable is None:
            raise
        refused = unusable
    print(as_started(str(refused)), file=sys.stderr)
    return 2
