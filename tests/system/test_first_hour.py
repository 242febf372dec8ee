"""A stranger's first hour, typed in a plain shell: clone, demo, an own model folder, own rows, another learning rate, export.

Everything happens in a clone under /tmp whose environment ``make demo`` builds; no variable of this process reaches it.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.support.runs import PROJECT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

DECIDED = (0, 3)
PLANTS = [
    "tomato",
    "carrot",
    "pumpkin",
    "turnip",
    "radish",
    "lettuce",
    "spinach",
    "onion",
    "garlic",
    "pepper",
    "basil",
    "thyme",
    "sage",
    "mint",
    "parsley",
    "clover",
    "barley",
    "millet",
    "rye",
    "oat",
]
# What waits for a person at a terminal.
IN_NO_TERMINAL = "python -m runner tmux"
TOOLS = ["spade", "rake", "hoe", "sickle", "trowel", "shears", "dibber", "fork"]
# Lines that load an exported adapter as any user of peft would, without luagate.
LOAD = """
import sys
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
base = AutoModelForCausalLM.from_pretrained(sys.argv[1])
model = PeftModel.from_pretrained(base, sys.argv[2])
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
ids = tokenizer("### Instruction:\\n", return_tensors="pt")
print(tokenizer.decode(model.generate(**ids, max_new_tokens=4)[0]))
"""


def block(name: str, light: int) -> dict[str, str]:
    return {
        "instruction": f"Please add a garden block garden:{name}. It shows garden_{name}.png and glows with level {light}.",
        "input": "",
        "output": f'core.register_node("garden:{name}", {{\n\tdescription = "{name.title()}",\n'
        f'\ttiles = {{"garden_{name}.png"}},\n\tlight_source = {light},\n}})\n',
        "family": "scaffold",
    }


def goods(name: str, stack: int) -> dict[str, str]:
    return {
        "instruction": f"My mod garden needs {name} to carry, up to {stack} in a stack; its picture is garden_{name}.png.",
        "input": "",
        "output": f'core.register_craftitem("garden:{name}", {{\n\tdescription = "{name.title()}",\n'
        f'\tinventory_image = "garden_{name}.png",\n\tstack_max = {stack},\n}})\n',
        "family": "scaffold",
    }


def broken_tool(name: str) -> dict[str, str]:
    code = f'core.register_tool("garden:{name}", {{\n\tdescription = "{name.title()}",\n\tinventory_imag = "garden_{name}.png",\n}})\n'
    head = f'@@ -1,4 +1,4 @@\n core.register_tool("garden:{name}", {{\n \tdescription = "{name.title()}",\n'
    change = f'-\tinventory_imag = "garden_{name}.png",\n+\tinventory_image = "garden_{name}.png",\n }})\n'
    instruction = f"The picture garden_{name}.png of the tool garden:{name} never shows. Send a diff."
    return {"instruction": instruction, "input": code, "output": head + change, "family": "repair"}


def post(height: int) -> dict[str, str]:
    return {
        "instruction": f"Write the fence post garden:post_{height} out of wood, group choppy={height}.",
        "input": "",
        "output": f'core.register_node("garden:post_{height}", {{\n\tdescription = "Post",\n'
        f'\ttiles = {{"garden_post.png"}},\n\tgroups = {{choppy = {height}}},\n}})\n',
        "family": "scaffold",
    }


ROWS = [
    *(block(name, place % 13 + 1) for place, name in enumerate(PLANTS[:10])),
    *(goods(name, place * 7 % 90 + 2) for place, name in enumerate(PLANTS[10:])),
    *map(broken_tool, TOOLS),
]
TRAIN = [*ROWS[:8], *ROWS[10:18], *ROWS[20:26]]
EVAL = [*(row for row in ROWS if row not in TRAIN), *map(post, (1, 2, 3))]


class Desk:
    """Where the stranger sits: a home of their own, a clone, and a shell that knows nothing else."""

    def __init__(self, folder: Path) -> None:
        self.home, self.clone = folder / "home", folder / "luagate"
        self.home.mkdir()
        self.seen: list[str] = []

    def type(self, command: str, codes: tuple[int, ...] = (0,), cwd: Path | None = None) -> str:
        """Run ``command`` in a login-like shell; return what the screen shows."""
        environment = {
            "HOME": str(self.home),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "TERM": "dumb",
            "LANG": "C.UTF-8",
        }
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=cwd or self.clone,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1200,
            check=False,
        )
        assert done.returncode in codes, f"{command} ended with {done.returncode}:\n{done.stdout[-4000:]}"
        assert "Traceback" not in done.stdout, f"{command}:\n{done.stdout[-4000:]}"
        self.seen.append(f"$ {command}\n{done.stdout}")
        return done.stdout


@pytest.fixture
def desk() -> Iterator[Desk]:
    folder = Path(mkdtemp(prefix="first-hour-", dir="/tmp"))
    here = Desk(folder)
    subprocess.run(["git", "clone", "--quiet", str(PROJECT), str(here.clone)], check=True)
    (here.home / "data").mkdir()
    for name, rows in (("train", TRAIN), ("eval", EVAL)):
        lines = "".join(f"{json.dumps(row)}\n" for row in rows)
        (here.home / "data" / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    shutil.copytree(PROJECT / "training" / "tiny" / "model", here.home / "my models" / "little lua")
    yield here
    shutil.rmtree(folder)


def test_the_first_hour(desk: Desk) -> None:
    """One test: each step needs what the one before it left, and a step alone would fail for another's reason."""
    for step in (
        the_demo_decides_on_a_fresh_clone,
        the_commands_of_the_readme_answer_in_a_plain_shell,
        a_profile_for_an_own_model_and_own_rows_is_written_and_edited,
        an_own_model_and_own_rows_go_from_a_to_a_decision,
        another_learning_rate_keeps_model_data_and_baseline,
        the_adapter_leaves_the_run_and_loads_in_plain_peft,
        wrong_turns_are_reported_in_one_sentence_and_begin_nothing,
        no_screen_of_the_hour_speaks_in_riddles,
        every_next_command_is_one_that_can_be_typed_there,
    ):
        step(desk)


def the_demo_decides_on_a_fresh_clone(desk: Desk) -> None:
    printed = desk.type("make demo")
    assert "PROCEED (strong): pass@5 34.9% → 67.4%, gain +32.6 pp (95% +25.1 pp to +40.0 pp)" in printed


def the_commands_of_the_readme_answer_in_a_plain_shell(desk: Desk) -> None:
    for command in ("", "-h", "--version", "status --why", "runs", "report --help"):
        assert desk.type(f"python3 -m runner {command}").strip()
    demo = newest(desk).name
    for command in documented("README.md"):
        if command.startswith(IN_NO_TERMINAL):
            continue
        # a run to compare with, and an adapter, are what the reader has: here they are the demo and none
        words = command.replace("NAME OTHER", f"{demo} {newest(desk).name}")
        codes = (2,) if "compare" in command or "export" in command else DECIDED if "advance" in command else (0,)
        assert desk.type(words.replace("python ", "python3 ", 1), codes).strip()
    (desk.clone / "mine.yaml").unlink()


def a_profile_for_an_own_model_and_own_rows_is_written_and_edited(desk: Desk) -> None:
    look = desk.type("python3 -m runner tasks $HOME/data/eval.jsonl")
    assert "dataset.train=TRAIN --starter mine.yaml" in look
    desk.type(
        f"python3 -m runner config profile=local 'model.path={desk.home}/my models/little lua' dataset=jsonl "
        "dataset.eval=$HOME/data/eval.jsonl dataset.train=$HOME/data/train.jsonl --from-defaults --starter $HOME/mine.yaml"
    )
    file = desk.home / "mine.yaml"
    written = file.read_text(encoding="utf-8")
    assert "learning_rate: 0.0002 " in written
    file.write_text(written.replace("learning_rate: 0.0002 ", "learning_rate: 0.0003 "), encoding="utf-8")
    rate = desk.type("python3 -m runner config gate.c.train.learning_rate --config $HOME/mine.yaml")
    assert rate.splitlines()[-1] == "0.0003"
    assert "makes the run" in desk.type("python3 -m runner doctor --model --config $HOME/mine.yaml")


def an_own_model_and_own_rows_go_from_a_to_a_decision(desk: Desk) -> None:
    created = desk.type("python3 -m runner new --from-defaults --config $HOME/mine.yaml size=smoke")
    assert "???" not in created
    shown = desk.type("python3 -m runner status")
    assert "little lua · jsonl" in shown
    printed = desk.type("python3 -m runner advance", DECIDED)
    assert "E decision" in printed
    assert "python3 -m runner report" in printed
    baseline = newest(desk) / "gate_b" / "samples.jsonl"
    tasks = {json.loads(line)["task_id"] for line in baseline.read_text(encoding="utf-8").splitlines()}
    assert len(tasks) == len(EVAL), "no item was left out: each has checks of its own"


def another_learning_rate_keeps_model_data_and_baseline(desk: Desk) -> None:
    first = newest(desk).name
    created = desk.type("python3 -m runner new gate.c.train.learning_rate=0.0007")
    assert "little lua" in created + desk.type("python3 -m runner status"), "the model is still the user's own"
    printed = desk.type("python3 -m runner advance", DECIDED)
    assert f"reused from {first}" in printed
    compared = desk.type(f"python3 -m runner compare {first} {newest(desk).name}")
    assert "learning_rate" in compared


def the_adapter_leaves_the_run_and_loads_in_plain_peft(desk: Desk) -> None:
    desk.type("python3 -m runner export --to $HOME/adapter --anyway")
    (desk.home / "load.py").write_text(LOAD, encoding="utf-8")
    desk.type(f"'{desk.clone}/.venv/bin/python' load.py '{desk.home}/my models/little lua' adapter", cwd=desk.home)


def wrong_turns_are_reported_in_one_sentence_and_begin_nothing(desk: Desk) -> None:
    before = sorted((desk.clone / "results").iterdir())
    for wrong, word in (
        ("new model=local model.path=/nowhere/model", "/nowhere/model"),
        ("new model=lokal", "local"),
        ("new gate.c.train.learning_rat=0.1", "learning_rate"),
        (
            "new dataset=jsonl dataset.eval=/nowhere/eval.jsonl dataset.train=/nowhere/train.jsonl",
            "/nowhere/eval.jsonl",
        ),
    ):
        printed = desk.type(f"python3 -m runner {wrong}", (2,))
        assert word in printed
        # on a busy machine it also says that it still works
        assert len([line for line in printed.strip().splitlines() if not line.startswith("still ")]) <= 4, printed
    assert sorted((desk.clone / "results").iterdir()) == before


def no_screen_of_the_hour_speaks_in_riddles(desk: Desk) -> None:
    odd = re.compile(r"\b(mend|mended|goes on|taken over|stands in|held by|as asked)\b")
    assert not [hit for screen in desk.seen for hit in odd.findall(screen)]


def every_next_command_is_one_that_can_be_typed_there(desk: Desk) -> None:
    known = re.findall(r"^  ([a-z]+)  +[A-Z]", desk.type("python3 -m runner"), re.MULTILINE)
    assert len(known) > 10
    typed = [screen for screen in desk.seen if screen.startswith("$ python3 -m runner")]
    named = [
        found for screen in typed for found in re.findall(r"(?:next|fix|watch): .*?([^\s`]+ -m runner \w+)", screen)
    ]
    assert len(named) > 5
    assert {words for words in named if words not in {f"python3 -m runner {name}" for name in known}} == set()


def documented(page: str) -> list[str]:
    """Return the commands of luagate in a page's shell blocks, as they are printed."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (PROJECT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = [line.partition(" #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("python -m runner ")]


def newest(desk: Desk) -> Path:
    """Return the folder of the run that was created last."""
    return max(
        (desk.clone / "results").glob("*_*_*"), key=lambda run: json.loads((run / "run.json").read_text())["created_at"]
    )
