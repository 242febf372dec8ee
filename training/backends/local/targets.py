"""Which linear modules get an adapter: those requested by name and layer, never a router or an expert; pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from env.refusal import Refusal, choices_hint
from env.wording.counts import counted
from training.records import LoraSettings

_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks|block)\.(\d+)\.")
# expert routing must not move: trained router weights change which parameters answer
_FORBIDDEN = re.compile(r"\.(router|gate|experts|switch_mlp|shared_experts?|shared_expert_gate|sinks)(\.|$)")


def select_targets(linear: Sequence[str], lora: LoraSettings) -> tuple[str, ...]:
    """Return those names of ``linear`` (full names of a model's linear modules) that get an adapter, in their order.

    Raises:
        Refusal: a layer is out of range, a name does not exist exactly once in each requested layer, or a match is
            a router or an expert.
    """
    by_layer = [(name, int(found[1])) for name in linear if (found := _LAYER.search(name))]
    count = max((layer for _, layer in by_layer), default=-1) + 1
    layers = _layer_numbers(lora, count)
    inside = [name for name, layer in by_layer if layer in layers]
    choices = {last(name) for name in inside if not is_forbidden(name)}
    for asked in lora.target_modules:
        if asked not in {last(name) for name in inside}:
            raise Refusal(
                f"gate.c.lora.target_modules: {asked!r} is not a linear module in layers {spell_layers(layers)} "
                "of this model.",
                choices_hint(asked, choices),
            )
    targets = tuple(name for name in inside if last(name) in lora.target_modules)
    for name in targets:
        if is_forbidden(name):
            raise Refusal(
                f"gate.c.lora.target_modules: {name} is a router or expert module, which must not train.",
                f"Leave {last(name)!r} out. " + choices_hint("", choices),
            )
    _require_one_each(targets, lora, layers)
    return targets


def parameter_patterns(sizes: Mapping[str, int]) -> dict[str, int]:
    """Return how many parameters train by pattern, layers folded: {"model.layers.[2-3].q_proj.lora_A.weight": 512}.

    Args:
        sizes: number of elements by parameter name.
    """
    folded: dict[str, tuple[set[int], int]] = {}
    for name, size in sizes.items():
        found = _LAYER.search(name)
        pattern = f"{name[: found.start(1)]}*{name[found.end(1) :]}" if found else name
        layers, count = folded.get(pattern, (set(), 0))
        folded[pattern] = (layers | ({int(found[1])} if found else set()), count + size)
    return {
        pattern.replace("*", f"[{spell_layers(layers)}]", 1) if layers else pattern: count
        for pattern, (layers, count) in folded.items()
    }


def _require_one_each(targets: Sequence[str], lora: LoraSettings, layers: set[int]) -> None:
    """Refuse a name that is missing in some of the layers, or appears twice in one: it would train less, or more.

    DeepSeek's attention has an o_proj but no q_proj; a model with an image tower has two layers of each number.
    """
    found = Counter((last(name), layer_of(name)) for name in targets)
    for asked in lora.target_modules:
        lacking = {layer for layer in layers if not found[asked, layer]}
        if lacking:
            raise Refusal(
                f"gate.c.lora.target_modules: {asked!r} exists in only {len(layers) - len(lacking)} of the "
                f"{len(layers)} requested layers, not in {spell_layers(lacking)}.",
                "Name the layers that have it in gate.c.lora.layers, or leave it out.",
            )
        twice = [layer for layer in sorted(layers) if found[asked, layer] > 1]
        if twice:
            both = ", ".join(name for name in targets if (last(name), layer_of(name)) == (asked, twice[0]))
            raise Refusal(f"gate.c.lora.target_modules: {asked!r} matches more than one module of a layer: {both}.")


def is_forbidden(name: str) -> bool:
    """Return whether the module or parameter ``name`` belongs to a router or an expert."""
    return bool(_FORBIDDEN.search(name))


def layer_of(name: str) -> int | None:
    """Return the decoder layer that a module or parameter name belongs to; None when it belongs to none."""
    found = _LAYER.search(name)
    return int(found[1]) if found else None


def last(name: str) -> str:
    """Return the last part of a dotted name."""
    return name.rsplit(".", 1)[-1]


def _layer_numbers(lora: LoraSettings, count: int) -> set[int]:
    for layer in lora.layers:
        if not -count <= layer < count:
            raise Refusal(
                f"gate.c.lora.layers: {layer} is out of range, the model has {counted(count, 'layer')}.",
                f"Use 0 to {count - 1}, or -{count} to -1 counted from the last.",
            )
    numbers = {layer % count for layer in lora.layers}
    if len(numbers) < len(lora.layers):
        raise Refusal(f"gate.c.lora.layers: {list(lora.layers)} names a layer twice, the model has {count}.")
    return numbers or set(range(count))


def spell_layers(layers: set[int]) -> str:
    """Return '19-23' for neighbouring layers, else '3, 7'."""
    numbers = sorted(layers)
    contiguous = numbers == list(range(numbers[0], numbers[-1] + 1)) if numbers else False
    return f"{numbers[0]}-{numbers[-1]}" if contiguous and len(numbers) > 1 else ", ".join(map(str, numbers))
