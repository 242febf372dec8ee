"""The verifier "world_web": the same world and judge as "world", in luau-web under Node whatever else is installed."""

from __future__ import annotations

from eval.domains.roblox.verify.machines import LUAU_WEB
from eval.domains.roblox.verify.verifier import World
from eval.pipeline.verifier import VerifierSettings


def open_pool(settings: VerifierSettings) -> World:
    """Return a running verifier. Raises Refusal where Node or luau-web is missing or the isolation is too weak."""
    return World(settings, LUAU_WEB)
