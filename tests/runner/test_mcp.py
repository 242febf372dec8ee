"""The MCP server: what its tools answer, what they refuse, and that nothing but the protocol is on its output."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from env.refusal import Refusal
from runner.assisting.tools import MAX_CHARACTERS, Toolbox
from tests.support.runs import PROJECT
from tests.support.settings import verifier_settings


@pytest.fixture
def tools(tmp_path: Path) -> Iterator[Toolbox]:
    with Toolbox(verifier_settings(workers=1), tmp_path, lambda run: {"run": run or "current"}) as opened:
        yield opened


def test_code_is_run_and_its_domain_found_out(tools: Toolbox) -> None:
    luanti = tools.verify('core.register_node("a:b", { descripton = "B" })')
    [program] = luanti["programs"]
    assert (luanti["domain"], program["verdict"]["outcome"]) == ("luanti", "PASSED")
    assert "descripton" in program["verdict"]["findings"][0]
    roblox = tools.verify("local part = Instance.new('Part')\npart.Parent = workspace\npart:Nothing()")
    assert (roblox["domain"], roblox["programs"][0]["verdict"]["outcome"]) == ("roblox", "RUNTIME_ERROR")


def test_reading_runs_nothing(tools: Toolbox) -> None:
    assert "no class" in tools.lint("while true do end local x = Instance.new('Prt')", "roblox")["findings"][0]


@pytest.mark.parametrize(
    ("code", "said"),
    [("  \n", "is empty"), ("x" * (MAX_CHARACTERS + 1), "characters, more"), ("return {}", "cannot be told")],
)
def test_code_that_is_none_is_refused(tools: Toolbox, code: str, said: str) -> None:
    with pytest.raises(Refusal, match=said):
        tools.verify(code.replace("return {}", "core.x(game.Name)"))


def test_paths_outside_the_folder_are_refused(tools: Toolbox, tmp_path: Path) -> None:
    (tmp_path / "a.lua").write_text("core.log('a')")
    assert tools.verify_path("a.lua")["programs"][0]["verdict"]["outcome"] == "PASSED"
    (tmp_path / "away").symlink_to("/etc")
    for path in ("..", "/etc/passwd", "away/passwd", "b/../../x"):
        with pytest.raises(Refusal, match="is outside"):
            tools.verify_path(path)


def test_a_client_of_the_protocol_is_served(tmp_path: Path) -> None:
    mcp = pytest.importorskip("mcp", reason="mcp is not installed: `make setup-mcp`")
    environment = {**os.environ, "LUAGATE_RESULTS": str(tmp_path / "results")}
    started = mcp.StdioServerParameters(
        command=sys.executable, args=["-m", "runner", "mcp", "--root", str(tmp_path)], cwd=PROJECT, env=environment
    )

    async def talk() -> list[Any]:
        async with mcp.Client(started) as client:
            listed = await client.list_tools()
            code = "core.register_craftitem('a:b', {})\nnothing.here()"
            ran = await client.call_tool("verify", {"code": code})
            outside = await client.call_tool("verify_path", {"path": "/etc"})
            no_run = await client.call_tool("run_status", {})
            return [listed, ran, outside, no_run]

    listed, ran, outside, no_run = asyncio.run(talk())
    assert {tool.name for tool in listed.tools} == {"verify", "verify_path", "lint", "run_status"}
    assert all(tool.description for tool in listed.tools)
    verdict = ran.structured_content["programs"][0]["verdict"]
    assert (verdict["outcome"], verdict["registered"]) == ("RUNTIME_ERROR", ["craftitem a:b"])
    assert ":2: attempt to index global 'nothing'" in verdict["detail"]
    assert (outside.is_error, "is outside" in outside.content[0].text) == (True, True)
    assert (no_run.is_error, "There is no run in" in no_run.content[0].text) == (True, True)
