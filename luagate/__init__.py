"""The entry point: where luagate's code is, in a checkout or installed, and the ``luagate`` command."""

from pathlib import Path

_HERE = Path(__file__).resolve().parent
# The folder that holds env/, eval/, gates/, runner/, training/ and conf/ (setup.py puts them into a wheel's _tree).
ROOT = _HERE / "_tree" if (_HERE / "_tree").is_dir() else _HERE.parent
