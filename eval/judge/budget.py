"""What requests to a judge may cost: estimated before the first, and held against the limits before each. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from env.counts import counted
from env.refusal import Refusal
from eval.judge.ledger import Spent
from eval.judge.settings import JudgeSettings

# Code has 3 to 4 characters a token: fewer characters for each estimate the cost too high rather than too low.
CHARACTERS_A_TOKEN = 3
_MILLION = 1e6


class BudgetReached(Exception):
    """The next request might exceed the budget: what was asked is stored, nothing more is asked."""

    def __init__(self, spent: Spent, settings: JudgeSettings) -> None:
        super().__init__(f"The judge's budget is used up: {spent_text(spent, settings)}.")
        self.fix = "Raise judge.max_calls or judge.max_cost; what was asked is stored, and is not asked again."


@dataclass(frozen=True, slots=True)
class Estimate:
    """What requests need at most: calls, tokens of prompts and of replies, and their cost."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: float


def estimate(conversations: Sequence[Sequence[Mapping[str, str]]], settings: JudgeSettings) -> Estimate:
    """Return what asking each of ``conversations`` once may cost at most."""
    characters = [sum(len(turn["content"]) for turn in messages) for messages in conversations]
    prompt = sum(-(-count // CHARACTERS_A_TOKEN) for count in characters)
    completion = len(conversations) * settings.max_tokens
    return Estimate(len(conversations), prompt, completion, cost_of(prompt, completion, settings))


def cost_of(prompt_tokens: int, completion_tokens: int, settings: JudgeSettings) -> float:
    """Return what so many tokens cost, in the currency of the prices."""
    return (prompt_tokens * settings.price_prompt + completion_tokens * settings.price_completion) / _MILLION


def fits(spent: Spent, more: Estimate, settings: JudgeSettings) -> bool:
    """Whether ``more`` stays inside both limits."""
    return spent.calls + more.calls <= settings.max_calls and spent.cost + more.cost <= settings.max_cost


def require_affordable(spent: Spent, more: Estimate, settings: JudgeSettings) -> None:
    """Raise Refusal where ``more`` exceeds a limit, before anything is asked."""
    if not fits(spent, more, settings):
        raise Refusal(
            f"The judge would need {estimate_text(more, settings)}; {spent_text(spent, settings)}.",
            "Raise judge.max_calls or judge.max_cost, or ask for less.",
        )


def estimate_text(more: Estimate, settings: JudgeSettings) -> str:
    """Return '480 calls, at most 410,000 tokens and 0.83'; without prices the tokens alone."""
    tokens = f"at most {more.prompt_tokens + more.completion_tokens:,} tokens"
    return f"{counted(more.calls, 'call')}, {tokens}" + (f" and {more.cost:.4g}" if _is_priced(settings) else "")


def spent_text(spent: Spent, settings: JudgeSettings) -> str:
    """Return '12 of 1,000 calls are made' with what they cost where there are prices."""
    made = f"{spent.calls:,} of {settings.max_calls:,} calls are made"
    return made + (f", {spent.cost:.4g} of {settings.max_cost:g} spent" if _is_priced(settings) else "")


def _is_priced(settings: JudgeSettings) -> bool:
    return settings.price_prompt > 0 or settings.price_completion > 0
