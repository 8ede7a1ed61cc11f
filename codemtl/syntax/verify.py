"""Nothing leaves the house unverified: an edit is accepted only if its result is sound.

A model may propose anything. What it may not do is break a file that was whole, or a good part
of a broken one.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable
from functools import lru_cache

from codemtl.errors import EditError
from codemtl.syntax.edits import Edit, apply
from codemtl.syntax.tree import SourceTree, error_count, parse


def verify(tree: SourceTree, edits: Iterable[Edit]) -> bytes:
    """Apply ``edits`` and return the new text if it is at least as sound as the old one.

    Raises EditError if the edits overlap, if the result has more syntax errors than before, if
    Python compiled the old text and does not compile the new one, or if nothing changed.
    """
    edits = sorted(edits)
    new = apply(tree.data, edits)
    if new == tree.data:
        raise EditError("the edit changes nothing")
    _check_outside(tree.data, new, edits)
    errors, before = error_count(parse(new)), error_count(tree)
    if errors > before:
        raise EditError(
            f"the edit at byte {edits[0].start} breaks the syntax: "
            f"{errors} syntax errors after it, {before} before"
        )
    if _compiles(tree.data):
        problem = compile_error(new)
        if problem is not None:
            raise EditError(f"Python would not compile the edited text: {problem}")
    return new


def compile_error(data: bytes) -> str | None:
    """Why this Python would not compile UTF-8 text, or None if it would. Runs nothing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the user's code, not ours
            # Text, not bytes: it is UTF-8 whatever its coding cookie says.
            compile(data.decode("utf-8"), "<edited>", "exec", dont_inherit=True)
    except SyntaxError as error:
        where = f" (line {error.lineno})" if error.lineno else ""
        return f"{error.msg}{where}"
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        return str(error) or type(error).__name__
    return None


def parse_error(data: bytes) -> SyntaxError | None:
    """Why this Python would not parse UTF-8 text, or None if it would."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(data.decode("utf-8"))
    except SyntaxError as error:
        return error
    except (ValueError, RecursionError, MemoryError) as error:
        return SyntaxError(str(error) or type(error).__name__)
    return None


@lru_cache(maxsize=4)
def _compiles(data: bytes) -> bool:
    """Whether a file compiles; kept, because many edits of one file are tried in a row."""
    return compile_error(data) is None


def _check_outside(old: bytes, new: bytes, edits: list[Edit]) -> None:
    """Make sure that every byte outside the edited spans is where it was, shifted."""
    shift = position = 0
    for edit in [*edits, Edit(len(old), len(old), "")]:
        if old[position : edit.start] != new[position + shift : edit.start + shift]:
            raise EditError(f"bytes {position} to {edit.start} would change outside the edit")
        shift += len(edit.replacement.encode()) - (edit.end - edit.start)
        position = edit.end
    if len(new) != len(old) + shift:
        raise EditError("the edited text has a wrong length")
