"""Imports of the user's tree come from its private copy, where that lies elsewhere.

An editable install, or a PYTHONPATH, names the tree by its own path. Standard library only, and no
part of a package: ``hook/sitecustomize`` loads this file by itself.
"""

from __future__ import annotations

import os
import sys
from typing import Any


class Moved:
    """The user's tree at ``root`` and its copy; ``apart`` are folders that the copy lacks."""

    def __init__(self, root: str, copy: str, apart: list[str]) -> None:
        self.root, self.copy = root, copy
        self.apart = [os.path.join(root, one) for one in apart]

    def path(self, path: str) -> str:
        """Where a path of the tree lies in the copy; any other path as it is."""
        if not _inside(path, self.root) or any(_inside(path, one) for one in self.apart):
            return path
        return os.path.join(self.copy, os.path.relpath(path, self.root))

    def imports(self) -> None:
        """For this process: ``sys.path`` and the finders that editable installs put in place."""
        sys.path[:] = [self.path(one) for one in sys.path]
        for finder in sys.meta_path:
            module = sys.modules.get(getattr(finder, "__module__", None) or "")
            for table in (getattr(module, "MAPPING", None), getattr(module, "NAMESPACES", None)):
                if isinstance(table, dict):
                    table.update({name: self._place(place) for name, place in table.items()})

    def _place(self, place: Any) -> Any:
        if isinstance(place, list):
            return [self._place(one) for one in place]
        return self.path(place) if isinstance(place, str) else place


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
