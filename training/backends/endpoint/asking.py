"""Which software and which model a server is: asked of the server itself, never guessed from its address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from env.refusal import Refusal, choices_hint
from training.backends.endpoint.calls import Calls
from training.backends.endpoint.servers import SERVERS, Server
from training.sampler import SamplerSettings

_MODELS = "/v1/models"


@dataclass(frozen=True, slots=True)
class Found:
    """A server as it describes itself.

    Attributes:
        name: its row of the table of servers.
        version: "" where it tells none.
        model: the base's name there.
        root: what was loaded under that name, with the revision where the server tells it; "" where it tells nothing.
        listed: every model that it lists.
    """

    name: str
    version: str
    model: str
    root: str
    listed: tuple[str, ...]

    @property
    def server(self) -> Server:
        """Its row of the table."""
        return SERVERS[self.name]

    @property
    def facts(self) -> dict[str, str]:
        """What must stay the same in a run."""
        return {"server": self.server.title, "version": self.version, "model": self.model, "root": self.root}


def ask_all(calls: Calls, settings: SamplerSettings) -> Found:
    """Return what the servers are, all of them the same.

    Raises:
        Refusal: one cannot be reached, serves another model, or differs from the first.
    """
    first, *others = [_ask(calls, number, settings) for number in range(len(calls.urls))]
    for number, other in enumerate(others, start=1):
        differing = [key for key, value in first.facts.items() if other.facts[key] != value]
        if differing:
            key = differing[0]
            raise Refusal(
                f"sampler.urls: {calls.urls[number]} differs from {calls.urls[0]} in {key}: "
                f"{other.facts[key] or 'unknown'}, not {first.facts[key] or 'unknown'}.",
                "Servers of one run must be the same software with the same model.",
            )
    return first


def listed(calls: Calls, number: int) -> list[dict[str, Any]]:
    """Return the entries of a server's list of models. Raises Refusal where it has none."""
    reply = calls.get(number, _MODELS)
    entries = reply.data.get("data") if isinstance(reply.data, dict) else None
    if reply.status != 200 or not isinstance(entries, list):
        why = {401: "wants a key", 403: "does not accept the key"}.get(reply.status, "lists no models")
        raise Refusal(
            f"{calls.urls[number]}{_MODELS} {why} ({reply.status}).",
            "Check sampler.urls, and sampler.api_key_env where it needs a key.",
        )
    return [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)]


def _ask(calls: Calls, number: int, settings: SamplerSettings) -> Found:
    entries = listed(calls, number)
    name = settings.server if settings.server != "auto" else _software(calls, number)
    server, names = SERVERS[name], tuple(entry["id"] for entry in entries)
    model = settings.model or _only(names, entries, calls.urls[number])
    entry = next((one for one in entries if one["id"] == model), None)
    if entry is None and server.lists_all:
        raise Refusal(f"sampler.model = {model!r}: {calls.urls[number]} does not serve it.", choices_hint(model, names))
    return Found(name, _version(calls, number, server), model, _root(entry or {}), names)


def _software(calls: Calls, number: int) -> str:
    for name, server in SERVERS.items():
        if server.sign is not None and _told(calls, number, *server.sign) is not None:
            return name
    described = calls.get(number, "/openapi.json")
    paths = described.data.get("paths", {}) if isinstance(described.data, dict) else {}
    if "/load_model" in paths and "/v1/systemone" in paths:
        return "transformers"
    # mlx_lm.server is one of Python's own servers, and has a page for its health
    health = calls.get(number, "/health")
    if health.software.startswith("BaseHTTP") and isinstance(health.data, dict) and health.data.get("status") == "ok":
        return "mlx_lm"
    return "other"


def _version(calls: Calls, number: int, server: Server) -> str:
    told = None if server.version is None else _told(calls, number, *server.version)
    return "" if told is None else str(told)


def _told(calls: Calls, number: int, path: str, key: str) -> Any:
    reply = calls.get(number, path)
    return reply.data.get(key) if reply.status == 200 and isinstance(reply.data, dict) else None


def _only(names: tuple[str, ...], entries: list[dict[str, Any]], url: str) -> str:
    """Return the one base among the models listed; an adapter names its parent (vLLM), or its base (SGLang)."""
    bases = [entry["id"] for entry in entries if not entry.get("parent")]
    if len(bases) != 1:
        found = f"lists {', '.join(names[:5])}" if names else "lists no model"
        raise Refusal(f"sampler.model is not set, and {url} {found}.", "Name the base: sampler.model=NAME.")
    return str(bases[0])


def _root(entry: Mapping[str, Any]) -> str:
    """Return what an entry of /v1/models says of where the model came from."""
    root, revision = entry.get("root"), entry.get("revision")
    return " ".join(str(part) for part in (root, revision) if part)
