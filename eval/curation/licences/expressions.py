"""What an SPDX expression allows: the set of every licence in it by the category of its licence index.

Data: license-expression's index (SPDX and ScanCode LicenseDB). Debian's and ContentDB's own short names are translated.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from env.refusal import Refusal
from eval.curation.recipe import TERMS, Terms

_BY_CATEGORY: dict[str, Terms] = {
    "Permissive": "commercial",
    "Public Domain": "commercial",
    "Copyleft": "copyleft",
    "Copyleft Limited": "copyleft",
}
# Short names of Debian's copyright files and of ContentDB, in lower case, that SPDX spells otherwise.
_ALIASES = {
    "expat": "MIT",
    "mit/x11": "MIT",
    "zlib/libpng": "Zlib",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "cc0": "CC0-1.0",
    "public-domain": "LicenseRef-scancode-public-domain",
    "wtfpl-2": "WTFPL",
    "wtfpl-2.0": "WTFPL",
    "gplv2": "GPL-2.0-only",
    "gplv3": "GPL-3.0-only",
    "lgplv2.1": "LGPL-2.1-only",
    "lgplv3": "LGPL-3.0-only",
    "agplv3": "AGPL-3.0-only",
    "apache 2.0": "Apache-2.0",
    "unlicense": "Unlicense",
}
_FAMILIES = ("GPL", "LGPL", "AGPL")


def require_data() -> None:
    """Raise Refusal where the licence index is not installed."""
    try:
        import license_expression  # noqa: F401
    except ImportError:
        raise Refusal(
            "Licences are read with the package license-expression, which is not installed.",
            "Install it: pip install 'luagate[curation]'.",
        ) from None


def spdx_of(name: str) -> str:
    """Return a licence's short name as SPDX spells it; a name that is not translated is returned as it is."""
    text = " ".join(name.split())
    if text.lower() in _ALIASES:
        return _ALIASES[text.lower()]
    stem, _, version = text.partition("-")
    if stem.upper() in _FAMILIES and version:
        later = version.endswith("+")
        number = version.rstrip("+")
        number = number if "." in number else f"{number}.0"
        if number.replace(".", "").isdigit():
            return f"{stem.upper()}-{number}-{'or-later' if later else 'only'}"
    return text


def terms_of(expression: str) -> tuple[Terms, str]:
    """Return the set of an SPDX expression, and what is wrong with it ("" where nothing is).

    Of alternatives (OR) the freest counts, of parts (AND) the strictest. What the index does not know is "unknown".
    """
    if not expression.strip():
        return "unknown", "nothing says a licence"
    from license_expression import ExpressionError, ExpressionParseError

    try:
        tree = _licensing().parse(expression, validate=False)
    except (ExpressionError, ExpressionParseError, AttributeError, TypeError):
        return "unknown", f'"{expression}" is no SPDX expression'
    strange = sorted({str(key) for key in _licensing().license_keys(tree) if str(key).lower() not in _categories()})
    return _terms(tree), f"not in the licence index: {', '.join(strange)}" if strange else ""


def _terms(tree: Any) -> Terms:
    name = type(tree).__name__
    if name in ("AND", "OR"):
        parts = [TERMS.index(_terms(argument)) for argument in tree.args]
        return TERMS[max(parts) if name == "AND" else min(parts)]
    licence = getattr(tree, "license_symbol", tree)
    return _BY_CATEGORY.get(_categories().get(str(licence.key).lower(), ""), "unknown")


@cache
def _licensing() -> Any:
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()


@cache
def _categories() -> dict[str, str]:
    """Return the category of every licence by each of its SPDX names in lower case."""
    from license_expression import get_license_index

    return {
        key.lower(): entry["category"]
        for entry in get_license_index()
        for key in (entry.get("spdx_license_key"), *(entry.get("other_spdx_license_keys") or ()))
        if key
    }
