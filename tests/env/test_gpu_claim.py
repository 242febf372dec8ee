"""Two runs never compute on one card: the second is refused, and the claim ends with the process that held it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from env.machine.gpu_claim import claim_file, claim_gpu
from env.refusal import Refusal

PROJECT = Path(__file__).resolve().parents[2]
HOLD = "import sys\nfrom env.machine.gpu_claim import claim_gpu\nclaim_gpu(sys.argv[1])\nprint('held', flush=True)\nsys.stdin.read()"


def test_a_card_is_held_by_one_process_until_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    name = "GPU-1b2c/one"
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, name], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(Refusal, match=rf"GPU {name} \(process {other.pid}\)"):
        claim_gpu(name)
    claim_gpu("GPU-another")
    other.kill()
    other.communicate()
    claim_gpu(name)
    claim_gpu(name)
    assert claim_file(name).parent == tmp_path
