"""``python -m runner``: the one command of luagate."""

from runner.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
