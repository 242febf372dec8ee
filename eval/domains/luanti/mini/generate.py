"""The dataset ``luanti_mini``: its kinds, the sentences around them, and the share of right answers in its corpus."""

from __future__ import annotations

from eval.dealing.dealer import Dealer
from eval.domains.luanti.mini import frames
from eval.domains.luanti.mini.kept_words import KEPT
from eval.domains.luanti.mini.kinds import KINDS
from eval.domains.luanti.mod_names import DEFAULT_MOD

FRAMES = {"scaffold": frames.SCAFFOLD, "repair": frames.REPAIR, "doc": frames.DOC}
DEALER = Dealer("luanti_mini", KINDS, FRAMES, KEPT, dialect_share=0.2, mod_name=DEFAULT_MOD)

tasks = DEALER.tasks
rows = DEALER.rows
rows_with_checks = DEALER.rows_with_checks
