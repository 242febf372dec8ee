"""How a server is reached: a sound address, and the key that an environment variable holds."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from env.refusal import Refusal


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
