"""In which order tests are handed to the workers: what stays together, by the time that it may take."""

from __future__ import annotations

from collections import defaultdict

import pytest


def longest_first(items: list[pytest.Item]) -> None:
    """Sort ``items``: first the groups whose tests have the longest time limits, of equal ones those of most tests.

    A group is what pytest-xdist gives to one worker; a test without one is its own. Equals stay as they are.
    """
    groups: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        groups[_group(item)].append(item)
    rank = {name: (-max(map(_limit_s, group)), -len(group)) for name, group in groups.items()}
    items.sort(key=lambda item: rank[_group(item)])


def _group(item: pytest.Item) -> str:
    mark = item.get_closest_marker("xdist_group")
    return str(mark.args[0]) if mark is not None else item.nodeid


def _limit_s(item: pytest.Item) -> float:
    mark = item.get_closest_marker("timeout")
    return float(mark.args[0] if mark is not None else item.config.getini("timeout"))
