"""``python -m eval.domains.luanti.mini corpus --out FILE``: write the texts the embedded base model is made from."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from env.files import write_atomic
from env.installed.typed_words import carried_out
from env.refusal import Refusal
from eval.domains.luanti.mini.generate import DIALECT_SHARE, pretraining
from eval.pipeline.prompts import plain_template


def main(words: Sequence[str]) -> int:
    """Parse the command line and write the file; return 0, or 2 when it was refused."""
    return carried_out(_run, words)


def _run(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m eval.domains.luanti.mini", description=__doc__)
    commands = parser.add_subparsers(required=True)
    corpus = commands.add_parser("corpus", help="one JSON line a text: prompt, answer")
    corpus.add_argument("--out", type=Path, required=True)
    corpus.add_argument("--rows", type=int, default=90_000)
    corpus.add_argument("--seed", type=int, default=0)
    corpus.add_argument("--dialect-share", type=float, default=DIALECT_SHARE, help="share of answers that are right")
    arguments = parser.parse_args(words)
    if arguments.rows < 1:
        raise Refusal(f"--rows {arguments.rows} is not at least 1.")
    write_corpus(arguments.out, arguments.rows, arguments.seed, arguments.dialect_share)
    return 0


def write_corpus(path: Path, count: int, seed: int, dialect_share: float) -> None:
    """Write ``count`` texts as JSON lines with the keys prompt and answer."""
    lines = (
        json.dumps({"prompt": plain_template(dealt.instruction, dealt.problem.input), "answer": answer})
        for dealt, answer in pretraining(count, seed, dialect_share)
    )
    write_atomic(path, "".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
