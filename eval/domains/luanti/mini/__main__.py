"""``python -m eval.domains.luanti.mini corpus --out FILE``: write the texts the embedded base model is made from."""

from __future__ import annotations

import sys

from eval.dealing.corpus import main
from eval.domains.luanti.mini.generate import DEALER

if __name__ == "__main__":
    raise SystemExit(main(DEALER, "python -m eval.domains.luanti.mini", sys.argv[1:]))
