"""The recorder: a model of Luanti's API in Lua under LuaJIT, which records what a program registers and calls.

It is strict where the engine is (name prefixes, recipes, unknown functions) and lenient where the engine is (missing
tiles, light above 14). Not covered: rendering, light, physics, mapgen, the network; a check that needs them has
needs="world" and is refused here.
"""

from __future__ import annotations

from concurrent.futures import Future
from importlib.resources import files

from env.refusal import Refusal
from eval.domains.luanti.domain import LUA
from eval.domains.luanti.mod_names import mod_of
from eval.domains.luanti.verify.findings import Series, findings_in
from eval.pipeline.pooled_verifier import CHECK_STATES, PooledVerifier
from eval.pipeline.verifier import Job, VerifierSettings
from eval.records import CheckResult, Outcome, TaskCheck, Verdict
from eval.sandbox.pool import Ending, Pool, usable_cpus
from eval.sandbox.process import ChildSettings

NAME = "recorder/luajit21"
# Loading order: what isolates the candidate first, the judge last.
LUA_FILES = ("guard", "values", "shapes", "record", "registry", "callbacks", "checks", "judge")
# Loaded when a program first uses what they define.
LUA_ON_DEMAND = ("text", "vector", "stacks", "objects", "world", "play", "services")
# Compiled when a program first uses what they define: few do.
LUA_FURTHER = ("random", "noise", "voxels", "areas", "rays", "json", "codes")
# Run before the child is locked down: one that passes, one for each way to fail.
WARM_UP = (
    ("core.register_node('mymod:a', {})", "mymod", "node", "equal(node('mymod:a').light_source, 0, 'light')"),
    ("x = = 1", "mymod", "any", ""),
    ("error({})", "mymod", "any", ""),
    ("core.set_node({x = 0, y = 0, z = 0}, {name = 'air'})", "mymod", "fails", "fail(player('x'):get_pos())"),
)


def lua_files(names: tuple[str, ...]) -> dict[str, str]:
    """Return parts of the judging program, file name to source, in loading order."""
    folder = files("eval.domains.luanti.verify") / "api"
    return {f"{name}.lua": (folder / f"{name}.lua").read_text(encoding="utf-8") for name in names}


def further_source() -> dict[str, str]:
    """Return the file that keeps the parts of the model which few programs use as text, for the first of these."""
    parts = lua_files(tuple(f"further/{name}" for name in LUA_FURTHER)).values()
    text = "local P = ...\n" + "".join(f"do local f = function(P)\n{part}\nend f(P) end\n" for part in parts)
    return {"further.lua": f"P.further_source = [====[\n{text}]====]\n"}


class Recorder(PooledVerifier):
    """The recorder over a pool of children."""

    engine: Series = None  # whose fields its findings know
    language = LUA

    def __init__(self, settings: VerifierSettings) -> None:
        self._settings = settings
        child = ChildSettings(
            program={"settings.lua": f"P.output_cap_bytes = {settings.output_kb * 1024}", **lua_files(LUA_FILES)},
            on_demand=further_source() | lua_files(LUA_ON_DEMAND),
            warm_up=WARM_UP,
            timeout_s=settings.timeout_s,
            cpu_s=settings.cpu_s,
            memory_mb=settings.memory_mb,
            recycle_after=settings.recycle_after,
        )
        self._pool = Pool(child, settings.workers or usable_cpus(), settings.require_isolation)
        self.name = NAME
        self.isolation = self._pool.isolation
        self.isolation_reason = self._pool.isolation_reason

    def _unsupported(self, check: TaskCheck) -> Refusal:
        return Refusal(
            f'The recorder cannot run the check "{check.name}": it needs a running world.',
            "Use a verifier with the engine, or exclude its task.",
        )

    def _queue(self, job: Job) -> Future[Verdict]:
        arguments = [job.code, mod_of(job)]
        for check in job.checks:
            arguments += [check.name, check.lua]
        return self._pool.submit(arguments, lambda ending: self._verdict(job, ending))

    def _read(self, job: Job, ending: Ending) -> Verdict:
        return read_answer(job, ending, self.name, self.isolation, self.engine)


def open_pool(settings: VerifierSettings) -> Recorder:
    """Return a running recorder. Raises Refusal when no child starts or the isolation is weaker than required."""
    return Recorder(settings)


def read_answer(job: Job, ending: Ending, name: str, isolation: str, engine: Series = None) -> Verdict:
    """Return the verdict in a child's answer (see judge.lua for its layout).

    Raises:
        ValueError, KeyError, TypeError: the answer contradicts itself or the job.
    """
    fields = iter(ending.fields)
    outcome, detail = Outcome(_text(next(fields, None))), _text(next(fields, None))
    if _count(next(fields, None)) != len(job.checks):
        raise ValueError("its number of checks differs")
    checks = tuple(
        CheckResult(check.name, CHECK_STATES[_text(next(fields, None))], _text(next(fields, None)))
        for check in job.checks
    )
    all_passed = all(check.passed for check in checks)
    if (outcome is Outcome.PASSED and not all_passed) or (checks and all_passed and outcome is not Outcome.PASSED):
        raise ValueError("outcome and checks contradict each other")
    registered = tuple(_text(next(fields, None)) for _ in range(_count(next(fields, None))))
    api_calls = tuple(_text(next(fields, None)) for _ in range(_count(next(fields, None))))
    shapes = [_text(next(fields, None)) for _ in range(_count(next(fields, None)))]
    findings = findings_in(shapes, engine)
    return Verdict(outcome, detail, ending.seconds, name, isolation, checks, registered, api_calls, findings)


def _text(field: str | float | None) -> str:
    if not isinstance(field, str):
        raise TypeError("no text where text should be")
    return field


def _count(field: str | float | None) -> int:
    if field is None or isinstance(field, str):
        raise TypeError("no number where a number should be")
    return int(field)
