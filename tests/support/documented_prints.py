"""What Luau programs say that they print: comments behind prints, and blocks of output below them.

A print whose line has a comment documents what it prints; so does each line of a block ``--[[ Resulting output: ... ]]``.
``marked`` makes a program print where it stands, ``Documented.agrees`` compares. A comment may list what is printed with
commas, in the order of the values or of the repetitions; numbers may have the 14 digits of older versions of Lua.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from eval.records import TaskCheck

_PRINT = re.compile(r"^([ \t]*)print\((.+)\)[ \t]*--+>?[ \t]*(\S.*?)[ \t]*$")
_SAYS = re.compile(r"^(?:[Ee]xpected )?(?:[Oo]utputs?|[Pp]rints?|[Rr]esult)\b:?[ \t]*(?=\S)")
_BLOCK = re.compile(r"^--\[\[[ \t]*(?:[Rr]esulting )?[Oo]utput:[ \t]*\n(.*?)^\]\]", re.DOTALL | re.MULTILINE)
_REMARK = re.compile(r"\s+\([^()]*\)$")
_LIST = re.compile(r",\s+")
_NUMBER = re.compile(r"-?\d+\.\d{8,}")
MARK = "@documented "
BLOCK_MARK = "@block "
# Of a line that is printed again and again so many are looked at.
REPETITIONS = 3
SEPARATOR = " ¶ "


@dataclass(frozen=True, slots=True)
class Documented:
    """One documented line: what it should print, and the Luau expression of the list of what it printed."""

    text: str
    printed: str

    def agrees(self, said: Sequence[str]) -> bool:
        """Whether what was printed at it, once or more, is what its comment says."""
        wanted = [_plain(self.text), _plain(_REMARK.sub("", self.text))]
        once, together = _plain(said[0]), _plain(" ".join(said))
        return any(_LIST.sub(" ", text) in (once, together) or text == once for text in wanted)


def marked(code: str) -> tuple[str, tuple[Documented, ...]]:
    """Return ``code`` with what it documents marked in its output, and each documented line in order."""
    found: list[Documented] = []
    code = _BLOCK.sub(lambda block: _marked_block(block, found), code)
    lines = code.split("\n")
    for number, line in enumerate(lines, start=1):
        if match := _PRINT.match(line):
            found.append(Documented(_SAYS.sub("", match[3]), f'at("{MARK}{number} ")'))
            lines[number - 1] = f'{match[1]}print("{MARK}{number}", {match[2]})'
    return "\n".join(lines), tuple(found)


def _marked_block(block: re.Match[str], found: list[Documented]) -> str:
    """Return a print that ends what ``block`` documents, and note its lines."""
    number = sum(line.printed.startswith("inside") for line in found)
    lines = [line.strip() for line in block[1].splitlines() if line.strip() and line.strip() != "..."]
    name = f"{BLOCK_MARK}{number}"
    found += [Documented(line, f'inside("{name}", {at})') for at, line in enumerate(lines, start=1)]
    # above it the line is still the program's: a comment takes the lines that the block took
    return f'print("{name}")' + "\n" * block[0].count("\n")


def checks_of(found: Sequence[Documented], seconds: float) -> tuple[TaskCheck, ...]:
    """Return a check that lets time pass, then one for each documented line, which fails with what it printed."""
    return (
        TaskCheck("time", f"step({seconds}) errors()"),
        *(TaskCheck(f"line {at}", f"{_READING}tell({line.printed})") for at, line in enumerate(found)),
    )


def said_in(detail: str) -> tuple[str, ...]:
    """Return what was printed at a line, by its check's detail; nothing where the program did not come to it."""
    return tuple(detail.split(SEPARATOR)[1:])


def agreements(found: Sequence[Documented], details: Sequence[str]) -> Iterator[tuple[bool, Documented, str]]:
    """Yield (whether it agrees, the line, what it printed) for each documented line that was reached."""
    for line, detail in zip(found, details, strict=True):
        if said := said_in(detail):
            yield line.agrees(said), line, SEPARATOR.join(said)


def _plain(text: str) -> str:
    """Return ``text`` without quotes around it, with long numbers as Lua 5.1 wrote them."""
    text = text.strip().strip("`\"'")
    return _NUMBER.sub(lambda number: f"{float(number[0]):.14g}", text)


_READING = f"""
local function at(mark)
	local found = {{}}
	for _, text in prints() do
		if string.sub(text, 1, #mark) == mark and #found < {REPETITIONS} then
			table.insert(found, string.sub(text, #mark + 1))
		end
	end
	return found
end
local function inside(mark, line)
	local since = {{}}
	for _, text in prints() do
		if text == mark then break end
		if string.sub(text, 1, {len(BLOCK_MARK)}) == "{BLOCK_MARK}" then
			since = {{}}
		elseif string.sub(text, 1, {len(MARK)}) ~= "{MARK}" then
			table.insert(since, text)
		end
	end
	return {{ since[line] }}
end
local function tell(found)
	fail(table.concat({{ "said", table.unpack(found) }}, "{SEPARATOR}"))
end
"""
