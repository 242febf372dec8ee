"""Deduplicate: of rows that say the same the first stays; rows that nearly do share a cluster, which they keep."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from eval.curation.recipe import DeduplicateSettings, Recipe, Text
from eval.curation.records import CuratedRow, Dropped, StageResult, dropped_row
from eval.curation.surroundings import Surroundings
from eval.overlap.contamination import ANSWER_GRAM
from eval.overlap.near_duplicates import Shingles, equal_links, groups_of, near_links, shingled
from eval.overlap.ngrams import NearPair, jaccard, normalise, tokens_of
from eval.overlap.templates import masked_answer
from eval.pipeline.lua_text import without_comments
from eval.pipeline.thoughts import answer_part

GRAM = 5
# Of the near-duplicates that the page shows side by side.
SHOWN_CLUSTERS = 30


def depends(recipe: Recipe, around: Surroundings) -> Mapping[str, Any]:
    """Return the settings, and the domain whose thoughts are left out of a comparison."""
    return {**asdict(recipe.deduplicate), "domain": around.domain.name}


def run(rows: Sequence[CuratedRow], recipe: Recipe, around: Surroundings) -> StageResult:
    """Return the first of each group of duplicates, every row with the cluster that it belongs to."""
    settings = recipe.deduplicate
    wanted: dict[Text, None] = dict.fromkeys((*settings.alike, "prompt", "answer"))
    texts = {part: [compared_text(row, part, around) for row in rows] for part in wanted}
    grams = {part: shingled(texts[part], GRAM) for part in wanted}
    compared: tuple[Text, ...] = ("prompt", "answer")
    links = {part: near_links(grams[part], settings.cluster_jaccard) for part in compared}
    # many rows may share a prompt, few an answer
    first: Text = next(part for part in ("answer", "structure", "prompt") if part in settings.alike)
    near = links[first] if first in links else near_links(grams[first], settings.jaccard)
    doubles = _doubles(texts, grams, settings.alike, near, settings.jaccard)
    clusters = _clusters(rows, texts["prompt"], links["prompt"], _told_answers(rows, texts["answer"]), settings)
    clustered = [replace(row, cluster=cluster) for row, cluster in zip(rows, clusters, strict=True)]
    kept = tuple(row for place, row in enumerate(clustered) if place not in doubles)
    dropped = tuple(_dropped(clustered[place], clustered[doubles[place][0]], doubles[place][1]) for place in doubles)
    alike = {
        f"{part}s that nearly repeat an earlier one": len(rows)
        - len(
            set(groups_of(len(rows), [(one.left, one.right) for one in links[part] if one.jaccard >= settings.jaccard]))
        )
        for part in links
    }
    return StageResult(kept, dropped, alike | _facts(clustered, dropped))


def compared_text(row: CuratedRow, part: Text, around: Surroundings) -> str:
    """Return what of a row is compared: an answer without its thought; its structure without strings and numbers."""
    if part == "prompt":
        return row.prompt
    said = answer_part(row.output, around.domain.language).text
    return masked_answer(without_comments(said)) if part == "structure" else said


def _doubles(
    texts: Mapping[Text, Sequence[str]],
    grams: Mapping[Text, Shingles],
    alike: Sequence[Text],
    near: Sequence[NearPair],
    threshold: float,
) -> dict[int, tuple[int, float]]:
    """Return, by position, each row that repeats an earlier one that stays: which, and the least index (1: equal)."""
    normal = [tuple(normalise(texts[part][place]) for part in alike) for place in range(len(texts[alike[0]]))]

    def index(one: int, other: int) -> float:
        if normal[one] == normal[other]:
            return 1.0
        return min(jaccard(grams[part].of(one), grams[part].of(other)) for part in alike)

    before: dict[int, set[int]] = defaultdict(set)
    for left, right in [*equal_links(normal), *((pair.left, pair.right) for pair in near)]:
        before[right].add(left)
    doubles: dict[int, tuple[int, float]] = {}
    for place in sorted(before):
        # an earlier row that is dropped itself is looked for in the one that stands for it
        staying = {doubles[other][0] if other in doubles else other for other in before[place]}
        best = max(((index(other, place), -other) for other in staying), default=(0.0, 0))
        if best[0] >= threshold:
            doubles[place] = (-best[1], best[0])
    return doubles


def _told_answers(rows: Sequence[CuratedRow], answers: Sequence[str]) -> list[str]:
    """Return the answers that say enough to tell one row from another: a diff, or a few words, are alike by chance."""
    return [
        "" if (row.input and "@@ " in answer) or len(tokens_of(answer)) < ANSWER_GRAM else answer
        for row, answer in zip(rows, answers, strict=True)
    ]


def _clusters(
    rows: Sequence[CuratedRow],
    prompts: Sequence[str],
    near_prompts: Sequence[NearPair],
    answers: Sequence[str],
    settings: DeduplicateSettings,
) -> list[str]:
    """Return each row's cluster: the one it came with, joined with those of rows that nearly say the same."""
    near = [*near_prompts, *near_links(shingled(answers, GRAM), settings.cluster_jaccard)]
    joined = [(pair.left, pair.right) for pair in near]
    for texts in (prompts, answers):
        joined += equal_links([normalise(text) for text in texts])
    joined += equal_links([row.cluster and f"{row.source}/{row.cluster}" for row in rows])
    # a row that was made of another stays with it
    joined += equal_links([row.id.partition("~")[0] for row in rows])
    return [rows[first].id for first in groups_of(len(rows), joined)]


def _dropped(row: CuratedRow, kept: CuratedRow, index: float) -> Dropped:
    if index == 1.0:
        return dropped_row(row, "repeats another row", f"that of {kept.place}", kept.id)
    return dropped_row(row, "nearly repeats another row", f"J {index:.2f} with {kept.place}", kept.id)


def _facts(rows: Sequence[CuratedRow], dropped: Sequence[Dropped]) -> dict[str, Any]:
    sizes = Counter(row.cluster for row in rows)
    by_kept: dict[str, list[str]] = defaultdict(list)
    for one in dropped:
        by_kept[one.kept].append(one.id)
    largest = sorted(by_kept, key=lambda kept: (-len(by_kept[kept]), kept))[:SHOWN_CLUSTERS]
    return {
        "clusters": len(sizes),
        "largest cluster": max(sizes.values()),
        "shown": {kept: by_kept[kept] for kept in largest},
    }
