"""Taps the file calls of a supervisor or a worker that was started with this folder on its path; no other process's."""

import sys

if {"runner", "runner.advance.worker"} & set(sys.orig_argv):
    from tests.faults.tapping import tap_this_process

    tap_this_process()
