"""A process that lives for months does not hoard what its threads have freed."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="glibc is a library of Linux")

ARENAS = """
import ctypes, sys, tempfile, threading
from connector.memory import few_arenas

libc = ctypes.CDLL(None)
if not hasattr(libc, "malloc_info"):
    sys.exit("not glibc")
if sys.argv[1:] == ["few"]:
    few_arenas()
everybody = threading.Barrier(12)

def take():
    everybody.wait()
    kept = [bytearray(100_000) for _ in range(20)]
    everybody.wait()

threads = [threading.Thread(target=take) for _ in range(12)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc.fopen.restype = ctypes.c_void_p
with tempfile.NamedTemporaryFile() as told:
    file = ctypes.c_void_p(libc.fopen(told.name.encode(), b"w"))
    libc.malloc_info(0, file)
    libc.fclose(file)
    print(told.read().count(b"<heap nr="))
"""


FREED = """
import ctypes, sys
from connector.bench.frame import resident_memory
from connector.memory import give_back

if not hasattr(ctypes.CDLL(None), "malloc_trim"):
    sys.exit("not glibc")
pages = [bytearray(1000) for _ in range(200_000)]
kept = pages[::1000]
full = resident_memory()
del pages
freed = resident_memory()
give_back()
print(full - freed, freed - resident_memory())
"""


def said(program: str, *arguments: str) -> list[int]:
    """The numbers that a process of its own prints."""
    run = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    if "not glibc" in run.stderr:
        pytest.skip("another C library")
    assert run.returncode == 0, run.stderr
    return [int(number) for number in run.stdout.split()]


def test_its_threads_share_two_stores_of_freed_memory() -> None:
    [few], [usual] = said(ARENAS, "few"), said(ARENAS)
    assert few <= 2 < usual


def test_what_was_freed_below_what_is_in_use_goes_back_to_the_system() -> None:
    by_itself, given_back = said(FREED)
    assert by_itself < 50_000_000
    assert given_back > 150_000_000
