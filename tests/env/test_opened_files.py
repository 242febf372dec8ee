"""Which files of a project a process opened: modules, data, listed folders, children's programs; and no others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from env.files import sha256_file
from env.installed.opened_files import ABSENT, CHANGED, OpenedFiles, content_digest, differences, imported_files
from tests.support.runs import PROJECT

FILES = {
    "judging/__init__.py": "",
    "judging/early.py": "",
    "judging/late.py": "from pathlib import Path\nTEXT = (Path(__file__).parent / 'judge.lua').read_text()\n",
    "judging/judge.lua": "return 1\n",
    "judging/other.lua": "return 2\n",
    "judging/other.py": "",
    "judging/child.py": "def run():\n    from judging.grandchild import run\n",
    "judging/grandchild.py": "import judging.leaf\n",
    "judging/leaf.py": "",
    "judging/bench/one.yaml": "a",
    "judging/bench/README.md": "a card",
    "screens/__init__.py": "",
    "screens/ink.py": "",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def watched(project: Path, body: str, log: str = "log.jsonl") -> dict[str, str]:
    """What a process of its own opened of ``judging`` while it ran ``body``: an audit hook stays for a process's life."""
    lines = f"""
        import json, os, subprocess, sys
        from pathlib import Path
        sys.path[:0] = [os.getcwd(), {str(PROJECT)!r}]
        import judging.early, screens.ink
        from env.installed.opened_files import OpenedFiles
        opened = OpenedFiles(Path.cwd(), ["judging"], Path.cwd().parent / {log!r})
        opened.watch()
    """
    script = textwrap.dedent(lines) + textwrap.dedent(body) + "\nprint(json.dumps(opened.digests()))\n"
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=project, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_what_was_loaded_before_and_what_is_opened_later_are_both_known_and_nothing_else(project: Path) -> None:
    found = watched(project, "import judging.late")
    assert sorted(found) == ["judging/__init__.py", "judging/early.py", "judging/judge.lua", "judging/late.py"]
    assert found["judging/judge.lua"] == sha256_file(project / "judging/judge.lua")


def test_a_module_read_from_bytecode_counts_by_its_source(project: Path) -> None:
    watched(project, "import judging.late")
    assert list(project.glob("judging/__pycache__/late.*.pyc")), "the second process reads bytecode"
    assert "judging/late.py" in watched(project, "import judging.late", "second.jsonl")


def test_a_child_process_s_program_counts_with_all_that_it_imports(project: Path) -> None:
    for start in ("str(Path('judging/child.py').resolve())", "'-m', 'judging.child'"):
        found = watched(project, f"subprocess.run([sys.executable, {start}])", f"{len(start)}.jsonl")
        assert {"judging/child.py", "judging/grandchild.py", "judging/leaf.py"} <= found.keys()
        assert "judging/other.py" not in found


def test_a_listed_folder_counts_by_the_names_in_it_and_importing_lists_none(project: Path) -> None:
    found = watched(project, "import judging.late; list(Path('judging/bench').glob('*.yaml'))")
    assert [name for name in found if name.endswith("/")] == ["judging/bench/"]
    assert differences(project, found) == []
    (project / "judging/bench/CARD.md").write_text("about")
    assert differences(project, found) == []
    (project / "judging/bench/two.yaml").write_text("b")
    assert differences(project, found) == ["judging/bench/"]


@pytest.mark.parametrize("name", ["judging/judge.lua", "judging/late.py", "judging/early.py", "judging/leaf.py"])
def test_a_changed_file_is_a_difference(project: Path, name: str) -> None:
    found = watched(project, "import judging.late; subprocess.run([sys.executable, '-m', 'judging.child'])")
    (project / name).write_text("-- changed\n")
    assert differences(project, found) == [name]


@pytest.mark.parametrize("name", ["judging/other.lua", "judging/other.py", "screens/ink.py", "judging/bench/one.yaml"])
def test_a_changed_file_that_was_not_opened_is_none(project: Path, name: str) -> None:
    found = watched(project, "import judging.late")
    (project / name).write_text("# changed\n")
    assert differences(project, found) == []


def test_a_file_that_was_looked_for_in_vain_counts_once_it_is_there(project: Path) -> None:
    found = watched(project, "try:\n    open('judging/more.lua')\nexcept FileNotFoundError:\n    pass")
    assert found["judging/more.lua"] == ABSENT
    (project / "judging/more.lua").write_text("")
    assert differences(project, found) == ["judging/more.lua"]


def test_a_file_that_changes_while_the_process_works_is_distinguished(project: Path) -> None:
    found = watched(project, "import judging.late; Path('judging/late.py').write_text('# new')")
    assert found["judging/late.py"] == CHANGED
    assert found["judging/early.py"] != CHANGED
    assert differences(project, found) == ["judging/late.py"]


def test_what_an_earlier_session_opened_counts_for_the_one_that_ends_the_work(project: Path) -> None:
    watched(project, "import judging.late")
    assert "judging/judge.lua" in watched(project, ""), "the last session itself opened no Lua"
    (project / "judging/judge.lua").write_text("return 9\n")
    found = watched(project, "import judging.late")
    assert found["judging/judge.lua"] == CHANGED, "two sessions worked with different bytes"


def test_a_session_that_was_killed_left_its_lines(project: Path) -> None:
    script = f"""
        import os, signal, sys
        from pathlib import Path
        sys.path[:0] = [os.getcwd(), {str(PROJECT)!r}]
        from env.installed.opened_files import OpenedFiles
        OpenedFiles(Path.cwd(), ["judging"], Path.cwd().parent / "log.jsonl").watch()
        import judging.late
        os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], cwd=project, check=False)
    assert "judging/judge.lua" in watched(project, "")


def test_where_a_line_cannot_be_written_nothing_is_reported(project: Path, tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    opened = OpenedFiles(project, ["judging"], full)
    opened._note(str(project / "judging" / "late.py"))
    assert opened.digests() == {}


def test_imports_are_followed_through_packages_and_functions(project: Path) -> None:
    found = imported_files(project, [project / "judging/child.py"])
    assert [path.relative_to(project).as_posix() for path in found] == [
        "judging/__init__.py",
        "judging/child.py",
        "judging/grandchild.py",
        "judging/leaf.py",
    ]


def test_a_project_behind_a_symbolic_link_is_the_same_project(project: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    os.symlink(project, link)
    opened = OpenedFiles(link, ["judging"], tmp_path / "log.jsonl")
    for base in (link, project):
        opened._note(str(base / "judging" / "late.py"))
    assert opened.digests() == {"judging/late.py": content_digest(project, "judging/late.py")}


@pytest.mark.parametrize("cut", [1, 20, 74])
def test_a_line_that_a_dying_process_tore_is_cut_off_and_the_next_one_is_whole(project: Path, cut: int) -> None:
    undisturbed = watched(project, "import judging.late")
    log = project.parent / "log.jsonl"
    log.write_bytes(log.read_bytes()[:-cut])
    assert watched(project, "import judging.late") == undisturbed
    assert log.read_bytes().endswith(b"\n")
