"""Files that are either the old ones or whole, even when the machine stops."""

from __future__ import annotations

import os
from pathlib import Path

from codemtl.ending import tidy


def write_durable(path: Path, data: bytes) -> None:
    """Write a new file, with the mode that the user's umask asks for, and wait for the disk.

    An OSError says which file, also where the disk is full.
    """
    try:
        with open(path, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def write_atomic(path: Path, data: bytes) -> None:
    """Write or replace a file in one step."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with tidy():
        try:
            write_durable(partial, data)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
