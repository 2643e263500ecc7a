"""How far a night has come and how long it will take: measured by the night before."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

Tasks = tuple[int, int]
"""Finished tasks and all tasks of the stages at work."""


@dataclass(frozen=True)
class Past:
    """What a step took last time: seconds, for so many rows (None: it has no rows)."""

    seconds: float
    rows: int | None


def seconds_left(pasts: Sequence[Past | None], *, rows: int | None, spent: float) -> float | None:
    """Expected seconds to the end of the steps, of which the first has run for ``spent`` seconds.

    Time grows with rows, so a night with more customers than the last is expected to take longer.
    None if one of the steps has never run.

    Examples:
        >>> seconds_left([Past(10.0, 1000), Past(4.0, None)], rows=2000, spent=5.0)
        19.0
        >>> seconds_left([Past(10.0, 1000)], rows=None, spent=60.0)
        0.0
        >>> seconds_left([None], rows=10, spent=0.0) is None
        True
    """
    expected = []
    for past in pasts:
        if past is None:
            return None
        growth = rows / past.rows if rows and past.rows else 1.0
        expected.append(past.seconds * growth)
    if not expected:
        return 0.0
    return max(0.0, expected[0] - spent) + sum(expected[1:])


def readable(seconds: float) -> str:
    """Minutes and seconds, or hours and minutes.

    Examples:
        >>> readable(9.6), readable(75), readable(7260)
        ('0:10', '1:15', '2 h 01 min')
    """
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def line(place: str, name: str, *, tasks: Tasks | None, spent: float, left: float | None) -> str:
    """One line for a person who waits."""
    parts = [f"{place:>5}  {name:<24}", f"{readable(spent):>6}"]
    if tasks is not None and tasks[1]:
        parts.append(f"{tasks[0]}/{tasks[1]} tasks")
    if left is not None:
        parts.append(f"about {readable(left)} left")
    return "  ".join(parts)


@contextmanager
def shown(
    draw: Callable[[float], str], *, stream: TextIO | None = None, every_seconds: float = 0.5
) -> Iterator[None]:
    """Keep one line on a terminal up to date while the block runs; elsewhere, do nothing.

    Args:
        draw: From the seconds spent to the line.
        stream: Where to; stderr if None.
        every_seconds: Between two looks.
    """
    target = sys.stderr if stream is None else stream
    if not target.isatty():
        yield
        return
    start, over = time.monotonic(), threading.Event()

    def redraw() -> None:
        while not over.wait(every_seconds):
            target.write(f"\r\x1b[K{draw(time.monotonic() - start)}")
            target.flush()

    drawer = threading.Thread(target=redraw, name="progress", daemon=True)
    drawer.start()
    try:
        yield
    finally:
        over.set()
        drawer.join()
        target.write("\r\x1b[K")
        target.flush()
