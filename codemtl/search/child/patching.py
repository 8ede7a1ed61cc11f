"""Gives whoever imports a target file the candidate's bytes instead of the file's.

No file is written: the loaders are asked, by real path. Stale byte code is never read. The same
place notes whether the target is imported at all, and keeps byte code of the user's tree apart.
"""

from __future__ import annotations

import importlib._bootstrap_external as external
import linecache
import os
import pathlib
import sys
from importlib.machinery import SourceFileLoader
from typing import Any


class Patch:
    """The files that are watched, and what stands in for them."""

    def __init__(self, targets: list[str]) -> None:
        self.names = {os.path.basename(path) for path in targets}
        self.targets = {os.path.realpath(path) for path in targets}
        self.data: dict[str, bytes] = {}
        self.seen: set[str] = set()

    def target(self, path: Any) -> str | None:
        """The watched file that a path leads to."""
        path = os.fspath(path)
        if os.path.basename(path) not in self.names:
            return None
        real = os.path.realpath(path)
        return real if real in self.targets else None

    def loaded(self) -> list[str]:
        """The watched files that are loaded as modules now."""
        files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
        return [file for file in files if isinstance(file, str) and self.target(file)]

    def put(self, path: str, data: bytes) -> None:
        """From now on, a file has these bytes."""
        real = os.path.realpath(path)
        self.data[real] = data
        text = data.decode("utf-8", "replace").splitlines(keepends=True)
        for name in {path, real}:
            linecache.cache[name] = (len(data), None, text, name)

    def install(self) -> None:
        """Make the loaders ask here first."""
        kind: Any = SourceFileLoader
        get_code, get_data = kind.get_code, kind.get_data

        def patched_code(loader: Any, fullname: str) -> Any:
            path = loader.get_filename(fullname)
            real = self.target(path)
            if real is None:
                return get_code(loader, fullname)
            self.seen.add(real)
            data = self.data.get(real)
            if data is None:  # as it stands on disk, but never from a cache
                data = get_data(loader, path)
            return loader.source_to_code(data, path)

        def patched_data(loader: Any, path: str) -> bytes:
            real = self.target(path)
            data = None if real is None else self.data.get(real)
            return get_data(loader, path) if data is None else data

        kind.get_code, kind.get_data = patched_code, patched_data

    def install_in_pytest(self) -> None:
        """The same for files that pytest loads itself, to rewrite their assertions."""
        from _pytest.assertion import rewrite

        inside: Any = rewrite
        rewrite_test, read_pyc = inside._rewrite_test, inside._read_pyc

        class Patched(type(pathlib.Path())):  # type: ignore[misc]
            """A path whose file has other bytes."""

            def read_bytes(here) -> bytes:
                return self.data[os.path.realpath(here)]

        def patched_rewrite(file: Any, config: Any) -> Any:
            real = self.target(file)
            if real is not None:
                self.seen.add(real)
            return rewrite_test(Patched(file) if real in self.data else file, config)

        def patched_read(source: Any, *rest: Any, **named: Any) -> Any:
            return None if self.target(source) else read_pyc(source, *rest, **named)

        inside._rewrite_test, inside._read_pyc = patched_rewrite, patched_read


def keep_byte_code_apart(folder: str, root: str) -> None:
    """Byte code of files under ``root`` goes to ``folder``; other byte code stays where it is.

    In the folder it is kept even if PYTHONDONTWRITEBYTECODE is set, as in many containers: or
    else every candidate compiles the tests anew.
    """
    machinery: Any = external
    _write_byte_code_in(folder)
    original = machinery.cache_from_source
    inside = root.rstrip(os.sep) + os.sep

    def cache_from_source(path: Any, *rest: Any, **named: Any) -> Any:
        if os.fspath(path).startswith(inside):
            return original(path, *rest, **named)
        sys.pycache_prefix = None
        try:
            return original(path, *rest, **named)
        finally:
            sys.pycache_prefix = folder

    sys.pycache_prefix = folder
    machinery.cache_from_source = cache_from_source


def _write_byte_code_in(folder: str) -> None:
    """Let byte code be written in ``folder``, elsewhere only if it may be already."""
    if not sys.dont_write_bytecode:
        return
    kind: Any = SourceFileLoader
    write = kind._cache_bytecode

    def only_here(loader: Any, source_path: str, bytecode_path: str, data: bytes) -> None:
        if bytecode_path.startswith(folder + os.sep):
            write(loader, source_path, bytecode_path, data)

    kind._cache_bytecode = only_here
    sys.dont_write_bytecode = False
