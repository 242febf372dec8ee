"""The arguments that a chat template takes besides the conversation, such as reasoning_effort or enable_thinking."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from env.refusal import Refusal
from training.backends.local.template_clock import CLOCK

# What the library, or the conversation itself, hands to every template.
_GIVEN = frozenset({"messages", "tools", "documents", "add_generation_prompt", "raise_exception", CLOCK})


def known_arguments(source: str) -> tuple[str, ...]:
    """Return the names that the template in ``source`` reads and nobody else sets, sorted; () where it is not clear."""
    from jinja2 import TemplateError
    from jinja2.meta import find_undeclared_variables
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    # as the library compiles templates
    environment = ImmutableSandboxedEnvironment(extensions=["jinja2.ext.loopcontrols"])
    try:
        names = find_undeclared_variables(environment.parse(source))
    except TemplateError:
        return ()
    free = names - _GIVEN - set(environment.globals)
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
