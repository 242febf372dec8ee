"""A mod's folder as one program: ``init.lua``, with ``dofile`` and ``loadfile`` finding the mod's other files.

The sandbox has no files, so the others travel inside the program, in front of the first line of ``init.lua``: line
numbers stay those of the files. Not there when it runs: other mods, textures, and files that are no Lua.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from env.counts import counted, listed_text
from env.refusal import Refusal
from eval.domains import Project
from eval.domains.luanti.mod_names import MOD_NAME

MAX_FILES = 500
_NAMED_AT_MOST = 5
_SETTING = re.compile(r"^[ \t]*(\w+)[ \t]*=[ \t]*(.*?)[ \t]*$", re.MULTILINE)
# Defines the two functions as locals; its ``...`` stands for the table of files, name to text.
_LOADER = Path(__file__).with_name("mod_loader.lua")
# In front of each further file, on its first line.
_HEAD = "local dofile, loadfile = ... return function(...) "


def project_in(folder: Path, read: Callable[[Path], str]) -> Project | None:
    """Return the mod that ``folder`` is; None where it has no ``init.lua``.

    Raises:
        Refusal: mod.conf names no possible mod, or the mod has too many files.
    """
    main = folder / "init.lua"
    if not main.is_file():
        return None
    settings = _settings(folder, read)
    files = {
        path.relative_to(folder).as_posix(): read(path)
        for path in sorted(folder.rglob("*.lua"))
        if path != main and path.is_file() and not path.is_symlink() and not _is_hidden(path.relative_to(folder))
    }
    if len(files) > MAX_FILES:
        raise Refusal(
            f"{folder} has {counted(len(files), 'Lua file')}, at most {MAX_FILES} are one mod.",
            "Give its mods one by one.",
        )
    code = read(main)
    whole = f"{_loader(files)}{code}" if files else code
    return Project(str(folder), whole, {main.name: code, **files}, _name(folder, settings), _remarks(settings))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _settings(folder: Path, read: Callable[[Path], str]) -> dict[str, str]:
    """Return mod.conf's settings; what the older depends.txt says counts as ``depends``."""
    conf, old = folder / "mod.conf", folder / "depends.txt"
    settings = dict(_SETTING.findall(read(conf))) if conf.is_file() else {}
    if "depends" not in settings and old.is_file():
        names = [line.strip() for line in read(old).splitlines()]
        settings["depends"] = ", ".join(name for name in names if name and not name.endswith("?"))
    return settings


def _name(folder: Path, settings: Mapping[str, str]) -> str:
    """Return the mod's name by mod.conf, else its folder's where that can be one, else "" (its registrations tell)."""
    name = settings.get("name", "")
    if name and not MOD_NAME.fullmatch(name):
        raise Refusal(f'{folder / "mod.conf"}: name = "{name}" is no mod\'s name.', "Use a-z, 0-9 and _ only.")
    return name or (folder.resolve().name if MOD_NAME.fullmatch(folder.resolve().name) else "")


def _remarks(settings: Mapping[str, str]) -> tuple[str, ...]:
    needed = [name.strip() for name in settings.get("depends", "").split(",") if name.strip()]
    if not needed:
        return ()
    named = listed_text(needed, _NAMED_AT_MOST)
    return (f"It runs without the {'mod' if len(needed) == 1 else 'mods'} that it depends on: {named}.",)


def _loader(files: Mapping[str, str]) -> str:
    """Return the loader on one line, the texts of ``files`` in it."""
    texts = ",".join(f"[{_quoted(name)}]={_quoted(_function(text))}" for name, text in files.items())
    return " ".join(_LOADER.read_text(encoding="utf-8").split()).replace("...", f"{{{texts}}}", 1) + " "


def _function(text: str) -> str:
    return f"{_HEAD}{text}\nend"


def _quoted(text: str) -> str:
    """Return ``text`` as a Lua string on one line: every byte that is not plain as its number."""
    data = text.encode()
    plain = bytes(range(32, 127)).translate(None, b'"\\')
    return '"' + "".join(chr(byte) if byte in plain else f"\\{byte:03d}" for byte in data) + '"'
