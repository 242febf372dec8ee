"""``python -m eval.domains.luanti.mini corpus --out FILE``: write the texts the embedded base model is made from."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from env.files import write_atomic
from eval.domains.luanti.mini.generate import DIALECT_SHARE, pretraining
from eval.pipeline.prompts import plain_template


def main() -> None:
    """Parse the command line and write the file."""
    parser = argparse.ArgumentParser(prog="python -m eval.domains.luanti.mini", description=__doc__)
    commands = parser.add_subparsers(required=True)
    corpus = commands.add_parser("corpus", help="one JSON line a text: prompt, answer")
    corpus.add_argument("--out", type=Path, required=True)
    corpus.add_argument("--rows", type=int, default=90_000)
    corpus.add_argument("--seed", type=int, default=0)
    corpus.add_argument("--dialect-share", type=float, default=DIALECT_SHARE, help="share of answers that are right")
    arguments = parser.parse_args()
    write_corpus(arguments.out, arguments.rows, arguments.seed, arguments.dialect_share)


def write_corpus(path: Path, count: int, seed: int, dialect_share: float) -> None:
    """Write ``count`` texts as JSON lines with the keys prompt and answer."""
    lines = (
        json.dumps({"prompt": plain_template(dealt.instruction, dealt.problem.input), "answer": answer})
        for dealt, answer in pretraining(count, seed, dialect_share)
    )
    write_atomic(path, "".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main()
