"""Show a written page in the reader's browser, or say in a sentence why that cannot be from here."""

from __future__ import annotations

import sys
import webbrowser
from collections.abc import Mapping
from pathlib import Path

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")


def open_page(page: Path, environment: Mapping[str, str], platform: str = sys.platform) -> str:
    """Open ``page`` in the default browser; return "" when it was, else why not and what to do instead."""
    has_display = not platform.startswith("linux") or any(environment.get(name) for name in _DISPLAYS)
    if not has_display and environment.get("SSH_CONNECTION"):
        return f"Not opened: this shell is reached over SSH. Copy the page to your machine: scp HOST:{page} ."
    if not has_display:
        return f"Not opened: there is no display here. Open {page.as_uri()} where there is one."
    if not webbrowser.open(page.as_uri()):
        return f"Not opened: no browser was found. Open {page.as_uri()} yourself."
    return ""
