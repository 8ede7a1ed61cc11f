"""From a file's bytes to its text, and to what this Python makes of source."""

from __future__ import annotations

import ast
import io
import tokenize
import warnings


def decode(data: bytes) -> str | None:
    """Text by the BOM or coding cookie, line endings kept; None where it is in another encoding."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return data.decode(encoding)
    except (SyntaxError, ValueError, LookupError):
        return None


def parsed(source: str | bytes) -> ast.Module | None:
    """What Python 3 parses; None where it does not."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
