"""Every exception that codemtl raises on purpose, so that callers can catch by cause.

    CodemtlError                 anything below; carries the exit code of the contract
    ├── UsageError               wrong arguments or configuration
    ├── SourceError              a user's source file cannot be read, parsed or addressed
    │   └── FileChangedError     the file changed between reading and writing
    ├── EditError                an edit was refused because its result would not be sound
    ├── WriteError               the file system refused a write; the original file is intact
    ├── ModelError               a model folder is missing, broken or does not fit the code
    ├── DataError                a dataset or prepared shard is missing, broken or empty
    └── MissingExtraError        an optional dependency is not installed

Each message says what happened, where, and what to do.
"""

from __future__ import annotations


class CodemtlError(Exception):
    """Base of all intended errors. ``exit_code`` is what the command line returns."""

    exit_code = 2


class UsageError(CodemtlError):
    """Wrong arguments or configuration."""


class SourceError(CodemtlError):
    """A source file cannot be read, parsed or addressed."""


class FileChangedError(SourceError):
    """A file changed between reading and writing; nothing was written."""


class EditError(CodemtlError):
    """An edit was refused because its result would not be sound."""


class WriteError(CodemtlError):
    """The file system refused a write; the original file is intact."""


class ModelError(CodemtlError):
    """A model folder is missing, broken or does not fit the code."""


class DataError(CodemtlError):
    """A dataset or prepared shard is missing, broken or empty."""


class MissingExtraError(CodemtlError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; run: pip install 'codemtl[{extra}]'")
