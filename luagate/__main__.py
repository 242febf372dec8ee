"""``luagate`` or ``python -m luagate``: the command line from any folder; ``luagate -m NAME`` runs a module of ours."""

from __future__ import annotations

import os
import runpy
import sys
from contextlib import suppress

from luagate import ROOT


def main() -> int:
    """Run the command line and return its exit code."""
    _import_ours_first()
    from env.installed.own_environment import enter

    enter()
    if sys.argv[1:2] == ["-m"]:
        return _run_module()
    from runner.cli import main as run

    return run()


def _run_module() -> int:
    """Run a module of luagate's that is a command of its own, such as eval.datasets, with the words behind it."""
    from importlib.util import find_spec

    name = sys.argv[2] if len(sys.argv) > 2 else ""
    found = None
    with suppress(ModuleNotFoundError):
        found = find_spec(name) if "." in name and (ROOT / name.split(".")[0]).is_dir() else None
    if found is None:
        sys.stderr.write(f'✗ "{name}" is no module of luagate.\n  fix: Such as `luagate -m eval.datasets --help`.\n')
        return 2
    del sys.argv[1:3]
    runpy.run_module(name, run_name="__main__")
    return 0


def _import_ours_first() -> None:
    """Find luagate's folders before any module of the same name: the user's folder may contain an env.py."""
    with suppress(OSError):
        if sys.path[:1] == [os.getcwd()]:
            del sys.path[0]  # `python -m` put the user's folder there
    sys.path.insert(0, str(ROOT))


if __name__ == "__main__":
    sys.exit(main())
