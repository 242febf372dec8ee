"""A program on request: corrected until it runs and is good, inserted only where and when that was agreed to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from env.refusal import Refusal
from eval.domains import domain_named, open_verifier
from runner.assisting.asking import Request, ask, best, read_settings
from runner.assisting.inserting import Place, insert, place_in
from runner.views.marks import read_weights
from tests.support.judge_server import JudgeServer, judging
from tests.support.runs import PROJECT, Cli
from tests.support.settings import verifier_settings

GOOD = 'core.register_node("lamps:red", {\n\tdescription = "Red Lamp",\n\ttiles = { "lamps_red.png" },\n\tgroups = { cracky = 3 },\n})'
BROKEN = GOOD.replace("core.", "cor.")
POOR = GOOD.replace("description", "descripton")


def fenced(code: str) -> str:
    return f"Here it is.\n\n```lua\n{code}\n```\n"


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    """A chat server; a test says what it writes: one text after the other, the last one again and again."""
    with judging(lambda first, second: "", reads=lambda turn: fenced(GOOD), model="writer") as opened:
        yield opened


def writes(server: JudgeServer, *codes: str) -> None:
    left = list(codes)
    server.reads = lambda turn: fenced(left.pop(0) if len(left) > 1 else left[0])


@pytest.fixture
def asking(server: JudgeServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cli: Cli) -> Callable[..., Any]:
    """Type `ask` against the server, with the recorder as verifier."""
    usual = yaml.safe_load((PROJECT / "conf/assistant.yaml").read_text())
    (tmp_path / "assistant.yaml").write_text(yaml.safe_dump(usual | {"url": server.url, "model": "writer"}))
    monkeypatch.setenv("LUAGATE_ASSISTANT", str(tmp_path / "assistant.yaml"))
    return lambda *words: cli("ask", *words)


def attempts_of(server: JudgeServer, words: str = "a red lamp", **typed: Any) -> tuple[Any, ...]:
    from eval.chat.client import Client

    settings = read_settings(url=server.url, model="writer", **typed)
    client = Client(settings.server)
    try:
        with open_verifier(domain_named("luanti"), verifier_settings(name="recorder", workers=1)) as verifier:
            return ask(Request(words, "", domain_named("luanti"), read_weights()), settings, client, verifier)
    finally:
        client.close()


def test_an_answer_that_runs_and_is_good_is_not_asked_again(server: JudgeServer) -> None:
    [one] = attempts_of(server)
    assert (one.has_passed, one.code.strip()) == (True, GOOD)
    assert one.total >= 0.85
    [body] = server.seen
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("writer", 0.2, 1024)


def test_an_error_is_told_to_the_model_which_corrects_it(server: JudgeServer) -> None:
    writes(server, BROKEN, GOOD)
    first, second = attempts_of(server)
    assert (first.sample.verdict.outcome, second.has_passed) == ("RUNTIME_ERROR", True)
    *_, own, told = server.seen[1]["messages"]
    assert (own["role"], "cor.register_node" in own["content"]) == ("assistant", True)
    assert "attempt to index global 'cor'" in told["content"]
    assert best((first, second)) is second


def test_what_runs_with_poor_marks_is_improved_and_the_better_one_is_used(server: JudgeServer) -> None:
    writes(server, POOR, BROKEN, GOOD)
    found = attempts_of(server, below=0.99, turns=2)
    assert [one.has_passed for one in found] == [True, False, True]
    assert "descripton" in found[0].findings[0]
    assert best(found) is found[2]
    assert best(found[:2]) is found[0], "what does not run is never better"


def test_corrections_end_at_their_number(server: JudgeServer) -> None:
    writes(server, BROKEN)
    assert len(attempts_of(server, turns=1)) == 2
    assert len(attempts_of(server, turns=0)) == 1


def test_an_answer_without_a_program_is_told_so(server: JudgeServer) -> None:
    server.reads = lambda turn: ""
    first, *_ = attempts_of(server, turns=1)
    assert first.sample.verdict.outcome == "NO_CODE"
    assert "holds no program" in server.seen[1]["messages"][-1]["content"]


@pytest.mark.parametrize("status", [500, 503])
def test_a_server_in_trouble_is_one_sentence(server: JudgeServer, asking: Callable[..., Any], status: int) -> None:
    server.faults.append(lambda handler: handler.send_error(status))
    code, text = asking("a lamp", "--domain", "luanti")
    assert (code, f"answered {status}" in text) == (2, True), text


def test_a_server_that_is_not_there_is_one_sentence(asking: Callable[..., Any]) -> None:
    code, text = asking("a lamp", "--domain", "luanti", "--url", "http://127.0.0.1:9")
    assert (code, "http://127.0.0.1:9 cannot be reached" in text) == (2, True), text


def test_it_is_written_into_a_mod_with_a_copy_of_what_was_there(asking: Callable[..., Any], tmp_path: Path) -> None:
    mod = tmp_path / "lamps"
    mod.mkdir()
    code, text = asking("a red lamp", "--domain", "luanti", "--into", str(mod), "--yes")
    assert code == 0, text
    assert (mod / "init.lua").read_text() == f"{GOOD}\n"
    (mod / "init.lua").write_text("core.log('mine')\n")
    code, text = asking("a red lamp", "--into", str(mod / "init.lua"), "--yes")
    assert (code, "-core.log('mine')" in text) == (0, True), text
    assert (mod / "init.lua.1.bak").read_text() == "core.log('mine')\n"
    assert sorted(path.name for path in mod.iterdir()) == ["init.lua", "init.lua.1.bak"]


def test_the_code_at_hand_is_shown_to_the_model(
    server: JudgeServer, asking: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "old.lua").write_text("core.register_alias('a', 'b')")
    assert asking("tidy it", "--file", str(tmp_path / "old.lua"))[0] == 0
    assert "```lua\ncore.register_alias('a', 'b')\n```" in server.seen[0]["messages"][1]["content"]


def test_what_does_not_run_is_never_written(server: JudgeServer, asking: Callable[..., Any], tmp_path: Path) -> None:
    writes(server, BROKEN)
    code, text = asking("a lamp", "--domain", "luanti", "--into", str(tmp_path / "a.lua"), "--yes")
    assert (code, (tmp_path / "a.lua").exists()) == (3, False), text


def test_nothing_is_asked_where_nobody_can_agree(
    server: JudgeServer, asking: Callable[..., Any], tmp_path: Path
) -> None:
    code, text = asking("a lamp", "--domain", "luanti", "--into", str(tmp_path / "a.lua"))
    assert (code, "Add --yes" in text) == (2, True), text
    assert server.seen == []


@pytest.mark.parametrize(
    "words",
    [("a lamp",), (" ", "--domain", "luanti"), ("a", "--domain", "luantj"), ("a", "--domain", "luanti", "--url", "x")],
)
def test_bad_input_ends_with_2(asking: Callable[..., Any], words: tuple[str, ...]) -> None:
    assert asking(*words)[0] == 2


def test_json_holds_every_attempt(server: JudgeServer, asking: Callable[..., Any]) -> None:
    writes(server, BROKEN, GOOD)
    code, text = asking("a lamp", "--domain", "luanti", "--json")
    told = json.loads(text)
    assert (code, told["best"], len(told["attempts"])) == (0, 1, 2)
    assert told["attempts"][1]["code"].strip() == GOOD


@pytest.mark.parametrize("name", ["none/a.lua", "a.txt", "folder", "link.lua"])
def test_a_place_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "init.lua").write_text("")
    (tmp_path / "link.lua").symlink_to("/etc/hosts")
    with pytest.raises(Refusal):
        place_in(tmp_path / name, is_mod=True)


def test_a_file_that_changed_in_the_meantime_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.lua"
    file.write_text("-- theirs")
    with pytest.raises(Refusal, match="changed in the meantime"):
        insert(Place(file, "-- mine"), "x = 1")
    assert file.read_text() == "-- theirs"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"turns": 21}, "turns = 21"),
        ({"url": "ftp://x"}, "url"),
        ({"model": 5}, "wrong type"),
        ({"more": 1}, "exactly"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    usual = yaml.safe_load((PROJECT / "conf/assistant.yaml").read_text())
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(usual | change))
    with pytest.raises(Refusal, match=said):
        read_settings(tmp_path / "a.yaml")
