"""From command-line arguments to files, and over them one by one, whatever happens to one of them.

    a.py  pkg/  b.py::Scraper.parse  -

One bad file never stops the others: it becomes a result with status ``error``.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from codemtl.errors import CodemtlError, EditError, SourceError
from codemtl.syntax.definitions import Definition, find_all, functions
from codemtl.syntax.discovery import SUFFIXES, find_python_files
from codemtl.syntax.edits import Edit
from codemtl.syntax.files import SIZE_LIMIT, SourceFile
from codemtl.syntax.results import FileResult
from codemtl.syntax.tree import SourceTree
from codemtl.syntax.verify import verify

STDIN = "-"
DEBUG_VARIABLE = "CODEMTL_DEBUG"


@dataclass(frozen=True, slots=True)
class Target:
    """A file to work on; ``qualnames`` narrow it to some functions or classes, none to all."""

    path: str
    qualnames: tuple[str, ...] = ()
    stdin: bool = False


def split_argument(argument: str) -> tuple[str, str]:
    """``a.py::f`` → ``("a.py", "f")``; without ``::`` the second is empty."""
    path, _, qualname = argument.partition("::")
    return path, qualname


def find_targets(
    arguments: Iterable[str], stdin_filename: str | None = None
) -> list[Target | FileResult]:
    """Each file once, whatever links lead to it, in the order of the arguments.

    What cannot be found is an error result.
    """
    found: dict[str, Target | FileResult] = {}
    for argument in arguments:
        path, qualname = split_argument(argument)
        if path == STDIN:
            _add(found, STDIN, Target(stdin_filename or STDIN, stdin=True), qualname)
            continue
        try:
            files = _files_of(path, qualname)
        except CodemtlError as error:
            found.setdefault(argument, FileResult(path, "error", str(error)))
            continue
        for file in files:
            _add(found, os.path.realpath(file), Target(str(file)), qualname)
    return list(found.values())


def _add(found: dict[str, Target | FileResult], key: str, target: Target, qualname: str) -> None:
    """Take ``target`` in, narrowed to ``qualname``; a file named as a whole stays whole.

    What is one file by links keeps the name that comes first.
    """
    known = found.get(key)
    names: tuple[str, ...] = (qualname,) if qualname else ()
    if isinstance(known, Target):
        target = known
        names = (*known.qualnames, *names) if known.qualnames and names else ()
    found[key] = replace(target, qualnames=names)


def _files_of(path: str, qualname: str) -> list[Path]:
    place = Path(path)
    if not os.path.isdir(place):
        return [place]  # whether it can be read is found out when its turn comes
    if qualname:
        raise SourceError(f"{path} is a folder; name a file before ::{qualname}")
    files = find_python_files(place)
    if not files:
        raise SourceError(f"{path}: no Python files below this folder (git-ignored ones aside)")
    return files


def read_target(target: Target) -> SourceFile:
    """The file's text, or that of standard input; SourceError says why there is none."""
    if target.stdin:
        if sys.stdin is None:
            raise SourceError("standard input is closed; give a file, or text by a pipe")
        try:
            raw = sys.stdin.buffer.read(SIZE_LIMIT + 1)  # more is refused, and may never end
        except OSError as error:
            raise SourceError(
                f"standard input cannot be read ({error.strerror}); give a file, or text by a pipe"
            ) from error
        return SourceFile.from_bytes(raw, Path(target.path))
    source = SourceFile.read(Path(target.path))
    if not target.path.endswith(SUFFIXES) and _is_json(source.data):
        raise SourceError(
            f"{target.path} is JSON, not Python; of a notebook, export the code first"
        )
    return source


def _is_json(data: bytes) -> bool:
    """Whether text is an object or a list in JSON, most of which Python would read too."""
    if data.lstrip()[:1] not in (b"{", b"["):
        return False
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def select_functions(tree: SourceTree, qualnames: Sequence[str]) -> list[Definition]:
    """All functions, or those in the named functions and classes; SourceError for no such name."""
    every, spans = functions(tree), named_spans(tree, qualnames)
    return [one for one in every if any(s <= one.start and one.end <= e for s, e in spans)]


def named_spans(tree: SourceTree, qualnames: Sequence[str]) -> list[tuple[int, int]]:
    """Where the named functions and classes stand, or all of the file without any.

    SourceError for no such name.
    """
    if not qualnames:
        return [(0, len(tree.data))]
    return [(one.start, one.end) for name in qualnames for one in find_all(tree, name)]


def apply_verified(tree: SourceTree, edits: Sequence[Edit]) -> tuple[bytes | None, list[Edit]]:
    """The text with as many edits, in their order, as are sound together; and those edits."""
    if not edits:
        return None, []
    try:
        return verify(tree, edits), list(edits)
    except EditError:
        pass
    patched: bytes | None = None
    accepted: list[Edit] = []
    for edit in edits:
        try:
            patched = verify(tree, [*accepted, edit])
        except EditError:
            continue
        accepted.append(edit)
    return patched, accepted


def each_file(
    targets: Iterable[Target | FileResult],
    process: Callable[[SourceFile, Sequence[str]], FileResult],
    *,
    write: bool = False,
    time_budget: float | None = None,
) -> Iterator[FileResult]:
    """Results in the order of the targets, written to disk where asked for.

    Files whose turn comes after ``time_budget`` seconds are skipped.
    """
    deadline = time.monotonic() + time_budget if time_budget else None
    for target in targets:
        if isinstance(target, FileResult):
            yield target
        elif deadline is not None and time.monotonic() > deadline:
            yield FileResult(target.path, "skipped", "the time budget had ended; see --time-budget")
        else:
            yield _one_file(target, process, write)


def _one_file(
    target: Target, process: Callable[[SourceFile, Sequence[str]], FileResult], write: bool
) -> FileResult:
    result = FileResult(target.path)
    try:
        source = read_target(target)
        result = process(source, target.qualnames)
        result.path = target.path
        if result.patched is not None and source.encoding != "utf-8":
            source.encode(result.patched)  # what cannot be written is no patch
        if write and result.patched is not None:
            if not target.stdin:
                source.write(result.patched)
            result.written = True
    except CodemtlError as error:
        result.patched = None
        result.status, result.message = "error", named(target.path, str(error))
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        result.status, result.message = "error", internal_error(error, target.path)
    return result


def internal_error(error: Exception, path: str | None = None) -> str:
    """One line for what should not have happened, with what to do about it.

    A server goes on after it, so that it is here that the traceback is shown.
    """
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exception(error)
    where = f"{path}: " if path else ""
    return (
        f"{where}internal error: {type(error).__name__}: {error}; please report it with the"
        f" traceback that {DEBUG_VARIABLE}=1 shows"
    )


def named(path: str, message: str) -> str:
    """A message that says of which file it is."""
    return message if path in message else f"{path}: {message}"
