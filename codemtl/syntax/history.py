"""What is known of a file's past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from codemtl.syntax.line_ages import line_ages
from codemtl.syntax.renames import Renames, renames


@dataclass(frozen=True, slots=True)
class History:
    """The past of one file; empty where nobody knows it."""

    ages: tuple[float, ...] = ()  # of its lines, as `line_ages`
    renames: Renames = field(default_factory=dict, hash=False)  # as `renames`


UNKNOWN = History()


def history(
    where: Sequence[str], path: str, revision: str = "HEAD", contents: bytes | None = None
) -> History:
    """By git; what the arguments mean, `line_ages` and `renames` say."""
    return History(
        line_ages(where, path, revision, contents), renames(where, path, revision, contents)
    )
