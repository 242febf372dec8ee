"""Put limits on this process and turn it into Node, which runs child.mjs under them.

Node cannot limit itself: resources, the network namespace and the parent's death are set here and outlive the exec; the
filter of system calls comes into force when Node has started (late_filter.py). Imports only the standard library and
``eval.sandbox``; started by path.

Arguments: the parent's process id (0: not to be seen), the megabytes of a program, Node, child.mjs and its arguments.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from eval.sandbox import limits
from eval.sandbox.web.late_filter import Gate

# Writable memory of Node besides a program's: it uses 80 MB, and Node 24 reserves half a gigabyte for code. The address
# space cannot be bounded: V8 reserves gigabytes that it never touches, to catch accesses out of bounds.
NODE_BYTES = 1 << 30
OPEN_FILES = 64
STACK_BYTES = 16 << 20  # of every thread of Node
STACK_MARGIN_BYTES = 4 << 20  # of the stack, below V8's own limit
NODE_FLAGS = (
    "--liftoff-only",  # the optimizing compiler makes the VM's loop slower, and its threads would take CPU time
    "--single-threaded",
    "--no-addons",
    "--disallow-code-generation-from-strings",
    "--max-old-space-size=128",
)


def main() -> None:
    """Limit this process, then become Node."""
    parent_pid, memory_mb, node, *words = sys.argv[1:]
    limits.die_with_parent(int(parent_pid))
    network_left = limits.leave_network()
    stack_bytes = _limit_resources(int(memory_mb))
    os.chdir("/")  # the folder that the parent gave is gone, and Node insists on one
    gate = Gate()
    gate.supervise()
    refused = "" if limits.forbid_new_privileges() else "no_new_privs is not available"
    refused = refused or gate.install()
    gate.leave_open()
    flags = (*NODE_FLAGS, f"--stack-size={(stack_bytes - STACK_MARGIN_BYTES) >> 10}")
    told = (str(gate.ready_fd), str(gate.locked_fd), "netns" if network_left else "", refused)
    os.execv(node, [node, *flags, *words, *told])


def _limit_resources(memory_mb: int) -> int:
    """Bound CPU, written bytes, open files, core dumps and, on Linux, memory; return the bytes of the stack."""
    seconds = limits.CHILD_CPU_S
    bounds = {"RLIMIT_CPU": (seconds, seconds + 5), "RLIMIT_FSIZE": (0, 0), "RLIMIT_CORE": (0, 0)}
    bounds["RLIMIT_NOFILE"] = (OPEN_FILES, OPEN_FILES)
    if sys.platform == "linux":
        data_bytes = NODE_BYTES + 2 * (memory_mb << 20)
        bounds["RLIMIT_DATA"] = (data_bytes, data_bytes)
    for name, value in bounds.items():
        resource.setrlimit(getattr(resource, name), value)
    _, most = resource.getrlimit(resource.RLIMIT_STACK)
    stack_bytes = STACK_BYTES if most == resource.RLIM_INFINITY else min(STACK_BYTES, most)
    resource.setrlimit(resource.RLIMIT_STACK, (stack_bytes, most))
    return stack_bytes


if __name__ == "__main__":
    main()
