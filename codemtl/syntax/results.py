"""What a command found out about one file: the common language of inference and report.

It stands in this layer because ``report`` may not know ``inference``, and neither may own the
other's vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from codemtl.syntax.edits import Edit
from codemtl.syntax.findings import Finding
from codemtl.syntax.imports import insertions
from codemtl.syntax.tree import parse

Status = Literal["ok", "skipped", "error"]
Style = Literal["google", "numpy", "sphinx", "plain"]  # of docstrings


@dataclass(frozen=True, slots=True)
class Summary:
    """What the model says about one function. ``line`` is 1-based."""

    function: str
    line: int
    text: str
    docstring: str | None  # the literal that the patch inserts; None if it inserts none
    documented: bool  # the function had a docstring


PatchStatus = Literal["fixed", "not-fixed", "already-passing", "error"]


@dataclass(frozen=True, slots=True)
class Patch:
    """What the search with the user's tests came to; the patch itself is ``patched`` of the file.

    ``alternatives`` are whole files with other patches that the tests accept, the next best first.
    """

    status: PatchStatus
    message: str | None
    candidates_tried: int
    seconds: float
    alternatives: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class FileResult:
    """One file after repair or summarize.

    ``message`` says why a file was skipped or failed, and the way out. ``data`` and ``patched``
    are UTF-8 without BOM; ``patched`` holds all edits that were chosen, or None without any.
    """

    path: str
    status: Status = "ok"
    message: str | None = None
    data: bytes = b""
    encoding: str = "utf-8"  # of the file, for a diff that fits its bytes
    bom: bool = False
    findings: list[Finding] = field(default_factory=list)  # best first
    hidden: int = 0  # findings left out because a baseline knows them
    unresolved: list[Finding] = field(default_factory=list)  # those that ``patched`` leaves
    applied: list[Edit] = field(default_factory=list)  # what ``patched`` changes
    summaries: list[Summary] = field(default_factory=list)  # source order
    patched: bytes | None = None
    written: bool = False
    patch: Patch | None = None  # where tests were given

    @property
    def on_disk(self) -> tuple[bytes, list[Finding]]:
        """The file's text as it is now, and its remaining findings where they stand in it."""
        if not self.written or self.patched is None:
            return self.data, self.findings
        moved = []
        for one in self.unresolved:
            before = [edit for edit in self.applied if edit.end <= one.start]
            by = sum(len(edit.replacement.encode()) - (edit.end - edit.start) for edit in before)
            moved.append(replace(one, start=one.start + by, end=one.end + by))
        return self.patched, moved

    @property
    def remaining(self) -> list[Finding]:
        """Findings that the file on disk still has."""
        return self.unresolved if self.written else self.findings


@dataclass(frozen=True, slots=True)
class Candidate:
    """One generated text, and the whole file with it in place (None for a text of its own)."""

    text: str
    patched: bytes | None = None


@dataclass(slots=True)
class Generated:
    """The candidates of one generation request, best first; all of them parse."""

    candidates: list[Candidate]
    path: str | None = None
    function: str | None = None
    line: int | None = None  # 1-based
    data: bytes = b""
    dropped: int = 0  # texts that did not parse, of all that the model wrote
    failed: int = 0  # candidates that the tests did not accept
    untested: int = 0  # candidates for which no time was left
    bom: bool = False  # the file starts with a byte order mark


def has_fix(finding: Finding) -> bool:
    """Whether a repair is known; a finding without one repeats its original."""
    return finding.missing is not None or finding.replacement != finding.original


def edits_of(data: bytes, findings: Iterable[Finding]) -> list[Edit]:
    """What repairs findings of a text together: replacements, and the imports that are missing."""
    found, missing = [], []
    for one in filter(has_fix, findings):
        if one.missing is None:
            found.append(Edit(one.start, one.end, one.replacement))
        elif one.missing not in missing:
            missing.append(one.missing)
    return [*insertions(parse(data), missing), *found] if missing else found
