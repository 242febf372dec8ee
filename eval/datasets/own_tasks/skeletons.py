"""The task file to begin with: what stands above it in any domain, and each domain's own examples."""

from __future__ import annotations

from importlib import import_module

from env.refusal import Refusal
from eval.domains import domain_named

_HEAD = """\
# Tasks of your own, each with checks that are executed. docs/your-tasks.md explains them.
#
#   python -m runner tasks validate THIS_FILE      every reference passes, every near miss fails?
#   python -m runner tasks show THIS_FILE ID       one task as the model reads it
#
# id           unique, of letters, digits, dots and underlines
# family       {families}
# cluster      tasks that ask for nearly the same share one; a cluster is never in dev and test at once
# split        optional: dev or test; else about a third of each family, by whole clusters, is dev
# difficulty   optional: 1 to 5
# instruction  what the model is asked; input is the code that it is about, where there is some
# reference    a right answer in the form that the family asks for
# checks       Lua that runs after the program; a check passes when it ends without a failure
# near_misses  wrong answers that the checks must reject, each with the reason why it is wrong
domain: {domain}
tasks:
"""


def skeleton(domain: str) -> str:
    """Return a task file of ``domain`` whose tasks pass the instrument test. Raises Refusal where there is none."""
    record = domain_named(domain)
    if not record.skeleton:
        raise Refusal(f"The domain {domain} has no task file to begin with.", "Write one as docs/your-tasks.md says.")
    families = ", ".join(f"{name} ({form})" for name, form in record.families.items())
    examples: str = import_module(record.skeleton).TASKS
    return _HEAD.format(families=families, domain=domain) + examples
