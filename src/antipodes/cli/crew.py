"""Processes that play seeds, for `antipodes prove` and `antipodes simulate`: they end at once when the command does."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

import typer

T = TypeVar("T")
ENDINGS = (signal.SIGINT, signal.SIGTERM)


def play_in_processes(play: Callable[[int], T], seeds: range, jobs: int, chunk: int) -> Iterator[T]:
    """The runs in the order of their seeds, as they come. chunk: seeds handed to a process at a time.

    SIGTERM and Ctrl-C end this command, with exit code 143 or 130, and all its processes in the middle of what they do.
    """
    for number in ENDINGS:  # from here on, not when the first run is asked for
        signal.signal(number, _end)
    return _play(play, seeds, jobs, chunk)


def _play(play: Callable[[int], T], seeds: range, jobs: int, chunk: int) -> Iterator[T]:
    context = multiprocessing.get_context("spawn")  # a fresh interpreter: nothing of this one leaks into a run
    pool = ProcessPoolExecutor(min(jobs, len(seeds)), mp_context=context, initializer=_leave_it_to_the_parent)
    try:
        yield from pool.map(play, seeds, chunksize=chunk)
    except BaseException:
        for child in multiprocessing.active_children():
            child.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave_it_to_the_parent() -> None:
    """In a process of the crew: Ctrl-C reaches the whole group of processes, and only the command is to speak of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end(number: int, frame: object) -> None:
    typer.echo("\nEnded before all seeds were played.", err=True)
    raise typer.Exit(128 + number)
