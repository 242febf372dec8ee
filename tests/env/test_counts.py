"""One thing is told in the singular; test files of each screen and refusal hold that they count by this helper."""

from __future__ import annotations

from env.wording.counts import counted


def test_one_is_singular_and_thousands_are_divided() -> None:
    assert [counted(n, "task") for n in (0, 1, 2, 1240)] == ["0 tasks", "1 task", "2 tasks", "1,240 tasks"]
    assert [counted(n, "near miss", "near misses") for n in (1, 2)] == ["1 near miss", "2 near misses"]
