"""The tools as an MCP server on standard input and output, by the protocol's own SDK (the extra ``mcp``)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from env.installed.version import VERSION
from env.refusal import Refusal
from runner.assisting.tools import Toolbox

if TYPE_CHECKING:
    from mcp.server import MCPServer

_INSTRUCTIONS = (
    "Verifies Lua for Luanti (Minetest) mods and Luau for Roblox by running it in a sandbox against the real engine or "
    "a strict model of it. Call verify after writing or changing such code, and correct what it reports."
)


def require_sdk() -> None:
    """Raise Refusal where the SDK is not installed."""
    if find_spec("mcp") is None:
        raise Refusal("The MCP server needs the package mcp.", "`make setup-mcp`, or pip install 'luagate[mcp]'.")


def mcp_server(tools: Toolbox) -> MCPServer:
    """Return a server with the tools; ``run("stdio")`` serves until its input closes."""
    from mcp.server import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError

    def refusing(tool: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        @functools.wraps(tool)
        def call(*arguments: Any, **named: Any) -> dict[str, Any]:
            try:
                return tool(*arguments, **named)
            except Refusal as refusal:
                raise ToolError(f"{refusal.sentence} {refusal.fix}") from None

        return call

    server = MCPServer("luagate", instructions=_INSTRUCTIONS, version=VERSION, log_level="ERROR")
    for tool in (tools.verify, tools.verify_path, tools.lint, tools.run_status):
        server.tool()(refusing(tool))
    return server
