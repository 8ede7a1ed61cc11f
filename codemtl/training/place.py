"""The folder of a run: whether it can be written to, may begin or go on there, one at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from codemtl.corpus.locks import alone
from codemtl.errors import UsageError
from codemtl.model.folder import CONFIG
from codemtl.training.checkpoints import newest_state

LOCK = ".train.lock"  # a comparison has another one of its own


def check_writable(out: Path) -> None:
    """Raise UsageError if ``out`` cannot be written to, or be made; it is not made."""
    try:
        places = (out, *out.absolute().parents)  # a link to nothing is in the way
        there = next(place for place in places if place.is_symlink() or place.exists())
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise unwritable(out, error) from error


def unwritable(out: Path, error: OSError) -> UsageError:
    """The error that says why ``out`` cannot be written to."""
    return UsageError(f"cannot write to --out {out}: {error.strerror}; name another")


def check_free(out: Path) -> None:
    """Raise UsageError if ``out`` holds a run, or a model that a new one would write over."""
    if any((out / "checkpoints").glob("step-*")):
        raise UsageError(f"{out} holds a run already; give --resume to go on, or another --out")
    if (out / CONFIG).exists():
        raise UsageError(f"{out} holds a model already; choose another --out")


def check_begun(out: Path) -> None:
    """Raise UsageError if no checkpoint is in ``out``: a run would begin anew, and at random."""
    if newest_state(out) is not None:
        return
    if (out / CONFIG).exists():
        raise UsageError(
            f"{out} holds a model but no checkpoint to go on from; choose another --out, and "
            f"--init {out} to begin with that model"
        )
    raise UsageError(f"{out} holds no checkpoint to go on from; leave --resume out to begin a run")


@contextmanager
def locked(out: Path, processes: PartialState, *, resume: bool) -> Iterator[None]:
    """Make ``out``, and keep other runs from it meanwhile: they would mix up its checkpoints.

    Of processes that train together the main one holds the lock, and all hear if it cannot. Raises
    UsageError if ``out`` is in use or cannot be written to, or without ``resume`` is not free.
    """
    refusal = f"another process is training into --out {out}; wait for it, or name another"
    with ExitStack() as held:
        found: list[UsageError | None] = [None]
        if processes.is_main_process:
            try:
                out.mkdir(parents=True, exist_ok=True)
                held.enter_context(alone(out / LOCK, refusal))
                if not resume:
                    check_free(out)
            except OSError as error:
                found = [unwritable(out, error)]
            except UsageError as error:
                found = [error]
        broadcast_object_list(found)
        if found[0] is not None:
            raise found[0]
        yield
