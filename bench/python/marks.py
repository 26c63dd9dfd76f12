"""What a task leaves behind when it has run: a count in a file that all processes map, so that the benchmark sees every peer alike.

Each process counts in its own cell; the task does nothing else. The file is named by BENCH_MARKS and has CELLS cells of eight bytes.
"""
import itertools
import mmap
import os

CELLS = 4096


def create(path: str) -> None:
    with open(path, "wb") as file:
        file.truncate(8 * CELLS)


def cells(path: str) -> memoryview:
    with open(path, "r+b") as file:
        return memoryview(mmap.mmap(file.fileno(), 8 * CELLS)).cast("Q")


BODY = "x" * 80  # the argument: with the rest of an arguments' list some 100 bytes
_cells = cells(os.environ["BENCH_MARKS"]) if "BENCH_MARKS" in os.environ else memoryview(bytearray(8 * CELLS)).cast("Q")
_here, _next = -1, itertools.count(1).__next__


def mark() -> None:
    """One more task of this process has run. A child that was forked begins with a cell of its own."""
    global _here, _next
    pid = os.getpid() % CELLS
    if pid != _here:
        _here, _next = pid, itertools.count(_cells[pid] + 1).__next__
    _cells[pid] = _next()
