"""The arguments that a chat template takes besides the conversation, such as reasoning_effort or enable_thinking."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from env.refusal import Refusal
from training.backends.local.template.clock import CLOCK

# What the library, or the conversation itself, hands to every template.
_GIVEN = frozenset({"messages", "tools", "documents", "add_generation_prompt", "raise_exception", CLOCK})


def known_arguments(source: str) -> tuple[str, ...]:
    """Return the names that the template in ``source`` takes from its caller, sorted; () where it cannot be parsed.

    A name that the template sets itself counts only where it asks whether it was given.
    """
    from jinja2 import TemplateError
    from jinja2.meta import find_undeclared_variables
    from jinja2.nodes import Filter, Name, Test
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    # as the library compiles templates
    environment = ImmutableSandboxedEnvironment(extensions=["jinja2.ext.loopcontrols"])
    try:
        tree = environment.parse(source)
    except TemplateError:
        return ()
    asked = [node.node for node in tree.find_all((Test, Filter)) if node.name in ("defined", "undefined", "default")]
    given = {node.name for node in asked if isinstance(node, Name)}
    own = {node.name for node in tree.find_all(Name) if node.ctx != "load"} - given
    free = find_undeclared_variables(tree) - own - _GIVEN - set(environment.globals)
    return tuple(sorted(name for name in free if not name.endswith("_token")))


def require_allowed(arguments: Mapping[str, Any], tokenizer: Any) -> None:
    """Raise Refusal for a name that is a parameter of the library's function, or set by luagate itself."""
    taken = {*inspect.signature(tokenizer.apply_chat_template).parameters, *_GIVEN}
    wrong = sorted(taken.intersection(arguments))
    if wrong:
        raise Refusal(
            f"prompt.template_arguments.{wrong[0]} is set by luagate and cannot be an argument of the template.",
            "Remove it.",
        )
