"""``python -m eval.domains.roblox.mini corpus --out FILE``: write the texts the embedded base model is made from."""

from __future__ import annotations

import sys

from eval.dealing.corpus import main
from eval.domains.roblox.mini.generate import DEALER

if __name__ == "__main__":
    raise SystemExit(main(DEALER, "python -m eval.domains.roblox.mini", sys.argv[1:]))
