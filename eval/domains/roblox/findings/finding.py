"""One finding: what is doubtful in a program, where, and of which kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["api", "type", "deprecated", "bug", "style", "wait", "global", "side", "unread"]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something that reading a program found; it decides no outcome.

    Attributes:
        line: 1-based.
        kind: "api" names what the engine does not have, "type" gives a property a value of another type, "side" uses
            the server's API on the client or the reverse, "unread" says why a program could not be read.
        rule: which rule of its kind, such as "unprotected-call".
        text: the sentence for a reader, without line and kind.
    """

    line: int
    kind: Kind
    rule: str
    text: str

    def __str__(self) -> str:
        """Return 'api: Part has no member "Colour", nearest is "Color" (line 3)', as verdicts store it."""
        return f"{self.kind}: {self.text} (line {self.line})"
