"""A crew: processes that play seeds, for `antipodes prove` and `antipodes simulate`. They end at once when the command
does."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Protocol, TypeVar

import typer

if TYPE_CHECKING:
    from antipodes.cli.screen import Screen

T = TypeVar("T")
ENDINGS = (signal.SIGINT, signal.SIGTERM)


class Judged(Protocol):
    """What a seed came to."""

    @property
    def ok(self) -> bool: ...


J = TypeVar("J", bound=Judged)


def play_all(play: Callable[[int], J], seeds: range, jobs: int, screen: Screen, *, chunk: int = 1) -> list[J]:
    """Plays all seeds and shows how far it is. chunk: seeds handed to a process at a time.

    SIGTERM and Ctrl-C end this command, with exit code 143 or 130, and all its processes in the middle of what they do.
    """
    runs = map(play, seeds) if jobs == 1 else _in_processes(play, seeds, jobs, chunk)
    screen.line(f"{len(seeds)} seeds, from {seeds[0]}, in {jobs} processes")
    played = []
    for one in runs:
        played.append(one)
        bad = sum(not each.ok for each in played)
        screen.progress(f"{len(played)} of {len(seeds)} played, {bad} do not hold")
    screen.progress("")
    return played


def _in_processes(play: Callable[[int], T], seeds: range, jobs: int, chunk: int) -> Iterator[T]:
    """The runs in the order of their seeds, as they come."""
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
