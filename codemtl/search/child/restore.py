"""Puts a private copy of the user's tree back as it was, after a candidate has written to it.

A file counts as untouched if its inode and the time of its last change of any kind (which cannot
be set by a program) are those that were noted.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from typing import Any

from .jail import remove


class Copy:
    """A writable copy of ``original`` at ``root``."""

    def __init__(self, root: str, original: str, keep: list[str]) -> None:
        self.root, self.original = root, original
        self.keep = set(keep)  # mounted read-only; no part of the copy
        self.known = self._look()
        self.stamp = int(time.time())

    @classmethod
    def of(cls, setup: dict[str, Any]) -> Copy | None:
        """The copy that a sandboxed process works in; None if it sees the user's own tree."""
        if not setup["original"]:
            return None
        return cls(setup["root"], setup["original"], setup["keep"])

    def _look(self) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        pending = [self.root]
        while pending:
            with suppress(OSError), os.scandir(pending.pop()) as entries:
                for entry in entries:
                    name = os.path.relpath(entry.path, self.root)
                    if name in self.keep:
                        continue
                    stat = entry.stat(follow_symlinks=False)
                    folder = entry.is_dir(follow_symlinks=False)
                    found[name] = (stat.st_ino, 0 if folder else stat.st_ctime_ns)
                    if folder:
                        pending.append(entry.path)
        return found

    def restore(self) -> None:
        """Undo every change."""
        now = self._look()
        if now == self.known:
            return
        for name in sorted(now.keys() - self.known.keys(), reverse=True):
            remove(os.path.join(self.root, name))
        for name in sorted(self.known):
            here, there = os.path.join(self.root, name), os.path.join(self.original, name)
            if now.get(name) == self.known[name]:
                continue
            if name in now:
                remove(here)
            with suppress(OSError):
                if os.path.isdir(there) and not os.path.islink(there):
                    os.makedirs(here, exist_ok=True)
                    shutil.copystat(there, here)
                else:
                    os.makedirs(os.path.dirname(here), exist_ok=True)
                    shutil.copy2(there, here, follow_symlinks=False)
        self.known = self._look()

    def write(self, path: str, data: bytes) -> None:
        """Put a candidate in the place of a file, with a time that no cached byte code has.

        Raises PermissionError for a file outside the copy, which is the user's own.
        """
        folder, root = os.path.realpath(os.path.dirname(path)), os.path.realpath(self.root)
        if os.path.commonpath([folder, root]) != root:
            raise PermissionError(f"{path} lies outside the copy {self.root}")
        mode = os.stat(path).st_mode
        os.unlink(path)  # never through a link
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, mode & 0o7777)
        self.stamp += 1
        os.utime(path, (self.stamp, self.stamp))
