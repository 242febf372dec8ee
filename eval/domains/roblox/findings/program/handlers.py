"""What the engine passes to the functions that programs connect to its events: the facts hold names alone."""

from __future__ import annotations

from eval.domains.roblox.findings.program.value_types import Type, named

FRAME_EVENTS = frozenset(
    {"Heartbeat", "RenderStepped", "Stepped", "PreSimulation", "PostSimulation", "PreRender", "PreAnimation"}
)
# Events that fire again and again while a game runs, each time for something else.
RECURRING = frozenset(
    {"PlayerAdded", "CharacterAdded", "Touched", "OnServerEvent", "OnClientEvent", "Activated", "ChildAdded"}
    | {"DescendantAdded", "MouseButton1Click", "MouseClick", "Triggered", "InputBegan", "Equipped", "Event"}
)
# Event or callback -> types of the arguments, as far as they are known.
_ARGUMENTS = {
    **dict.fromkeys(FRAME_EVENTS, "number"),
    **dict.fromkeys(("PlayerAdded", "PlayerRemoving", "MouseClick", "Triggered", "TriggerEnded"), "Player"),
    **dict.fromkeys(("CharacterAdded", "CharacterRemoving", "CharacterAppearanceLoaded"), "Model"),
    **dict.fromkeys(("Touched", "TouchEnded"), "BasePart"),
    **dict.fromkeys(("OnServerEvent", "OnServerInvoke"), "Player"),
    **dict.fromkeys(("InputBegan", "InputChanged", "InputEnded"), "InputObject boolean"),
    **dict.fromkeys(("ChildAdded", "ChildRemoved", "DescendantAdded", "DescendantRemoving"), "Instance"),
    "AncestryChanged": "Instance Instance",
    "Chatted": "string",
    "HealthChanged": "number",
}


def arguments_of(event: str) -> tuple[Type | None, ...]:
    """Return the types that a handler of ``event`` receives; () where nothing is known."""
    return tuple(named(name) for name in _ARGUMENTS.get(event, "").split())
