"""The system call filter as a kernel reads it: listed calls pass, all others fail, a foreign architecture ends it."""

from __future__ import annotations

import errno
import struct

import pytest

from eval.sandbox import seccomp
from eval.sandbox.seccomp import ALLOWED, ARCHITECTURES, RET_ALLOW, RET_ERRNO, RET_KILL_PROCESS

FOREIGN = 0x40000028  # 32-bit ARM (AUDIT_ARCH_ARM of the kernel's audit.h)
# execve, socket, openat, kill on x86_64 and on aarch64, from the kernel's tables.
FORBIDDEN = {"x86_64": (59, 41, 257, 62), "aarch64": (221, 198, 56, 129)}


def answer(program: bytes, call: int, audit_arch: int) -> int:
    """Run the classic BPF ``program`` over one system call, as the kernel's seccomp does; return what it returns."""
    lines = list(struct.iter_unpack("HBBI", program))
    at, accumulator = 0, 0
    while True:
        code, if_true, if_false, operand = lines[at]
        if code == seccomp.RETURN:
            return int(operand)
        if code == seccomp.LOAD_WORD:
            accumulator = {seccomp.OFFSET_NUMBER: call, seccomp.OFFSET_ARCH: audit_arch}[operand]
            at += 1
        else:
            assert code == seccomp.JUMP_EQUAL
            at += 1 + (if_true if accumulator == operand else if_false)


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_exactly_the_listed_calls_pass(machine: str) -> None:
    column, audit_arch, _ = ARCHITECTURES[machine]
    program, listed = seccomp.filter_program(machine), {pair[column] for pair in ALLOWED.values()}
    answers = {call: answer(program, call, audit_arch) for call in range(512)}
    assert {call for call, said in answers.items() if said == RET_ALLOW} == listed
    assert {said for call, said in answers.items() if call not in listed} == {RET_ERRNO | errno.EPERM}
    assert listed.isdisjoint(FORBIDDEN[machine])


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_a_call_of_another_architecture_ends_the_process(machine: str) -> None:
    column, _, _ = ARCHITECTURES[machine]
    program = seccomp.filter_program(machine)
    assert {answer(program, pair[column], FOREIGN) for pair in ALLOWED.values()} == {RET_KILL_PROCESS}
