"""Advancing a run: stops, deaths and noes each have their own word, exit code and way on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.holding import AT_WORK, HeldAdvance, advance_until
from tests.support.runs import PROJECT, SMOKE, events, is_alive, only_run, pulse, runner, start, wait_until

pytestmark = [pytest.mark.xdist_group("runs"), pytest.mark.timeout(600)]
PUBLIC = PROJECT.parent / "shared" / "data" / "public" / "luanti-fine-tune" / "data"


def begun(results: Path, gate: str) -> tuple[Path, HeldAdvance]:
    """Start an advance and wait until ``gate`` is at work."""
    runner("new", *SMOKE, results=results, check=True)
    return only_run(results), advance_until(AT_WORK[gate], results=results)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_stops_at_a_safe_point_and_names_the_command_that_continues(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    folder, advance = begun(tmp_path, "b")
    output = advance.stop(number)
    assert advance.process.returncode == code, output
    assert "python -m runner advance" in output
    assert events(folder)[-1]["type"] == "gate_stopped"
    assert not is_alive(advance.worker)
    stored = (folder / "gate_b" / "samples.jsonl").read_bytes()
    assert stored.endswith(b"\n"), "a stop leaves only whole lines"
    assert "stopped" in runner("status", results=tmp_path).stdout


@pytest.fixture(scope="module")
def long_call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run before Gate B, each of whose generation calls takes a minute, in two processes."""
    results = tmp_path_factory.mktemp("long_call")
    call = ("sampling.samples_per_call=6000", "sampling.samples_dev=250", "sampling.samples_test=250")
    runner("advance", "--to", "A", "profile=smoke", "model.processes=2", *call, results=results, check=True)
    return results


def generating(results: Path) -> subprocess.Popen[str]:
    """Start an advance and wait until it is in the middle of a generation call, in which many samples have ended."""
    advance, folder = start("advance", results=results), only_run(results)
    worker = pulse(folder)["pid"]
    wait_until(lambda: pulse(folder)["pid"] != worker and pulse(folder)["tokens"] > 40_000, "it generates", advance)
    return advance


def test_a_stop_is_acknowledged_on_every_screen_at_once_and_a_second_one_says_what_it_lost(long_call: Path) -> None:
    advance, folder = generating(long_call), only_run(long_call)
    worker = pulse(folder)["pid"]
    # as deaf as one in a long computation
    os.kill(worker, signal.SIGSTOP)
    os.kill(advance.pid, signal.SIGINT)
    assert "after the present decoding step; every finished sample is verified" in line_with("stopping", advance)
    assert "Ctrl-C once more stops at once and loses" in line_with("again:", advance)
    assert is_alive(worker)
    assert "! stopping since" in runner("status", results=long_call).stdout
    assert json.loads(runner("status", "--json", results=long_call).stdout)["stopping"]["at"]
    os.kill(advance.pid, signal.SIGINT)
    output = advance.communicate(timeout=60)[0]
    assert advance.returncode == 130, output
    assert not is_alive(worker)
    last = events(folder)[-1]
    assert (last["type"], last["data"]["signal"]) == ("gate_stopped", signal.SIGINT)
    assert "tokens of samples that were not stored yet, about" in last["data"]["lost"]
    assert last["data"]["lost"] in " ".join(output.split())
    assert "stopping" not in runner("status", results=long_call).stdout


def line_with(word: str, advance: subprocess.Popen[str]) -> str:
    """Return the next printed line that holds ``word``."""
    assert advance.stdout is not None
    return next(line for line in advance.stdout if word in line)


def test_a_stop_inside_a_long_generation_call_is_obeyed_in_every_process_and_keeps_what_has_ended(
    long_call: Path,
) -> None:
    advance, folder = generating(long_call), only_run(long_call)
    file = folder / "gate_b" / "samples.jsonl"
    worker = pulse(folder)["pid"]
    others = children_of(worker)
    began_s = time.monotonic()
    os.kill(advance.pid, signal.SIGINT)
    output = advance.communicate(timeout=60)[0]
    assert time.monotonic() - began_s < 15, output
    assert advance.returncode == 130, output
    assert 0 < file.read_bytes().count(b"\n") < 3000
    assert "lost" not in output
    # one that generates, one that verifies
    assert len(others) >= 2
    wait_until(lambda: not any(map(is_alive, [worker, *others])), "no process is left")


def children_of(pid: int) -> list[int]:
    """Return the processes that ``pid`` started, from whichever thread."""
    lists = [path.read_text(encoding="utf-8") for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(word) for text in lists for word in text.split()]


def test_a_stop_of_gate_a_which_stores_no_work_ends_it_at_once(tmp_path: Path) -> None:
    # minutes of work, were they done
    runner("new", *SMOKE, "dataset.rows=20000", results=tmp_path, check=True)
    folder = only_run(tmp_path)
    advance = start("advance", results=tmp_path)
    wait_until(lambda: pulse(folder).get("phase") == "data", "gate A looks at the data", advance)
    began_s = time.monotonic()
    os.kill(advance.pid, signal.SIGINT)
    output = advance.communicate(timeout=60)[0]
    assert time.monotonic() - began_s < 10, output
    assert advance.returncode == 130
    assert "Traceback" not in output
    assert not (folder / "gate_a" / "failure.json").exists()
    assert events(folder)[-1]["type"] == "gate_stopped"


def test_a_worker_killed_alone_is_a_crash_that_names_the_signal_and_resumes(tmp_path: Path) -> None:
    folder, advance = begun(tmp_path, "c")
    os.kill(advance.worker, signal.SIGKILL)
    output = advance.process.communicate(timeout=60)[0]
    assert advance.process.returncode == 1, output
    last = events(folder)[-1]
    assert (last["type"], last["gate"]) == ("gate_crashed", "c")
    assert "SIGKILL" in output
    assert "python -m runner advance" in output
    done = runner("advance", "--to", "C", results=tmp_path)
    assert done.returncode == 0, done.stdout
    assert not (folder / "gate_c" / "failure.json").exists()
    report = json.loads((folder / "gate_b" / "report.json").read_text())
    assert {"eval/sandbox/seccomp.py", "eval/domains/luanti/verify/api/judge.lua"} <= report["source_files"].keys()
    assert not {name for name in report["source_files"] if name.startswith(("runner/", "training/backends/mlx/"))}
    assert "transformers" in report["versions"]


def test_two_advances_on_one_run_are_one_too_many(tmp_path: Path) -> None:
    folder, advance = begun(tmp_path, "b")
    second = runner("advance", results=tmp_path)
    assert second.returncode == 4
    assert f"pid {advance.process.pid}" in second.stdout + second.stderr
    status = json.loads(runner("status", "--json", results=tmp_path).stdout)
    assert status["running"] is True
    assert [g["state"] for g in status["gates"]][:2] == ["passed", "running"]
    advance.stop(signal.SIGTERM)
    assert json.loads(runner("status", "--json", results=tmp_path).stdout)["running"] is False
    assert [e["type"] for e in events(folder)].count("gate_started") == 2


def test_a_machine_that_lacks_something_stops_at_gate_a_and_continues_once_it_is_fixed(tmp_path: Path) -> None:
    done = runner("advance", *SMOKE, "gate.a.machine.min_free_ram_gb=100000", results=tmp_path)
    folder = only_run(tmp_path)
    assert done.returncode == 3, done.stdout
    assert "memory" in done.stdout
    checks = json.loads((folder / "gate_a" / "report.json").read_text(encoding="utf-8"))["checks"]
    assert (checks[-1]["name"], checks[-1]["value"]) == ("data", "not looked at"), "the machine comes before any work"
    assert not (folder / "gate_a" / "rule.json").exists(), "no rule is frozen for an experiment that may not begin"
    again = runner("advance", results=tmp_path)
    assert again.returncode == 3, "asked again with the same inputs, the answer stands"
    assert [e["type"] for e in events(folder)].count("gate_started") == 1
    mended = runner("advance", "--to", "A", "gate.a.machine.min_free_ram_gb=0.1", results=tmp_path)
    assert mended.returncode == 0, mended.stdout
    assert (folder / "attempts" / "gate_a.1" / "report.json").is_file(), "the first attempt is kept"
    assert json.loads((folder / "gate_a" / "report.json").read_text(encoding="utf-8"))["attempt"] == 2


def test_a_config_change_that_would_make_a_passed_gate_lie_is_refused_with_the_ways_out(tmp_path: Path) -> None:
    runner("advance", "--to", "A", *SMOKE, results=tmp_path, check=True)
    folder = only_run(tmp_path)
    before = (folder / "config.yaml").read_bytes()
    refused = runner("advance", "seed=5", results=tmp_path)
    assert refused.returncode == 5
    for words in ("seed", "0", "5", "python -m runner new seed=5", "python -m runner rewind A seed=5"):
        assert words in refused.stdout + refused.stderr
    assert (folder / "config.yaml").read_bytes() == before
    runner("rewind", "A", "seed=5", results=tmp_path, check=True)
    assert (folder / "attempts" / "gate_a.1" / "report.json").is_file()
    assert runner("advance", "--to", "A", results=tmp_path).returncode == 0


def test_a_setting_of_speed_alone_makes_nothing_stale(tmp_path: Path) -> None:
    runner("advance", "--to", "A", *SMOKE, results=tmp_path, check=True)
    done = runner("advance", "--to", "A", "model.batch_size=7", "verifier.workers=1", results=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_report_whose_event_was_lost_is_recorded_and_not_computed_again(tmp_path: Path) -> None:
    runner("advance", "--to", "A", *SMOKE, results=tmp_path, check=True)
    folder = only_run(tmp_path)
    journal = folder / "events.jsonl"
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    assert '"gate_passed"' in lines[-1]
    journal.write_text("".join(lines[:-1]), encoding="utf-8")
    report = (folder / "gate_a" / "report.json").read_bytes()
    assert runner("advance", "--to", "A", results=tmp_path).returncode == 0
    assert events(folder)[-1]["type"] == "gate_passed"
    assert (folder / "gate_a" / "report.json").read_bytes() == report


def test_an_event_whose_report_was_lost_restarts_the_gate_and_keeps_what_is_left(tmp_path: Path) -> None:
    runner("advance", "--to", "A", *SMOKE, results=tmp_path, check=True)
    folder = only_run(tmp_path)
    (folder / "gate_a" / "report.json").unlink()
    done = runner("advance", "--to", "A", results=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "gate_a/report.json was lost: gate A starts a new attempt" in done.stdout
    assert (folder / "attempts" / "gate_a.1" / "rule.json").is_file()
    assert json.loads((folder / "gate_a" / "report.json").read_text(encoding="utf-8"))["attempt"] == 2
    assert [e["type"] for e in events(folder)][-3:] == ["gate_rewound", "gate_started", "gate_passed"]


WHOLE_FILES = ("dataset.rows=0", "dataset.dev_tasks=0", "dataset.test_tasks=0")


def public(*more: str) -> list[str]:
    """Overrides for the public Luanti pair. Its tasks share 9 templates: with 5 samples little can be seen of them."""
    files = [
        f"dataset.eval={PUBLIC / 'eval' / 'luanti_eval.jsonl'}",
        f"dataset.train={PUBLIC / 'train' / 'luanti_train.jsonl'}",
    ]
    return ["dataset=jsonl", *files, *SMOKE, *WHOLE_FILES, *more]


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="the public Luanti pair is not beside this checkout")
def test_the_public_luanti_pair_stops_at_gate_a_naming_its_40_leaked_items_and_continues_when_waived(
    tmp_path: Path,
) -> None:
    blocked = runner("advance", *public(), results=tmp_path)
    assert blocked.returncode == 3, blocked.stdout + blocked.stderr
    assert "40 of 60 eval items appear verbatim in the training rows" in blocked.stdout
    folder = only_run(tmp_path)
    report = json.loads((folder / "gate_a" / "report.json").read_text(encoding="utf-8"))
    [leaks] = [check for check in report["checks"] if check["name"] == "exact leaks"]
    named = [item for item in leaks["evidence"] if "prompt and answer verbatim" in item]
    assert len(named) == 40
    waived = runner("advance", 'gate.a.waivers.exact_leaks="measured for comparison only"', results=tmp_path)
    assert waived.returncode in (0, 3), waived.stdout + waived.stderr
    assert events(folder)[-1]["gate"] == "e"
    decided = json.loads((folder / "gate_e" / "report.json").read_text(encoding="utf-8"))["results"]
    leaked = {row["task_id"] for row in decided["tasks"] if row["contamination"] == "CONTAMINATED T1"}
    clean = decided["decision_without_contaminated"]
    assert set(clean["excluded"]) == leaked
    assert clean["gain"]["n"] == decided["decision"]["gain"]["n"] - len(leaked)
    html = runner("report", results=tmp_path)
    assert html.returncode == 0
    for name in ("report.md", "report.html"):
        # the first page: what stands above the basis of the decision
        first = (folder / name).read_text(encoding="utf-8").partition("decided on")[0]
        assert "measured for comparison only" in first, name
        assert "40 of 60 eval items appear verbatim in the training rows" in first, name
        assert f"Without the {len(leaked)} contaminated tasks: {clean['verdict']}, gain " in first, name
