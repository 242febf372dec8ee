"""Items of the public format as tasks: checks derived from the item's own fields, clusters by prompt, and the split."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from importlib import import_module

from eval.domains import Derived, Derives, Domain
from eval.overlap.clusters import merged_clusters
from eval.overlap.ngrams import near_pairs, normalise
from eval.pipeline.patching import PatchRejected, apply_patch, parse_hunks
from eval.records import Row, Task

# tasks whose prompts are this similar, once quoted words and numbers are masked, come from one template
CLUSTER_JACCARD = 0.8
_NEAR_GRAM = 5
_DEV_SHARE = 1 / 3
_QUOTED = re.compile(r"(['\"`])(.*?)\1(?!\w)")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def build_tasks(
    items: Sequence[Row], seed: int, source_name: str, domain: Domain
) -> tuple[tuple[Task, ...], tuple[str, ...]]:
    """Return the items as tasks, with notes on what is left out and how the split fell.

    Ids are "eval:<line>"; the family says whether a diff or code is requested. An item whose reference shows nothing
    observable has no derivable check, so it is left out: every answer would pass it.
    """
    tasks, notes = [], []
    deriver: Derives = import_module(domain.derive)  # type: ignore[assignment]
    clusters = cluster_items(items)
    for item, cluster in zip(items, clusters, strict=True):
        answer = domain.families[item.family]
        program, note = _reference_program(item, answer)
        derived = deriver.derive(item, program)
        for remark in (note, derived.remark):
            if remark:
                notes.append(f"{source_name}:{item.line}: {remark}")
        if derived.checks:
            tasks.append(_task(item, cluster, derived, answer, source_name))
        else:
            notes.append(f"{source_name}:{item.line}: left out: its reference registers nothing that can be checked")
    dev = dev_clusters([(task.family, task.cluster) for task in tasks], seed)
    tasks = [replace(task, split="dev" if task.cluster in dev else "test") for task in tasks]
    return tuple(tasks), (*notes, *_split_notes(tasks))


def cluster_items(items: Sequence[Row]) -> tuple[str, ...]:
    """Return each item's cluster: its own where the file gives one, else that of its prompt's template.

    Two prompts share a template when they are equal, or have J ≥ 0.8 on 5-grams, after quoted words and numbers are
    masked; such a cluster never spans families. Clusters that hold near-duplicates as written are joined, named or not.
    """
    templates = [f"{item.family}\n{_masked(item.instruction)}\n{_masked(item.input)}" for item in items]
    distinct = sorted(set(templates))
    merged = _merge_alike(distinct)
    names = {template: f"{_family(template)}-{_short_digest(merged[template])}" for template in distinct}
    own = [item.cluster or names[template] for item, template in zip(items, templates, strict=True)]
    return merged_clusters([f"{item.instruction}\n{item.input}" for item in items], own)


def dev_clusters(placed: Sequence[tuple[str, str]], seed: int) -> frozenset[str]:
    """Return the clusters of the dev split, given (family, cluster) of each task: about a third of each family's tasks.

    Deterministic in ``seed``. A family of one cluster goes to test whole, unless no family has two: then the first half
    of the clusters is dev. One cluster alone cannot be split: dev is empty.
    """
    sizes: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for family, cluster in placed:
        sizes[family][cluster] += 1
    dev: set[str] = set()
    for family in sorted(sizes):
        dev |= _third(sizes[family], seed)
    if not dev:
        every = _shuffled({cluster for _, cluster in placed}, seed)
        dev = set(every[: len(every) // 2])
    return frozenset(dev)


def _third(sizes: dict[str, int], seed: int) -> set[str]:
    """Return clusters of one family whose tasks come near a third of all, leaving at least one cluster out."""
    order = _shuffled(sizes, seed)
    goal = sum(sizes.values()) * _DEV_SHARE
    chosen: set[str] = set()
    count = 0
    for cluster in order:
        is_nearer = abs(count + sizes[cluster] - goal) < abs(count - goal)
        if is_nearer and len(chosen) + 1 < len(order):
            chosen.add(cluster)
            count += sizes[cluster]
    if not chosen and len(order) > 1:
        chosen.add(min(order, key=lambda cluster: sizes[cluster]))
    return chosen


def _task(item: Row, cluster: str, derived: Derived, answer: str, source_name: str) -> Task:
    return Task(
        id=f"eval:{item.line}",
        family=item.family,
        kind=item.kind or derived.kind,
        cluster=cluster,
        split="test",
        instruction=item.instruction,
        input=item.input,
        answer=answer,  # type: ignore[arg-type]
        reference=item.output,
        checks=derived.checks,
        difficulty=min(5, max(1, len(derived.checks) - 3)),
        source=f"{source_name}:{item.line}",
    )


def _reference_program(item: Row, answer: str) -> tuple[str, str]:
    """Return the program the reference stands for, and a remark when its diff does not apply.

    For a diff that does not apply: the lines it keeps and adds.
    """
    if answer != "diff":
        return item.output, ""
    try:
        return apply_patch(item.input, item.output).text, ""
    except PatchRejected as error:
        kept = [text for hunk in parse_hunks(item.output) for mark, text in hunk.lines if mark != "-"]
        return "\n".join(kept), f"its reference does not apply to its input: {error}"


def _split_notes(tasks: Sequence[Task]) -> tuple[str, ...]:
    if not tasks:
        return ()
    counts = {split: [task for task in tasks if task.split == split] for split in ("dev", "test")}
    words = ", ".join(
        f"{split} {len(own)} tasks in {len({task.cluster for task in own})} clusters" for split, own in counts.items()
    )
    prompts = len({normalise(f"{task.instruction}\n{task.input}") for task in tasks})
    return (f"{len(tasks)} tasks, {prompts} distinct prompts; split by prompt template: {words}",)


def _masked(text: str) -> str:
    return normalise(_NUMBER.sub("0", _QUOTED.sub("'*'", text)))


def _family(template: str) -> str:
    return template.partition("\n")[0]


def _merge_alike(templates: Sequence[str]) -> dict[str, str]:
    """Return template → representative: the first, in order, of those it is joined to by a chain of near-duplicates."""
    root = {template: template for template in templates}

    def find(template: str) -> str:
        while root[template] != template:
            template = root[template]
        return template

    for pair in near_pairs(templates, templates, _NEAR_GRAM, CLUSTER_JACCARD):
        left, right = find(templates[pair.left]), find(templates[pair.right])
        if left != right and _family(left) == _family(right):
            root[max(left, right)] = min(left, right)
    return {template: find(template) for template in templates}


def _shuffled(clusters: Collection[str], seed: int) -> list[str]:
    return sorted(clusters, key=lambda cluster: hashlib.sha256(f"{seed}/{cluster}".encode()).digest())


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
