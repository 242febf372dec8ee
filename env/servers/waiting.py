"""When a request that failed is repeated, and how long one waits before: pure."""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime

# 408 and 425 ask for another try; 429 is "too many"; 5xx is the server's or a proxy's trouble, which may pass.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
_FIRST_S, _MOST_S = 0.5, 20.0


def may_pass(status: int) -> bool:
    """Return whether an answer of this HTTP ``status`` is worth another try."""
    return status in _PASSING


def delay_s(attempt: int, retry_after: str | None, now: datetime, draw: float) -> float:
    """Return the seconds until the next try: what the server asks for, else doubling with jitter.

    Args:
        attempt: tries that failed so far, from 1.
        retry_after: the header of that name: seconds, or a date (RFC 9110, section 10.2.3).
        draw: in [0, 1), spreads requests that failed together over the upper half of the wait.
    """
    asked = _asked_s(retry_after, now)
    if asked is not None:
        return asked
    # 2^6 is beyond the most already; a larger power would only overflow
    return float(min(_MOST_S, _FIRST_S * 2.0 ** min(attempt - 1, 6)) * (0.5 + draw / 2))


def _asked_s(retry_after: str | None, now: datetime) -> float | None:
    if retry_after is None:
        return None
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - now).total_seconds())
    except (ValueError, TypeError):
        return None
