"""What tests of the second Luau implementation need: Node and the package luau-web, which no pip install brings."""

from __future__ import annotations

import pytest

from eval.sandbox.web.installation import find_installation

_FOUND = find_installation()
needs_luau_web = pytest.mark.skipif(isinstance(_FOUND, str), reason=f"{_FOUND}: make setup-luau-web")
