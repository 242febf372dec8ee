"""Marks beside verdicts: what 0 and 1 mean, what keyword soup and echoes get, and that no mark ever passes a program."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from env.refusal import BadSettings
from eval.datasets.loading import load_dataset
from eval.domains import Domain, domain_named, open_verifier, scorer_of
from eval.domains.luanti.scorers.habits import read_habits
from eval.pipeline.extract import extract
from eval.pipeline.loop import judge
from eval.pipeline.result import evaluate
from eval.pipeline.scoring import (
    NOTHING,
    PARTS,
    Answered,
    Scores,
    ScoreWeights,
    checks_passed,
    scores_of,
    weighted,
)
from eval.pipeline.scoring.means import MarkedTask, mean_scores
from eval.pipeline.scoring.words import distinct_lines, words
from eval.pipeline.verifier import Verifier
from eval.records import Candidate, CheckResult, Completion, Outcome, Sample, Task, Verdict
from tests.support.settings import dataset_settings, verifier_settings

PROJECT = Path(__file__).resolve().parents[2]
WEIGHTS = ScoreWeights(syntax=1, api=1, bugs=1, quality=1)
BEST = Scores(1.0, 1.0, 1.0, 1.0)


class Generous:
    """Gives every program that ran full marks."""

    def marks(self, code: str, verdict: Verdict) -> Scores:
        return BEST

    def findings(self, code: str) -> tuple[str, ...]:
        return ()


def verdict(outcome: Outcome, *checks: bool | None, **more: tuple[str, ...]) -> Verdict:
    results = tuple(CheckResult(f"check {place}", passed) for place, passed in enumerate(checks))
    return Verdict(outcome, "", 0.0, "test", "none", results, **more)


def answered(code: str | None, outcome: Outcome, task_input: str = "") -> Answered:
    return Answered(task_input, Candidate(code, "fence"), verdict(outcome))


# ------------------------------------------------------------------------------------------------- what all domains share


def test_an_answer_that_could_not_be_judged_has_no_marks() -> None:
    assert scores_of(answered("x = 1", Outcome.HARNESS_ERROR), Generous()) is None


@pytest.mark.parametrize("outcome", [Outcome.NO_CODE, Outcome.PATCH_REJECTED, Outcome.SYNTAX_ERROR])
def test_what_is_no_program_has_no_mark_at_all(outcome: Outcome) -> None:
    code = None if outcome is not Outcome.SYNTAX_ERROR else "local ="
    assert scores_of(answered(code, outcome), Generous()) == NOTHING


@pytest.mark.parametrize("code", ["", "  \n", "-- core.register_node pcall task.wait", "--[[ all\nof it ]]"])
def test_comments_alone_have_no_mark_at_all(code: str) -> None:
    assert scores_of(answered(code, Outcome.WRONG), Generous()) == NOTHING


def test_an_answer_that_repeats_the_input_compiles_and_nothing_else() -> None:
    given = "local a = 1 -- first\nreturn a"
    for echo in (given, "local a=1\n\n\nreturn   a", f"{given}\n-- fixed!"):
        assert scores_of(answered(echo, Outcome.WRONG, given), Generous()) == Scores(1.0, 0.0, 0.0, 0.0)
    assert scores_of(answered("local a = 2\nreturn a", Outcome.WRONG, given), Generous()) == BEST


@pytest.mark.parametrize("mark", [-0.01, 1.01, float("nan")])
def test_a_mark_outside_0_to_1_cannot_be_made(mark: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1: api"):
        Scores(1.0, mark, 1.0, 1.0)


@pytest.mark.parametrize("weights", [(-1, 1, 1, 1), (0, 0, 0, 0), (float("nan"), 1, 1, 1), (float("inf"), 1, 1, 1)])
def test_weights_that_weigh_nothing_are_refused(weights: tuple[float, float, float, float]) -> None:
    with pytest.raises(BadSettings):
        ScoreWeights(*weights)


def test_the_total_is_the_weighted_mean_and_stays_between_0_and_1() -> None:
    scores = Scores(1.0, 0.5, 0.0, 1.0)
    assert weighted(scores, WEIGHTS) == pytest.approx(0.625)
    assert weighted(scores, ScoreWeights(syntax=0, api=3, bugs=1, quality=0)) == pytest.approx(0.375)
    assert weighted(BEST, ScoreWeights(7, 1, 1, 2)) == 1.0
    assert weighted(NOTHING, WEIGHTS) == 0.0


def test_checks_that_were_not_reached_did_not_pass() -> None:
    assert checks_passed(verdict(Outcome.WRONG, True, False, None, None)) == 0.25
    assert checks_passed(verdict(Outcome.PASSED)) == 1.0
    assert checks_passed(verdict(Outcome.TIMEOUT)) == 0.0


def test_words_leave_out_comments_and_keep_strings_whole() -> None:
    code = 'local a = "-- no comment" --[[ gone ]] .. [[b\nc]] -- gone\nx += 1'
    assert list(words(code)) == ["local", "a", "=", '"-- no comment"', "..", "[[b\nc]]", "x", "+=", "1"]


def test_repeated_lines_count_once_and_closing_words_not_at_all() -> None:
    assert distinct_lines("print(1)\nend\nend\n") == 1.0
    assert distinct_lines("print(1)\n" * 10) == pytest.approx(0.1)
    assert distinct_lines("-- only words\n") == 0.0


# ------------------------------------------------------------------------------------------------ never a pass


def sample(task: Task, outcome: Outcome) -> Sample:
    completion = Completion("x", "stop", 1)
    return Sample(task.id, 0, "base", 1, completion, Candidate("return 1", "fence"), verdict(outcome))


def test_full_marks_turn_no_failed_execution_into_a_pass() -> None:
    task = Task("t", "scaffold", "node", "c", "test", "do", "", "code", "", ())
    failing = sample(task, Outcome.WRONG)
    assert scores_of(Answered("", failing.candidate, failing.verdict), Generous()) == BEST
    result = evaluate([failing], [task], "base", "test", [1])
    assert [(score.n, score.c) for score in result.scores] == [(1, 0)]
    assert result.metrics[0].value == 0.0


def deciding_files() -> Iterator[Path]:
    for folder in ("eval/estimation", "eval/decision", "eval/simulate", "gates"):
        yield from (PROJECT / folder).rglob("*.py")
    yield from (PROJECT / "eval/pipeline" / name for name in ("result.py", "loop.py", "instrument.py"))


def test_nothing_that_estimates_or_decides_reads_marks() -> None:
    reading = re.compile(r"^\s*(?:from|import)\s.*(?:scoring|scorers)|\bscorer_of\b|\bscorers\b", re.MULTILINE)
    files = list(deciding_files())
    assert len(files) > 40
    assert not [str(path) for path in files if reading.search(path.read_text(encoding="utf-8"))]


# ------------------------------------------------------------------------------------------------ means


def test_means_go_by_task_first_and_leave_out_what_was_not_judged() -> None:
    half = Scores(1.0, 0.5, 0.0, 0.5)
    tasks = [
        MarkedTask("a", "f", "1", base=(NOTHING, None), cell=(BEST, half)),
        MarkedTask("b", "f", "2", base=(half, half), cell=(BEST, None)),
        MarkedTask("c", "f", "3", base=(None, None), cell=(BEST, BEST)),
    ]
    means = {mean.part: mean for mean in mean_scores(tasks, WEIGHTS, seed=1, resamples=200)}
    assert list(means) == [*PARTS, "total"]
    assert means["syntax"].base.value == pytest.approx(0.5)
    assert means["api"].cell.value == pytest.approx((0.75 + 1 + 1) / 3)
    assert (means["api"].base.n, means["api"].cell.n, means["api"].gain.n) == (2, 3, 2)
    assert means["api"].gain.value == pytest.approx((0.75 + 0.5) / 2)
    assert means["total"].base.value == pytest.approx(0.25)
    assert all(0 <= (mean.base.low or 0) <= (mean.base.high or 0) <= 1 for mean in means.values())


def test_an_arm_that_was_not_measured_has_no_mean() -> None:
    [mean, *_] = mean_scores([MarkedTask("a", "f", "1", base=(BEST,))], WEIGHTS, seed=1, resamples=200)
    assert (mean.base.value, mean.cell.value, mean.gain.value) == (1.0, None, None)


# ------------------------------------------------------------------------------------------------ Luanti and Roblox, executed

SETTINGS = {"luanti": ("luanti_mini", "recorder"), "roblox": ("roblox_mini", "world")}
SOUP = {
    "luanti": "core.register_node minetest.register_craft core.get_node vector.new ItemStack meta formspec on_use",
    "roblox": "game:GetService Players.PlayerAdded:Connect pcall task.wait Instance.new Vector3.new OnServerEvent",
}
CALLS = {
    "luanti": 'core.register_node("mymod:zz", {description = "z"})\ncore.register_tool("mymod:zy", {description = "y"})',
    "roblox": 'local Players = game:GetService("Players")\nPlayers.PlayerAdded:Connect(function(player)\n'
    "\tpcall(function() task.wait() end)\nend)",
}


@pytest.fixture(scope="module", params=sorted(SETTINGS))
def domain(request: pytest.FixtureRequest) -> Domain:
    return domain_named(request.param)


@pytest.fixture(scope="module")
def tasks(domain: Domain) -> list[Task]:
    name = SETTINGS[domain.name][0]
    dataset = load_dataset(dataset_settings(name=name, dev_tasks=8, test_tasks=16, rows=8))
    return [task for task in dataset.tasks if task.answer == "code"]


@pytest.fixture(scope="module")
def verifier(domain: Domain) -> Iterator[Verifier]:
    with open_verifier(domain, verifier_settings(name=SETTINGS[domain.name][1], workers=1)) as opened:
        yield opened


def marked(domain: Domain, verifier: Verifier, answers: list[tuple[Task, str]]) -> list[Scores]:
    judged = judge(answers, verifier)
    scorer = scorer_of(domain)
    scored = [
        scores_of(Answered(task.input, candidate, found), scorer)
        for (task, _), (candidate, found) in zip(answers, judged, strict=True)
    ]
    assert None not in scored
    return [scores for scores in scored if scores is not None]


def fenced(code: str) -> str:
    return f"```lua\n{code}\n```"


def mean_total(scores: list[Scores]) -> float:
    return sum(weighted(each, WEIGHTS) for each in scores) / len(scores)


def test_references_have_nearly_full_marks(domain: Domain, verifier: Verifier, tasks: list[Task]) -> None:
    scores = marked(domain, verifier, [(task, task.reference) for task in tasks])
    assert {each.syntax for each in scores} == {1.0}
    assert mean_total(scores) > 0.9


def test_keyword_soup_has_none_or_hardly_any(domain: Domain, verifier: Verifier, tasks: list[Task]) -> None:
    soup = SOUP[domain.name]
    assert set(marked(domain, verifier, [(task, soup) for task in tasks])) == {NOTHING}
    assert set(marked(domain, verifier, [(task, fenced(f"-- {soup}")) for task in tasks])) == {NOTHING}
    names = re.findall(r"[A-Za-z_]\w*", soup)
    unread = fenced("\n".join(f"local a{place} = {name}" for place, name in enumerate(names)))
    assert mean_total(marked(domain, verifier, [(task, unread) for task in tasks])) <= 0.3


def test_calls_that_the_task_did_not_ask_for_earn_little(domain: Domain, verifier: Verifier, tasks: list[Task]) -> None:
    scores = marked(domain, verifier, [(task, fenced(CALLS[domain.name])) for task in tasks])
    assert mean_total(scores) <= 0.45


def test_the_prompt_given_back_earns_nothing(domain: Domain, verifier: Verifier, tasks: list[Task]) -> None:
    said = [(task, task.instruction) for task in tasks]
    as_comment = [(task, fenced("-- " + task.instruction.replace("\n", "\n-- "))) for task in tasks]
    assert set(marked(domain, verifier, said)) | set(marked(domain, verifier, as_comment)) == {NOTHING}


def test_the_same_answer_has_the_same_marks(domain: Domain, verifier: Verifier, tasks: list[Task]) -> None:
    answers = [(task, task.near_misses[0].answer if task.near_misses else task.reference) for task in tasks]
    assert marked(domain, verifier, answers) == marked(domain, verifier, answers)


# Each makes a program invalid and leaves its brackets balanced.
MUTATIONS = (
    lambda text: re.sub(r"\blocal (\w+) = ", r"local = \1 ", text, count=1),
    lambda text: re.sub(r" = ", " = = ", text, count=1),
    lambda text: re.sub(r"\bend\b", "", text, count=1),
    lambda text: re.sub(r"\bthen\b", "", text, count=1),
    lambda text: re.sub(r"\blocal\b", "locl", text, count=1),
    lambda text: re.sub(r",", ",,", text, count=1),
    lambda text: re.sub(r'"', "", text, count=1),
    lambda text: f"{text}\nend",
)


def balanced(text: str) -> bool:
    return all(text.count(opening) == text.count(closing) for opening, closing in ("()", "[]", "{}"))


def test_invalid_mutants_that_bracket_balance_accepts_have_no_mark(
    domain: Domain, verifier: Verifier, tasks: list[Task]
) -> None:
    mutants = [
        (task, fenced(mutant))
        for task in tasks
        for mutate in MUTATIONS
        if (mutant := mutate(code := extract(task, task.reference, domain.language).code or "")) != code
        and balanced(mutant)
    ]
    assert len(mutants) > 3 * len(tasks)
    assert set(marked(domain, verifier, mutants)) == {NOTHING}


# ------------------------------------------------------------------------------------------------ what lowers a mark

GOOD = {
    "luanti": 'local light = 3\ncore.register_node("mymod:lamp", {light_source = light})',
    "roblox": 'local part = Instance.new("Part")\npart.Name = "Lamp"\npart.Parent = workspace',
}
PASSED = verdict(Outcome.PASSED, True, registered=("node mymod:lamp",))
WORSE = (
    ("luanti", f"{GOOD['luanti']}\nlocal unread = 1", PASSED, "quality"),
    ("luanti", f"{GOOD['luanti']}\ncount = 1\nother = 2", PASSED, "quality"),
    ("luanti", f"{GOOD['luanti']}\ncore.log('action')\ncore.log('action')", PASSED, "quality"),
    ("luanti", GOOD["luanti"], replace(PASSED, findings=('node mymod:lamp: unknown field "x"',)), "api"),
    ("luanti", GOOD["luanti"], verdict(Outcome.WRONG, True, False, registered=("node a",)), "bugs"),
    ("roblox", f"{GOOD['roblox']}\nlocal unread = 1", PASSED, "quality"),
    ("roblox", f"{GOOD['roblox']}\ncount = 1", PASSED, "quality"),
    ("roblox", f"{GOOD['roblox']}\nwait(1)", PASSED, "quality"),
    ("roblox", f"{GOOD['roblox']}\nprint(part.Name)\nprint(part.Name)", PASSED, "quality"),
    ("roblox", f"{GOOD['roblox']}\npart.Colour = 1", PASSED, "api"),
    ("roblox", f"{GOOD['roblox']}\nprint(part.brickColor)", PASSED, "api"),
    ("roblox", f"{GOOD['roblox']}\nworkspace:FindFirstChild('x'):Destroy()", PASSED, "bugs"),
    ("roblox", f"{GOOD['roblox']}\npart.Size = 'big'", PASSED, "bugs"),
    ("roblox", GOOD["roblox"], verdict(Outcome.WRONG, True, False), "bugs"),
)


@pytest.mark.parametrize(("name", "code", "found", "part"), WORSE)
def test_a_fault_lowers_the_mark_it_belongs_to(name: str, code: str, found: Verdict, part: str) -> None:
    scorer = scorer_of(domain_named(name))
    good, worse = scorer.marks(GOOD[name], PASSED), scorer.marks(code, found)
    assert good == BEST
    assert getattr(worse, part) < 1.0
    untouched = {"api": ("bugs",), "bugs": ("api",), "quality": ("api", "bugs")}[part]
    assert found.outcome is not Outcome.PASSED or all(getattr(worse, other) == 1.0 for other in untouched)


@pytest.mark.parametrize("name", ["luanti", "roblox"])
def test_names_and_tidy_lines_count_as_far_as_checks_pass(name: str) -> None:
    scorer = scorer_of(domain_named(name))
    named = {"registered": ("node mymod:lamp",)}
    results = [(False, False), (True, False), (True, True)]
    found = [scorer.marks(GOOD[name], verdict(Outcome.WRONG, *checks, **named)) for checks in results]
    assert [(each.api, each.bugs, each.quality) for each in found] == [
        (0.25, 0.0, 0.25),
        (0.625, 0.5, 0.625),
        (1.0, 1.0, 1.0),
    ]


def test_each_file_of_an_answer_is_read_for_itself() -> None:
    files = (
        "-- file: ServerScriptService/Main.server.luau\nlocal config = require(script.Parent.Config)\nprint(config)\n"
        "-- file: ServerScriptService/Config.luau\nlocal config = { size = 1 }\nreturn config\n"
    )
    scorer = scorer_of(domain_named("roblox"))
    assert scorer.marks(files, PASSED) == BEST
    wrong = files.replace("print(config)", 'print(config)\ngame:GetService("UserInputService")')
    assert scorer.marks(wrong, PASSED).bugs == 0.5
    assert scorer.findings(wrong) == (
        "ServerScriptService/Main.server.luau: side: UserInputService is the client's, and this script runs on the "
        "server (line 3)",
    )


def test_the_code_that_tool_calls_carry_is_read_and_repeated_calls_count_once() -> None:
    scorer = scorer_of(domain_named("roblox"))
    call = '{"name": "run_code", "arguments": {"code": "local p = Instance.new(\\"Part\\")\\np.Parent = workspace"}}'
    assert scorer.marks(f'{{"calls": [{call}], "answer": ""}}', PASSED) == BEST
    assert scorer.marks(f'{{"calls": [{call}, {call}], "answer": ""}}', PASSED).quality == 0.5
    made = '{"name": "create_object", "arguments": {"className": "Prat", "parent": "Workspace (old)"}}'
    assert scorer.marks(f'{{"calls": [{made}], "answer": ""}}', PASSED).api == 0.5
    assert scorer.findings(f'{{"calls": [{made}], "answer": ""}}') == ('api: there is no class "Prat" (line 1)',)
    wrong = call.replace("Parent", "Prent")
    assert scorer.marks(f'{{"calls": [{wrong}], "answer": ""}}', PASSED).api == 0.5


@pytest.mark.parametrize(
    "code",
    [
        "x = " + "(" * 9_000,
        "x = " + "{" * 9_000 + "}" * 9_000,
        "-- " + "a" * 10_000_000 + "\nx = 1",
        "function " * 14_000,
        '{"calls": ' + "[" * 90_000,
    ],
)
@pytest.mark.parametrize("name", ["luanti", "roblox"])
def test_a_parser_bomb_gets_marks_and_no_error(name: str, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eval.domains.roblox.findings.program.tree._LONGEST_S", 0.2)
    assert scorer_of(domain_named(name)).marks(code, verdict(Outcome.TIMEOUT)).bugs == 0.0


@pytest.mark.parametrize(
    ("code", "unread", "written"),
    [
        ("local a, b = 1, 2\nreturn a", ("b",), ()),
        ("local function f() end", ("f",), ()),
        ("local t = {a = 1}\nt.b = 2\nreturn t", (), ()),
        ("mymod = {}\nmymod.x = 1\nfunction mymod.f() end", (), ()),
        ("count = 0\nfunction step() count = count + 1 end", (), ("count", "step")),
        ("core.register_node('m:a', {on_use = function(stack) used = true return stack end})", (), ("used",)),
        ("for i = 1, 3 do local x = i print(x) end", (), ()),
        ("local x\nx = 1\nreturn x", (), ()),
        ("local _, y = f()\nreturn y", (), ()),
    ],
)
def test_a_mods_variables_are_told_from_its_words(code: str, unread: tuple[str, ...], written: tuple[str, ...]) -> None:
    habits = read_habits(code)
    assert (habits.unread, habits.globals) == (unread, written)
