"""verifier=auto: the most faithful verifier that this machine has, with the reason."""

from __future__ import annotations

from dataclasses import replace

from eval.domains import open_verifier
from eval.domains.luanti.domain import DOMAIN
from eval.domains.luanti.verify.engine.installation import Installation, find_installation
from eval.pipeline.verifier import Verifier, VerifierSettings


def choose(installation: Installation) -> tuple[str, str]:
    """Return the name of a verifier and why it was chosen: the engine, else its builtin, else the recorder."""
    if installation.server:
        return "engine", f"the engine is installed ({installation.server})"
    if installation.builtin:
        return "builtin", f"the engine's Lua is installed ({installation.builtin}), its server is not"
    return "recorder", "the engine is not installed"


def open_pool(settings: VerifierSettings) -> Verifier:
    """Return the chosen verifier, running.

    Raises:
        Refusal: the chosen one does not open. No other is tried: it would be a different instrument.
    """
    name, reason = choose(find_installation(settings.engine))
    verifier = open_verifier(DOMAIN, replace(settings, name=name))
    verifier.choice = verifier.choice.replace("requested by name", f"{name}: {reason}", 1)
    return verifier
