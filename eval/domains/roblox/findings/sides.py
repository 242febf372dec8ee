"""The server's API in a script of the client, and the client's in a script of the server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from eval.domains.roblox.findings.finding import Finding
from eval.domains.roblox.findings.program.reading import Reading, arguments

Side = Literal["client", "server", ""]
_SERVICES: dict[str, Side] = {
    **dict.fromkeys(("ServerStorage", "ServerScriptService", "DataStoreService", "MessagingService"), "server"),
    **dict.fromkeys(("MemoryStoreService", "BadgeService"), "server"),
    **dict.fromkeys(("UserInputService", "ContextActionService", "GuiService", "HapticService"), "client"),
}
_METHODS: dict[str, Side] = {
    **dict.fromkeys(("FireClient", "FireAllClients", "InvokeClient", "LoadCharacter", "SetNetworkOwner"), "server"),
    **dict.fromkeys(("FireServer", "InvokeServer", "BindToRenderStep"), "client"),
}
_MEMBERS: dict[str, Side] = {
    **dict.fromkeys(("OnServerEvent", "OnServerInvoke"), "server"),
    **dict.fromkeys(("OnClientEvent", "OnClientInvoke", "RenderStepped", "LocalPlayer"), "client"),
}
# A line is looked at once: what begins anew at each sign of a long line takes time that grows with its square.
_COMMENT = re.compile(r"--[^\n]*")
_CLIENT_WORDS = re.compile(r"\b(?:LocalScript|[Cc]lient [Ss]cript)\b|\.client\.luau?\b")
_SERVER_WORDS = re.compile(r"\b[Ss]erver [Ss]cript\b|\.server\.luau?\b|\(server\)", re.IGNORECASE)


def stated_side(code: str) -> Side:
    """Return the side that comments say a program runs on; "" where none does, or both are spoken of."""
    comments = "\n".join(_COMMENT.findall(code))
    is_client, is_server = _CLIENT_WORDS.search(comments) is not None, _SERVER_WORDS.search(comments) is not None
    return "" if is_client == is_server else "client" if is_client else "server"


def side_findings(reading: Reading, side: Side) -> Iterator[Finding]:
    """Yield what the side that a program runs on does not have; nothing where that side is not known."""
    side = side or stated_side(reading.tree.code)
    if not side or "IsServer" in reading.tree.code or "IsClient" in reading.tree.code:
        return
    for call in reading.tree.kinds.get("function_call", ()):
        method, passed = reading.called(call), arguments(call)
        service = reading.tree.string(passed[0]) if passed and method == "GetService" else None
        name = service or method
        needed = _SERVICES.get(name, "") if service else _METHODS.get(name, "")
        if needed and needed != side:
            yield _found(reading.tree.line(call), name, needed)
    for index in reading.tree.kinds.get("dot_index_expression", ()):
        name = reading.tree.name(index, "field")
        needed = _MEMBERS.get(name, "")
        if needed and needed != side:
            yield _found(reading.tree.line(index), name, needed)


def _found(line: int, name: str, needed: Side) -> Finding:
    here = "client" if needed == "server" else "server"
    return Finding(line, "side", "other-side", f"{name} is the {needed}'s, and this script runs on the {here}")
