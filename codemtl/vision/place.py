"""The folder of a run: one process at a time, which else would mix up checkpoints and log."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from codemtl.errors import CodemtlError, UsageError
from codemtl.vision.folders import make_folder, unwritable

LOCK = ".lock"


@contextmanager
def locked(out: Path, check: Callable[[], None]) -> Iterator[None]:
    """Make ``out``, ``check`` it, and keep other runs from it meanwhile.

    Of processes that train together the main one does so, and all hear if it cannot. Raises
    WriteError, UsageError if ``out`` is in use, or what ``check`` raises.
    """
    with ExitStack() as held:
        found: list[CodemtlError | None] = [None]
        if PartialState().is_main_process:
            try:
                make_folder(out)
                held.enter_context(_alone(out))
                check()
            except CodemtlError as error:
                found = [error]
        broadcast_object_list(found)
        if found[0] is not None:
            raise found[0]
        yield


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    try:
        lock = open(out / LOCK, "a")  # noqa: SIM115
    except OSError as error:
        raise unwritable(out, error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"another process is training into --out {out}; wait for it, or name another"
            ) from error
        except OSError:  # a file system without locks
            pass
        yield
