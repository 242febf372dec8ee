"""Gives the workers of a run that was started with this folder on its path a GPU that is lost with more than four rows."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from env.machine.out_of_memory import DeviceLost
from training.backends.local.batched_model import BatchedModel

FITTING = 4
real = BatchedModel.run_batch


def run_batch(self, requests, batch, settings):
    if batch.rows > FITTING:
        raise DeviceLost(batch.rows, "CUDA error: out of memory")
    return real(self, requests, batch, settings)


BatchedModel.run_batch = run_batch
