"""Every path, module and link that a docstring, a comment, a message or a page names exists in the repository."""

from __future__ import annotations

import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.runs import PROJECT

ROOTS = ("env", "eval", "training", "gates", "runner", "luagate", "tests", "conf", "docs", r"\.github", r"\.ci")
CODE_ROOTS = ("env", "eval", "training", "gates", "runner", "luagate", "tests")
# A path below a folder of the project; what follows a placeholder (*, <kind>, {name}, …) is not followed.
PATH = re.compile(rf"(?<![\w./$~:-])(?:{'|'.join(ROOTS)})/[\w./-]*(?=([*<{{…]?))")
# A file named without its folder: only kinds of files that runs, models and mods do not have.
BARE = re.compile(r"(?<![\w./*<{$-])[A-Za-z_][\w-]*\.(?:py|md|lua|j2|sh)\b(?!\()")
MODULE = re.compile(rf"(?<![\w./$~-])(?:{'|'.join(CODE_ROOTS)})(?:\.[A-Za-z_]\w*)+")
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]+)")
# Files that programs, models and run folders have, not this repository.
ELSEWHERE = frozenset(
    {
        "init.lua",
        "convert_lora_to_gguf.py",
        "lua_api.md",
        "report.md",
        "ATTRIBUTION.md",
        "version.py",
        "env.py",
        "schemas.md",
        "luagate/_tree",
        "training/tiny/base-2m",
    }
)
ENDINGS = ("json", "toml", "yaml", "py", "md")
TEXTS = ("*.md", "*.yaml", "*.yml", "*.toml", "Makefile", "*.sh")


@cache
def tracked(*patterns: str) -> tuple[Path, ...]:
    """Return the tracked files of these patterns, and what is new and not ignored."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(path for name in listing.stdout.split("\n") if name and (path := PROJECT / name).is_file())


@cache
def names() -> frozenset[str]:
    """Return the names of all files."""
    return frozenset(path.name for path in tracked())


def prose(file: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of what is written for people: comments and strings of code, comments of YAML, whole pages.

    Of a test only the docstrings: its other strings may name what does not exist on purpose.
    """
    if file.suffix != ".py":
        lines = enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        yield from ((n, line if file.suffix == ".md" else line.partition("# ")[2]) for n, line in lines)
        return
    of_tests = "tests" in file.relative_to(PROJECT).parts
    for token in tokenize.generate_tokens(io.StringIO(file.read_text(encoding="utf-8")).readline):
        is_docstring = token.type == tokenize.STRING and token.string.startswith(('"""', 'r"""'))
        if token.type == tokenize.COMMENT or is_docstring or (token.type == tokenize.STRING and not of_tests):
            for offset, line in enumerate(token.string.split("\n")):
                yield token.start[0] + offset, line


def missing_path(text: str, placeholder: str) -> bool:
    """Whether a named path leads nowhere; of one that ends in a placeholder its folder is looked at."""
    path = text.rstrip(".")
    if placeholder:
        path = path[: path.rfind("/") + 1]
    return not (PROJECT / path).exists()


def missing_module(dotted: str) -> bool:
    """Whether a dotted name is no module, and no name that the module it begins with has."""
    place, parts = PROJECT, dotted.split(".")
    for number, part in enumerate(parts):
        if (place / part).is_dir():
            place /= part
            continue
        module = place / f"{part}.py"
        if not module.is_file():
            module, number = place / "__init__.py", number - 1
        rest = parts[number + 1 :]
        return bool(rest) and not (module.is_file() and re.search(rf"\b{rest[0]}\b", module.read_text("utf-8")))
    return False


def missing_in(line: str, file: Path) -> Iterator[str]:
    """Yield what a line names and the repository does not have."""
    for found in PATH.finditer(line):
        if found[0] not in ELSEWHERE and missing_path(found[0], found[1]):
            yield found[0]
    for found in MODULE.finditer(line):
        if not found[0].endswith(ENDINGS) and not line[found.end() :].startswith("/") and missing_module(found[0]):
            yield found[0]
    if not line.lstrip().startswith(('"', 'f"', "'", "f'")) or '"""' in line:
        yield from (found[0] for found in BARE.finditer(line) if found[0] not in names() | ELSEWHERE)
    if file.suffix == ".md":
        yield from (target for target in LINK.findall(line) if not (file.parent / target).exists())


@pytest.mark.parametrize("root", [*CODE_ROOTS, "other"])
def test_what_is_named_exists(root: str) -> None:
    mine = [
        f for f in tracked("*.py", *TEXTS) if (f.relative_to(PROJECT).parts[0] if root != "other" else "other") == root
    ]
    files = [f for f in mine if root != "other" or f.relative_to(PROJECT).parts[0] not in CODE_ROOTS]
    gone = [
        f"{file.relative_to(PROJECT)}:{number}: {name}"
        for file in files
        for number, line in prose(file)
        for name in missing_in(line, file)
    ]
    assert gone == [], "\n".join(gone)


def test_a_path_that_leads_nowhere_is_found() -> None:
    page = PROJECT / "docs" / "x.md"
    assert list(missing_in("see env/files.py, eval/nowhere.py, conf/gate/<letter>.yaml and gone/a.py", page)) == [
        "eval/nowhere.py"
    ]
    assert list(missing_in("`env.files.digest`, `env.files.nothing_like_it`, env.gone.digest", page)) == [
        "env.files.nothing_like_it",
        "env.gone.digest",
    ]
    assert list(missing_in("[a](decision-rule.md) [b](nowhere.md) [c](https://x.org/y.md)", page)) == [
        "nowhere.md",
        "nowhere.md",
    ]
    assert list(missing_in("as files.py does, not as filez.py", page)) == ["filez.py"]
