"""The Lua that runs the judging program: LuaJIT as the engine has it, else Lua 5.1 made to offer the same."""

from __future__ import annotations

from dataclasses import dataclass

from env.refusal import Refusal, choices_hint
from eval.sandbox.languages import has_runtime

# In the order in which verifier.vm=auto takes them: name in verdicts -> language of the sandbox' child, title.
VMS = {"luajit21": ("lua", "LuaJIT 2.1"), "lua51": ("lua51", "Lua 5.1")}
PREFERRED = "luajit21"
AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Vm:
    """``name`` stands in verdicts, ``language`` is the child's, ``reason`` why it is this one ("": the best)."""

    @property
    def choice(self) -> str:
        """What a verifier that was requested by name says of its choice."""
        return f"requested by name; {self.reason}" if self.reason else "requested by name"

    name: str
    language: str
    reason: str


def choose_vm(wanted: str) -> Vm:
    """Return the VM that ``wanted`` names; of "auto", the first of ``VMS`` that lupa has here.

    Raises:
        Refusal: the name is unknown, or lupa does not have it here.
    """
    if wanted not in (AUTO, *VMS):
        raise Refusal(f"verifier.vm = {wanted!r} is unknown.", choices_hint(wanted, (AUTO, *VMS)))
    have = [name for name, (language, _) in VMS.items() if has_runtime(language)]
    if wanted != AUTO and wanted not in have:
        raise Refusal(
            f"verifier.vm = {wanted!r}, but lupa has no {VMS[wanted][1]} here: {', '.join(have) or 'nothing'}.",
            "Set verifier.vm=auto, or install a lupa that has it (`pip install lupa` on Linux).",
        )
    if not have:
        raise Refusal("lupa is not installed here: no program can be judged.", "`pip install lupa`, or `make setup`.")
    name = have[0] if wanted == AUTO else wanted
    language, title = VMS[name]
    if wanted != AUTO:
        return Vm(name, language, f"{title}, by verifier.vm")
    return Vm(name, language, "" if name == PREFERRED else f"{title}, since lupa has no {VMS[PREFERRED][1]} here")
