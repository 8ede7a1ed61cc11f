"""One process at a time in a folder, by a locked file; the lock ends with the process."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from codemtl.errors import UsageError


@contextmanager
def alone(lock: Path, refusal: str) -> Iterator[bool]:
    """Hold the file ``lock`` meanwhile. Gives False where the file system has no locks.

    Raises UsageError with the words of ``refusal`` if another process holds it, OSError if it
    cannot be made.
    """
    held = True
    with open(lock, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(refusal) from error
        except OSError:
            held = False
        yield held
