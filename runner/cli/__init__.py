"""The command line: parse, call, and turn every outcome into a screen and an exit code."""

from __future__ import annotations

import errno
import os
import sys

import typer

from env.installed.invocation import INSTALLED, start_form
from env.installed.typed_words import strange_word, unusable_path
from env.locking import LockHeld
from env.refusal import Refusal
from env.silence import told
from runner.cli import advancing, asking, changing, evidence, machine, reading, registering, repairing
from runner.cli import releasing as adapters
from runner.cli.app import app
from runner.cli.data import curating, rows, tasks
from runner.cli.verdicts import elsewhere, grading, judging, replaying
from runner.runs.exit_codes import Exit

__all__ = ["COMMANDS", "app", "main"]

# Importing a module registers its commands.
COMMANDS = (
    *(advancing, reading, evidence, changing, judging, replaying, repairing),
    *(tasks, rows, elsewhere, asking, curating, grading, machine, adapters, registering),
)


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
    if (strange := strange_word(sys.argv[1:])) is not None:
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


def _of_surroundings(error: OSError) -> Refusal | None:
    """Return what is wrong with the surroundings: output or working folder lost, or a path that cannot be used.

    None for any other error.
    """
    if error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
        from runner.screens.ink import drop_what_follows

        drop_what_follows(sys.stdout)
        return Refusal(f"The output cannot be written: {error.strerror}.", "Free space, or write it elsewhere.")
    if (unusable := unusable_path(error)) is not None:
        return unusable
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
