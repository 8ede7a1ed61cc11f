"""The folder of a run: whether it can be written to, and whether a run may begin or go on there."""

from __future__ import annotations

import tempfile
from pathlib import Path

from codemtl.errors import UsageError
from codemtl.model.folder import CONFIG
from codemtl.training.checkpoints import newest_state


def check_writable(out: Path) -> None:
    """Raise UsageError if ``out`` cannot be written to, or be made; it is not made."""
    try:
        there = next(place for place in (out, *out.absolute().parents) if place.exists())
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
