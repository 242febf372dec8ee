"""Which implementation of the Luau VM judges: pluau where it is installed, else luau-web under Node."""

from __future__ import annotations

from env.refusal import Refusal
from eval.sandbox.languages import library_folder
from eval.sandbox.web import installation as web

PLUAU, LUAU_WEB = "luau", "luau_web"
REQUESTED = "requested by name"
PLUAU_FIX = 'pip install "luagate[roblox]" (or pip install -c env/locks/core.txt pluau)'


def chosen() -> tuple[str, str]:
    """Return the language of the child that judges here and why it is that one.

    Raises:
        Refusal: no implementation is installed.
    """
    if library_folder(PLUAU) is not None:
        return PLUAU, REQUESTED
    found = web.find_installation()
    if isinstance(found, str):
        raise Refusal(
            f"There is no Luau VM in this environment, and Roblox programs are judged by running them: pluau is not "
            f"installed, and {found}.",
            f"Install pluau: {PLUAU_FIX}. Where it has no wheel: {web.fix()}",
        )
    return LUAU_WEB, f"pluau is not installed: luau-web {web.VERSION} under Node {found.node_version} judges"


def named(language: str) -> tuple[str, str]:
    """Return ``language`` and why it judges.

    Raises:
        Refusal: it is not installed.
    """
    found = web.find_installation() if language == LUAU_WEB else ""
    if isinstance(found, str) and library_folder(language) is None:
        fix = web.fix() if language == LUAU_WEB else f"Install it: {PLUAU_FIX}."
        raise Refusal(f"This verifier cannot judge here: {found or 'pluau is not installed'}.", fix)
    return language, REQUESTED if isinstance(found, str) else f"{REQUESTED}, under Node {found.node_version}"
