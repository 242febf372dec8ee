"""The texts an embedded base model is made from, as a file."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from env.files import write_atomic
from env.installed.typed_words import carried_out
from env.refusal import Refusal
from eval.dealing.dealer import Dealer
from eval.pipeline.prompts import plain_template


def main(dealer: Dealer, program: str, words: Sequence[str]) -> int:
    """Parse the command line of ``program`` and write the file; return 0, or 2 when it was refused."""
    return carried_out(lambda rest: _run(dealer, program, rest), words)


def _run(dealer: Dealer, program: str, words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog=program, description=f"The generated dataset {dealer.name}.")
    commands = parser.add_subparsers(required=True)
    corpus = commands.add_parser("corpus", help="write the pretraining texts, one JSON line each: prompt, answer")
    corpus.add_argument("--out", type=Path, required=True)
    corpus.add_argument("--rows", type=int, default=90_000)
    corpus.add_argument("--seed", type=int, default=0)
    corpus.add_argument(
        "--dialect-share", type=float, default=dealer.dialect_share, help="share of answers that are right"
    )
    arguments = parser.parse_args(words)
    if arguments.rows < 1:
        raise Refusal(f"--rows {arguments.rows} is not at least 1.")
    write_corpus(dealer, arguments.out, arguments.rows, arguments.seed, arguments.dialect_share)
    return 0


def write_corpus(dealer: Dealer, path: Path, count: int, seed: int, dialect_share: float) -> None:
    """Write ``count`` texts as JSON lines with the keys prompt and answer."""
    lines = (
        json.dumps({"prompt": plain_template(dealt.instruction, dealt.problem.input), "answer": answer})
        for dealt, answer in dealer.pretraining(count, seed, dialect_share)
    )
    write_atomic(path, "".join(f"{line}\n" for line in lines))
