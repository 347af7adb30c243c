"""Two worlds at a time: each is played on one core, and none knows of the others."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

PROCESSES = 2
Task = TypeVar("Task")
Found = TypeVar("Found")


def in_parallel(function: Callable[[Task], Found], tasks: Sequence[Task], *, chunk: int = 1) -> list[Found]:
    """Apply a function of a module to each task; return what it found in the tasks' order.

    `chunk` tasks are handed over at a time. A single chunk is played here, without a second process.
    """
    if len(tasks) <= chunk:
        return [function(task) for task in tasks]
    with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(function, tasks, chunksize=chunk))
