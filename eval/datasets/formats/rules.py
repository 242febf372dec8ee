"""How the rows of files become training rows: the family of those without one, their layout, turns and thoughts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Turns = Literal["auto", "joined", "every"]
Thoughts = Literal["kept", "stripped", "required"]


@dataclass(frozen=True, slots=True)
class RowRules:
    """How rows are read.

    Attributes:
        family: of rows that name none; "" leaves them without one.
        layout: the layout that every row must have; "auto" takes each row's own.
        turns: "joined" makes one row of a chat, which must be one question; "every" one row of each turn of the
            assistant; "auto" joins a chat of one question, and takes every turn of a longer one.
        thoughts: what becomes of ``<think>`` at the head of an answer: "kept", "stripped", or "required", which leaves
            out rows without one.
    """

    family: str = ""
    layout: str = "auto"
    turns: Turns = "joined"
    thoughts: Thoughts = "kept"


AS_THEY_ARE = RowRules()
