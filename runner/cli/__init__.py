"""The command line: parse, call, and turn every outcome into a screen and an exit code."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Sequence

import typer

from env.installed.invocation import INSTALLED, start_form
from env.locking import LockHeld
from env.refusal import Refusal
from env.silence import told
from runner.cli import advancing, changing, data, evidence, judging, machine, reading, replaying
from runner.cli import releasing as adapters
from runner.cli.app import app
from runner.runs.exit_codes import Exit

__all__ = ["COMMANDS", "app", "main"]

# Importing a module registers its commands.
COMMANDS = (advancing, reading, evidence, changing, judging, replaying, data, machine, adapters)


# A path that was named and cannot be used. A file that is missing is none of these: that may be our own fault.
_UNUSABLE = frozenset({
    errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EROFS,
})  # fmt: skip
_NAME_SHOWN = 80
_NOTHING = re.compile(r"--[a-z-]+=")
_OVERRIDE = re.compile(r"[\w./@:+~-]+=")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")


def main() -> int:
    """Run the command line and return its exit code; a refusal is a sentence, never a traceback."""
    try:
        code = _run()
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except OSError as error:
        refusal = _of_surroundings(error)
        if refusal is None:
            raise
        _say_refusal(refusal)
        return Exit.REFUSED


def _run() -> int:
    words = sys.argv[1:] or ["--help"]
    if (strange := _strange_word(sys.argv[1:])) is not None:
        _say_refusal(strange)
        return Exit.REFUSED
    # the name that completion is installed for: a shell completes one word, not `python -m runner`
    name = INSTALLED if {"--show-completion", "--install-completion"} & set(words) else start_form()
    try:
        with told(f"working on `{words[0]}`"):
            code = app(words, standalone_mode=False, prog_name=name, complete_var="_LUAGATE_COMPLETE")
        return int(code or 0)
    except typer.Exit as ended:
        return int(ended.exit_code)
    except Refusal as refusal:
        _say_refusal(refusal)
        return Exit.REFUSED
    except LockHeld as held:
        _say_refusal(
            Refusal(f"This run is being advanced by {held.holder}.", "Watch it with `python -m runner status --watch`.")
        )
        return Exit.HELD
    except typer.Abort:
        return Exit.STOPPED
    except KeyboardInterrupt:
        return Exit.STOPPED
    except OSError:
        raise
    except Exception as error:
        return _usage_error(error)


def _strange_word(words: Sequence[str]) -> Refusal | None:
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


def _of_surroundings(error: OSError) -> Refusal | None:
    """Return what is wrong with the surroundings: output or working folder lost, or a path that cannot be used.

    None for any other error.
    """
    if error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
        from runner.screens.ink import drop_what_follows

        drop_what_follows(sys.stdout)
        return Refusal(f"The output cannot be written: {error.strerror}.", "Free space, or write it elsewhere.")
    if error.filename is not None and error.errno in _UNUSABLE:
        name = os.fsdecode(error.filename)
        shown = name if len(name) <= _NAME_SHOWN else f"{name[:_NAME_SHOWN]}…"
        return Refusal(f"{shown}: {error.strerror}.", "Name another file or folder, or correct its permissions.")
    try:
        os.getcwd()
    except FileNotFoundError:
        return Refusal("The folder that you are in was deleted.", "Change to a folder that exists: `cd`.")
    return None


def _say_refusal(refusal: Refusal) -> None:
    from runner import screens
    from runner.runs.commands import as_typed

    screens.print_refusal(as_typed(refusal, sys.argv[1:]))


def _usage_error(error: Exception) -> int:
    """Show a usage error with the command-line parser's own message; anything else is a crash and is raised again."""
    show = getattr(error, "show", None)
    if show is None:
        raise error
    show(file=sys.stderr)
    return Exit.REFUSED
