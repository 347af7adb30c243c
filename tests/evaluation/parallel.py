"""Two worlds at a time: each is played on one core, and none knows of the others."""

import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

PROCESSES = 2
TELL_S = 30.0
Task = TypeVar("Task")
Found = TypeVar("Found")


def in_parallel(function: Callable[[Task], Found], tasks: Sequence[Task], *, chunk: int = 1) -> list[Found]:
    """Apply a function of a module to each task; return what it found in the tasks' order.

    `chunk` tasks are handed over at a time. A single chunk is played here, without a second process. Whoever waits at a
    terminal or reads a log is told how far it has come, twice a minute at most.
    """
    if len(tasks) <= chunk:
        return [function(task) for task in tasks]
    found: list[Found] = []
    began_s = told_s = time.monotonic()
    with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
        for each in pool.map(function, tasks, chunksize=chunk):
            found.append(each)
            if time.monotonic() - told_s >= TELL_S:
                told_s = time.monotonic()
                print(f"{told_s - began_s:5.0f} s: {len(found)} of {len(tasks)} played", file=sys.stderr, flush=True)
    return found
