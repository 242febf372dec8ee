"""Fault injection: real runs, killed, cut off and starved at chosen instants, must end as if nothing had happened.

    python -m tests.faults [--domain luanti] [--injections 150] [--gates ABCDE] [--kinds KIND ...] [--seed 0] [--jobs 2] [--json]

The code under test holds no test hooks: an interpreter started with tests/faults/hook on its path has its file calls
tapped (tapping.py) and carries out one order (order.py). Linux only: the tap reads /proc.
"""
