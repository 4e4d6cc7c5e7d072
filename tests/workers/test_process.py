"""What a worker does to its own process."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from models_backend.workers import process

CHILD = """
import time
from models_backend.workers import process
process.die_with_parent()
print("up", flush=True)
time.sleep(60)
"""
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
"""


def gone(pid, within_s=5.0):
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_it_dies_with_a_parent_that_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    pid = int(parent.stdout.readline())
    assert psutil.pid_exists(pid)
    parent.kill()
    parent.wait()
    parent.stdin.close()
    assert gone(pid)


def test_it_leaves_at_the_end_of_its_input():
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout.readline().strip() == b"up"
    child.stdin.close()
    assert child.wait(5) == 0


def test_a_heartbeat_carries_the_step_and_real_memory():
    beat = process.heartbeat(7)
    assert beat.step == 7
    assert beat.rss_mb == pytest.approx(psutil.Process().memory_info().rss / 2**20, rel=0.2)
