"""How an adapter at a scale is applied at a server: loaded there, or refused by name before anything is measured."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from env.refusal import Refusal
from training.backends.endpoint.asking import Found, listed
from training.backends.endpoint.baking import Export, adapter_name, place_of, seen_by_server, written
from training.backends.endpoint.calls import Calls
from training.sampler import SamplerSettings

_ABSENT = (404, 405)


@dataclass(frozen=True, slots=True)
class Worn:
    """What requests say while an adapter is applied.

    Attributes:
        fields: part of every request, the model's name among them.
        names: what the server may call the model in its answers.
    """

    fields: dict[str, Any]
    names: tuple[str, ...]


class Wardrobe:
    """The adapters of a server; ``found`` is what it is, ``export`` writes one as the training backend does."""

    def __init__(self, calls: Calls, found: Found, settings: SamplerSettings, export: Export) -> None:
        self._calls, self._found, self._settings, self._export = calls, found, settings, export
        self._announced: list[tuple[Path, float]] = []
        self._ways: dict[str, Callable[[Path, float], Any]] = {
            "loaded": self._loaded,
            "listed": self._loaded,
            "by path": self._by_path,
            "whole models": self._whole,
            "scaled": self._scaled,
        }

    @property
    def bare(self) -> Worn:
        """The base without an adapter."""
        model = self._found.model
        fields: dict[str, Any] = {"model": model}
        if self._found.server.way == "scaled":
            # adapters that the server applies by itself are off
            fields["lora"] = []
        return Worn(fields, (model, f"{model}@main"))

    def announce(self, adapters: Sequence[tuple[Path, float]]) -> None:
        """Remember which adapters will be applied, so that a refusal names all of them at once."""
        self._announced = list(adapters)

    @contextmanager
    def worn(self, adapter: Path, scale: float) -> Iterator[Worn]:
        """Yield what requests say while ``adapter`` is applied at ``scale``; 0 is the base itself.

        Raises:
            Refusal: the server neither has the adapter nor can load it.
        """
        if scale == 0:
            yield self.bare
            return
        with contextmanager(self._ways[self._found.server.way])(adapter, scale) as found:
            yield found

    def _loaded(self, adapter: Path, scale: float) -> Iterator[Worn]:
        name = adapter_name(adapter, scale)
        here = [number for number in range(len(self._calls.urls)) if name not in self._listed(number)]
        for number in here:
            self._load(number, name, adapter, scale)
        try:
            yield self._by_name(name)
        finally:
            for number in here:
                self._unload(number, name)

    def _by_name(self, name: str) -> Worn:
        if self._found.name == "sglang":
            return Worn({"model": self._found.model, "lora_path": name}, (self._found.model,))
        return Worn({"model": name}, (name,))

    def _listed(self, number: int) -> set[str]:
        return {entry["id"] for entry in listed(self._calls, number)}

    def _load(self, number: int, name: str, adapter: Path, scale: float) -> None:
        server, url = self._found.server, self._calls.urls[number]
        if server.load is None:
            raise self._missing(url, name, adapter, scale)
        place = written(adapter, scale, name, server.form, self._export, self._settings)
        asked = {"lora_name": name, "lora_path": seen_by_server(place, self._settings)}
        reply = self._calls.tried(number, server.load[0], asked)
        if reply.status in _ABSENT:
            raise self._missing(url, name, adapter, scale)
        if reply.status != 200 and "already" not in str(reply.data):
            raise Refusal(
                f"{url} did not load the adapter {name} ({reply.status}): {_some(reply.data)}.",
                f"It must be able to read {asked['lora_path']} (sampler.adapters_folder, sampler.server_folder).",
            )

    def _unload(self, number: int, name: str) -> None:
        server = self._found.server
        if server.load is not None:
            self._calls.tried(number, server.load[1], {"lora_name": name})
            shutil.rmtree(place_of(name, server.form, self._settings), ignore_errors=True)

    def _missing(self, url: str, name: str, adapter: Path, scale: float) -> Refusal:
        """Return the refusal of an adapter that is not there; the adapters it needs are written for its next start."""
        wanted = self._announced or [(adapter, scale)]
        modules = []
        for folder, own_scale in wanted:
            own = adapter_name(folder, own_scale)
            place = written(folder, own_scale, own, self._found.server.form, self._export, self._settings)
            modules.append(f"{own}={seen_by_server(place, self._settings)}")
        start = self._found.server.start.format(base=self._found.root or self._found.model, rank="R", modules="")
        runtime = (
            " Or let it load adapters while it runs: VLLM_ALLOW_RUNTIME_LORA_UPDATING=True."
            if self._found.name == "vllm"
            else ""
        )
        return Refusal(
            f"{url} does not serve the adapter {name}, and loads none while it runs.",
            f"They are written; start it again with: {start or 'these adapters'} {' '.join(modules)}.{runtime}",
        )

    def _by_path(self, adapter: Path, scale: float) -> Iterator[Worn]:
        name, server = adapter_name(adapter, scale), self._found.server
        place = written(adapter, scale, name, server.form, self._export, self._settings)
        fields = {"model": self._found.model, "adapters": seen_by_server(place, self._settings)}
        yield Worn(fields, self.bare.names)

    def _whole(self, adapter: Path, scale: float) -> Iterator[Worn]:
        name, server = adapter_name(adapter, scale), self._found.server
        place = written(adapter, scale, name, server.form, self._export, self._settings)
        model = seen_by_server(place, self._settings)
        try:
            yield Worn({"model": model}, (model, f"{model}@main"))
        finally:
            # a whole model a cell would fill the disk
            shutil.rmtree(place, ignore_errors=True)

    def _scaled(self, adapter: Path, scale: float) -> Iterator[Worn]:
        name = adapter_name(adapter, None)
        numbers = {self._number_of(number, name, adapter) for number in range(len(self._calls.urls))}
        if len(numbers) != 1:
            raise Refusal(
                f"The servers number the adapter {name} differently: {sorted(numbers)}.",
                "Start them with the same adapters in the same order.",
            )
        fields = {"model": self._found.model, "lora": [{"id": numbers.pop(), "scale": scale}]}
        yield Worn(fields, self.bare.names)

    def _number_of(self, number: int, name: str, adapter: Path) -> int:
        reply = self._calls.get(number, "/lora-adapters")
        entries = reply.data if isinstance(reply.data, list) else []
        for entry in entries:
            if isinstance(entry, dict) and Path(str(entry.get("path", ""))).stem == name:
                return int(entry["id"])
        wanted = dict.fromkeys([folder for folder, _ in self._announced] or [adapter])
        files = ",".join(f"{adapter_name(folder, None)}.gguf" for folder in wanted)
        convert = f"python convert_lora_to_gguf.py --outfile {name}.gguf {adapter}"
        raise Refusal(
            f"{self._calls.urls[number]} does not serve the adapter {name}.",
            f"Convert each (`{convert}`) and start it again with: --lora-init-without-apply --lora {files}.",
        )


def _some(data: Any) -> str:
    return " ".join(str(data).split())[:200].rstrip(".")
