"""What clients of other people's servers share: a sound address, the key, and when a failed request is repeated."""

from __future__ import annotations

import os
from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from env.refusal import Refusal

# 408 and 425 ask for another try; 429 is "too many"; 5xx is the server's or a proxy's trouble, which may pass.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
_FIRST_S, _MOST_S = 0.5, 20.0


def address_problem(key: str, url: str, api_key_env: str) -> str:
    """Return what is wrong with ``url``, the value of ``key``; "" when nothing is. A password in it is not repeated.

    ``api_key_env`` is the key of the configuration that names where a server's key is found.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return f"{key}: {url!r} is not an address"
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return f"{key}: {url!r} must be an address such as http://127.0.0.1:8000"
    if parts.username or parts.password or parts.query:
        return f"{key}: the address of {parts.hostname} holds a name or a key; use {api_key_env}"
    return ""


def key_in(variable: str, key: str, command: str) -> str:
    """Return the key that the environment variable ``variable`` holds, "" where none is named.

    Args:
        key: of the configuration, where the variable is named.
        command: what is run in the shell that must set it.

    Raises:
        Refusal: it is named and not set.
    """
    if not variable:
        return ""
    found = os.environ.get(variable, "").strip()
    if not found:
        raise Refusal(
            f"{key} = {variable!r}: that environment variable is not set.",
            f"export {variable}=... in the shell that runs `{command}`.",
        )
    return found


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
