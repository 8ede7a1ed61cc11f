"""A thread that yields while others work."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from codemtl.search.background import Background


def test_everything_is_heard_in_order() -> None:
    background = Background(iter([1, None, 2, None]))
    heard: list[int] = []
    while not background.done:
        heard += background.wait(5.0)
    assert heard == [1, 2] and background.wait() == []
    background.close()


def test_nothing_is_waited_for_that_is_not_there() -> None:
    gate = threading.Event()

    def work() -> Iterator[int]:
        yield 1
        gate.wait(20)
        yield 2

    background = Background(work())
    assert background.wait(5.0) == [1]
    assert background.wait() == [] and not background.done
    gate.set()
    background.close()


def test_it_ends_where_it_yields_next() -> None:
    done: list[int] = []
    steps = threading.Semaphore(0)

    def work() -> Iterator[None]:
        for number in range(1000):
            steps.acquire(timeout=20)
            done.append(number)
            yield

    background = Background(work())
    background._stopped.set()
    steps.release()
    background.close()
    assert done == [0]


def test_errors_are_raised_by_who_waits() -> None:
    def work() -> Iterator[int]:
        yield 1
        raise ValueError("no")

    background = Background(work())
    with pytest.raises(ValueError, match="no"):
        while not background.done:
            background.wait(5.0)
    assert background.done
