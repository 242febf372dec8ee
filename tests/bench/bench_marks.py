"""What answers get as marks: references, near misses, echoes, keyword soup, another task's reference.

    python tests/bench/bench_marks.py luantibench recorder
    python tests/bench/bench_marks.py robloxbench world

Prints the mean of each mark and of the total with the shipped weights, and how many answers passed.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

PROJECT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(PROJECT))

from eval.datasets.loading import domain_of, load_dataset  # noqa: E402
from eval.domains import open_verifier, scorer_of  # noqa: E402
from eval.pipeline.loop import judge  # noqa: E402
from eval.pipeline.scoring import PARTS, Answered, scores_of, weighted  # noqa: E402
from eval.records import Outcome, Task  # noqa: E402
from runner.views.marks import read_weights  # noqa: E402
from tests.support.settings import dataset_settings, verifier_settings  # noqa: E402

WORDS = {
    "luanti": "core.register_node core.register_craft minetest.get_node vector.new ItemStack meta formspec on_use groups",
    "roblox": "game:GetService Players.PlayerAdded:Connect pcall task.wait Instance.new Vector3.new OnServerEvent UpdateAsync",
}
CALLS = {
    "luanti": 'core.register_node("mymod:zz", {description = "z"})\ncore.register_tool("mymod:zy", {description = "y"})',
    "roblox": 'local Players = game:GetService("Players")\nPlayers.PlayerAdded:Connect(function(player)\n'
    '\tpcall(function() task.wait() end)\nend)\nlocal part = Instance.new("Part")\npart.Parent = workspace',
}


def answers_of(domain: str, tasks: Sequence[Task]) -> dict[str, Callable[[Task], str]]:
    """Return each kind of answer by name."""
    names = re.findall(r"[A-Za-z_]\w*", WORDS[domain])
    unread = "\n".join(f"local a{place} = {name}" for place, name in enumerate(names))
    place = {task.id: number for number, task in enumerate(tasks)}
    return {
        "reference": lambda task: task.reference,
        "near miss": lambda task: task.near_misses[0].answer if task.near_misses else "",
        "names in unread locals": lambda _: _fenced(unread),
        "calls nobody asked for": lambda _: _fenced(CALLS[domain]),
        "another task's reference": lambda task: tasks[(place[task.id] + 17) % len(tasks)].reference,
        "constant": lambda _: _fenced("local module = {}\nreturn module"),
        "input given back": lambda task: _fenced(task.input),
        "prompt given back": lambda task: task.instruction,
        "keywords as text": lambda _: WORDS[domain],
        "keywords in a comment": lambda _: _fenced(f"-- {WORDS[domain]}"),
        "nothing": lambda _: "",
    }


def _fenced(code: str) -> str:
    return f"```lua\n{code}\n```"


def main(dataset: str, verifier: str) -> None:
    """Judge and mark every kind of answer to every task of ``dataset``."""
    settings = dataset_settings(name=dataset, dev_tasks=0, test_tasks=0, rows=8)
    domain, tasks = domain_of(settings), load_dataset(settings).tasks
    scorer, weights = scorer_of(domain), read_weights()
    print(f"{len(tasks)} tasks of {dataset} under {verifier}")
    print(f"{'answer':26} {'  '.join(f'{part:>7}' for part in (*PARTS, 'total'))}   passed  ms each")
    with open_verifier(domain, verifier_settings(name=verifier, workers=2)) as opened:
        for name, answer in answers_of(domain.name, tasks).items():
            judged = judge([(task, answer(task)) for task in tasks], opened)
            started = time.process_time()
            pairs = zip(tasks, judged, strict=True)
            found = [scores_of(Answered(task.input, *verdict), scorer) for task, verdict in pairs]
            pace = 1000 * (time.process_time() - started) / len(tasks)
            marks = [scores for scores in found if scores is not None]
            means = [fmean(getattr(scores, part) for scores in marks) for part in PARTS]
            total = fmean(weighted(scores, weights) for scores in marks)
            passed = sum(verdict.outcome is Outcome.PASSED for _, verdict in judged)
            print(f"{name:26} {'  '.join(f'{mean:7.3f}' for mean in (*means, total))}   {passed:6}  {pace:7.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
