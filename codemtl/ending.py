"""To be ended by a signal without leaving anything behind."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # whoever ends a process, and a terminal that is closed


@contextmanager
def tidy() -> Iterator[None]:
    """SIGTERM and SIGHUP clean up meanwhile as Ctrl-C does, unless they mean something already.

    In other threads than the main one, where nothing can be settled, they end the process at once.
    """
    main = threading.current_thread() is threading.main_thread()
    ours = [one for one in SIGNALS if main and signal.getsignal(one) is signal.SIG_DFL]
    try:
        for one in ours:
            signal.signal(one, _ended)
        yield
    finally:
        for one in ours:
            signal.signal(one, signal.SIG_DFL)


def _ended(number: int, _: object) -> None:
    raise SystemExit(128 + number)
