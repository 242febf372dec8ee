"""The endpoint backend: a server of the OpenAI completions protocol generates for the backend that trains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from env.refusal import Refusal

if TYPE_CHECKING:
    from training.backends.base import LoadedModel, ModelIdentity, Serves
    from training.backends.endpoint.baking import Export
    from training.backends.local.texts import Texts
    from training.records import ModelSettings
    from training.sampler import Reference, SamplerSettings


def open_server(
    settings: SamplerSettings,
    texts: Texts,
    export: Export,
    identity: ModelIdentity,
    parameters: int,
    references: Sequence[Reference],
    least_nats: float,
) -> Serves:
    """Return the base model at the servers of ``settings``; see ``endpoint.model.EndpointModel`` for the arguments.

    Raises:
        Refusal: a server cannot be reached, serves another model, or reads prompts otherwise than the tokenizer here.
    """
    from training.backends.endpoint.adapters import Wardrobe
    from training.backends.endpoint.asking import ask_all
    from training.backends.endpoint.calls import Calls
    from training.backends.endpoint.model import EndpointModel

    calls = Calls(settings)
    try:
        found = ask_all(calls, settings)
        wardrobe = Wardrobe(calls, found, settings, export)
        return EndpointModel(calls, found, texts, wardrobe, settings, identity, parameters, references, least_nats)
    except BaseException:
        calls.close()
        raise


def load(_settings: ModelSettings) -> LoadedModel:
    """Raise Refusal: a server trains nothing."""
    raise Refusal("backend = 'endpoint' cannot train.", "Let it sample beside a backend that trains: sampler=endpoint.")
