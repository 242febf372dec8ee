"""The dataset ``roblox_mini``: its kinds, the sentences around them, and the share of right answers in its corpus."""

from __future__ import annotations

from eval.dealing.dealer import Dealer
from eval.domains.roblox.mini import frames
from eval.domains.roblox.mini.kept_words import KEPT
from eval.domains.roblox.mini.kinds import KINDS

FRAMES = {
    "coding": frames.CODING,
    "bugfix": frames.BUGFIX,
    "typing": frames.TYPING,
    "refactor": frames.REFACTOR,
}
DEALER = Dealer("roblox_mini", KINDS, FRAMES, KEPT, dialect_share=0.2)

tasks = DEALER.tasks
rows = DEALER.rows
rows_with_checks = DEALER.rows_with_checks
