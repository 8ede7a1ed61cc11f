"""What git says of a file's past."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from codemtl.syntax.discovery import GIT, git_environment

SECONDS = 10  # git gets for one question
_ENVIRONMENT = {
    "GIT_LITERAL_PATHSPECS": "1",  # a file may be named *.py
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "",  # older versions of git do not know the former
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
}


def output(
    where: Sequence[str],
    arguments: Sequence[str],
    stdin: bytes | None = None,
    more: Mapping[str, str] = MappingProxyType({}),
) -> bytes:
    """What git prints; nothing where it fails or takes longer than SECONDS.

    Args:
        where: git's options that name the repository, such as ``-C FOLDER``.
        arguments: a command of git and what belongs to it.
        stdin: what it is given to read.
        more: variables of its environment.
    """
    try:
        done = subprocess.run(
            [*GIT, *where, *arguments], input=stdin or b"", capture_output=True,
            env={**git_environment(), **_ENVIRONMENT, **more}, timeout=SECONDS, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return b""
    return done.stdout
