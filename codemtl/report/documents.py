"""What machines read: the JSON documents, SARIF, and GitHub's annotations.

The schema of ``repair_document`` is part of the contract; lines are counted from 1, columns from 0
in code points. SARIF and GitHub count columns from 1, and paths from the root of the repository.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from codemtl.report.output import percent
from codemtl.syntax.edits import Edit, unified_diff
from codemtl.syntax.findings import KINDS, Finding
from codemtl.syntax.positions import Positions
from codemtl.syntax.results import FileResult, Generated, edits_of, has_fix

KIND_TEXTS: Mapping[str, str] = {
    "variable-misuse": "Another variable in reach is meant.",
    "attribute-misuse": "Another attribute is meant.",
    "undefined-name": "The name is defined nowhere in reach.",
    "comparison": "Another comparison operator is meant.",
    "binary-operator": "Another binary operator is meant.",
    "boolean-operator": "`and` is meant where `or` stands, or the other way round.",
    "augmented-assignment": "Another assignment operator is meant.",
    "negation": "A `not` is missing or too many.",
    "literal": "Another constant is meant.",
    "off-by-one": "A number, index or bound is one too small or too large.",
    "argument-swap": "Two arguments stand in the wrong order.",
    "call-misuse": "Another function or method is meant, or the call cannot work.",
    "missing-statement": "A statement is missing.",
    "excess-statement": "A statement is too many.",
    "rewrite": "The line should read differently.",
}


Differ = Callable[[str, str, str], str]  # of a path and two texts, as `patch_text`


class Model(NamedTuple):
    """Which model spoke."""

    name: str
    revision: str


class Span(NamedTuple):
    """Lines from 1, columns from 0 in code points; the end is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


def span(positions: Positions, finding: Finding | Edit) -> Span:
    """Where a finding stands, or what an edit replaces."""
    return Span(*positions.line_column(finding.start), *positions.line_column(finding.end))


def repair_document(results: Sequence[FileResult], model: Model, seconds: float) -> dict[str, Any]:
    """The JSON form of repaired files; its schema is part of the contract.

    All that was found is in it, where it stood in the file as it was read; what was written is
    ``fixed``.
    """
    files = []
    for result in results:
        positions = Positions(result.data)
        findings = [
            {
                "function": one.function,
                "kind": one.kind,
                **span(positions, one)._asdict(),
                "original": one.original,
                "replacement": one.replacement,
                "confidence": round(one.confidence, 4),
                "message": one.message,
                "validated": one.validated,
                "missing_import": one.missing.statement if one.missing else None,
                "fixed": result.written and one not in result.unresolved,
            }
            for one in result.findings
        ]
        files.append({**_file_head(result), "findings": findings, "patch": _patch(result)})
    found = sum(len(one.findings) for one in results)
    return {
        "version": 1,
        "model": model._asdict(),
        "files": files,
        "summary": _summary(results, {"findings": found}, seconds),
    }


_MARK = "\ufeff"  # of byte order


def _patch(result: FileResult) -> dict[str, Any] | None:
    """What the search with tests came to; ``alternatives`` are the diffs of other patches."""
    patch = result.patch
    if patch is None:
        return None
    return {
        "status": patch.status,
        "diff": _diff(result, result.patched, patch_text) or "",
        "message": patch.message,
        "candidates_tried": patch.candidates_tried,
        "seconds": round(patch.seconds, 3),
        "alternatives": [_diff(result, one, patch_text) for one in patch.alternatives],
    }


def _diff(result: FileResult | Generated, new: bytes | None, differ: Differ) -> str | None:
    """From the text of a file to a new one; None without either."""
    if new is None or result.path is None:
        return None
    texts = (_MARK * result.bom + text.decode() for text in (result.data, new))
    return differ(result.path, *texts)


def summarize_document(
    results: Sequence[FileResult], model: Model, seconds: float, differ: Differ | None = None
) -> dict[str, Any]:
    """The JSON form of summarized files.

    ``docstring`` is the literal that is inserted, ``diff`` what is to be written or was, if
    anything; ``differ`` makes it where paths are only names, in place of `patch_text`.
    """
    files = []
    for result in results:
        summaries = [
            {
                "function": one.function,
                "line": one.line,
                "summary": one.text,
                "docstring": one.docstring,
                "documented": one.documented,
            }
            for one in result.summaries
        ]
        head = {**_file_head(result), "written": result.written}
        diff = _diff(result, result.patched, differ or patch_text)
        files.append({**head, "summaries": summaries, "diff": diff})
    total = sum(len(one.summaries) for one in results)
    return {
        "version": 1,
        "model": model._asdict(),
        "files": files,
        "summary": _summary(results, {"summaries": total}, seconds),
    }


def generate_document(
    result: Generated, model: Model, differ: Differ | None = None
) -> dict[str, Any]:
    """The JSON form of candidates; ``diff`` is None for a text that goes nowhere.

    ``differ`` is as in `summarize_document`.
    """
    candidates = [
        {"text": one.text, "diff": _diff(result, one.patched, differ or patch_text)}
        for one in result.candidates
    ]
    place = {"path": result.path, "function": result.function, "line": result.line}
    document = {"version": 1, "model": model._asdict(), **place, "candidates": candidates}
    counts = {"dropped": result.dropped, "failed": result.failed, "untested": result.untested}
    return {**document, **counts}


def sarif_document(results: Sequence[FileResult]) -> dict[str, Any]:
    """SARIF 2.1.0 with a fix for each finding that has one; what was written is left out."""
    from codemtl import __version__

    rules = [
        {
            "id": kind,
            "shortDescription": {"text": KIND_TEXTS[kind]},
            "defaultConfiguration": {"level": "warning"},
        }
        for kind in KINDS
    ]
    notes = [
        {
            "level": "error" if one.status == "error" else "note",
            "message": {"text": one.message},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": _uri(one.path)}}}],
        }
        for one in results
        if one.message
    ]
    if (verdict := search_verdict(results)) is not None:
        notes.append({"level": "warning", "message": {"text": verdict}})
    run = {
        "tool": {"driver": {"name": "codemtl", "version": __version__, "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": all(one.status != "error" for one in results),
                "toolExecutionNotifications": notes,
            }
        ],
        "results": [found for one in results for found in _sarif_results(one)],
    }
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return {"$schema": schema, "version": "2.1.0", "runs": [run]}


def _sarif_results(result: FileResult) -> Iterator[dict[str, Any]]:
    data, remaining = result.on_disk
    if not remaining:
        return
    positions = Positions(data)
    artifact = {"uri": _uri(result.path)}
    for one in remaining:
        region = _region(span(positions, one))
        found: dict[str, Any] = {
            "ruleId": one.kind,
            "ruleIndex": KINDS.index(one.kind),
            "level": "warning",
            "message": {"text": one.message},
            "locations": [{"physicalLocation": {"artifactLocation": artifact, "region": region}}],
            "rank": round(100 * one.confidence, 2),
            "properties": {"confidence": round(one.confidence, 4), "function": one.function},
        }
        if has_fix(one):
            changes = [
                {
                    "deletedRegion": _region(span(positions, edit)),
                    "insertedContent": {"text": edit.replacement},
                }
                for edit in edits_of(data, [one])
            ]
            change = {"artifactLocation": artifact, "replacements": changes}
            description = {"text": _change(one)}
            found["fixes"] = [{"description": description, "artifactChanges": [change]}]
        yield found


def _region(place: Span) -> dict[str, int]:
    return {
        "startLine": place.line,
        "startColumn": place.column + 1,
        "endLine": place.end_line,
        "endColumn": place.end_column + 1,
    }


def _change(one: Finding) -> str:
    if one.missing is not None:
        return f"Add {one.missing.statement!r}"
    if not one.original:
        return f"Insert {one.replacement!r}"
    if not one.replacement:
        return f"Remove {one.original!r}"
    return f"Replace {one.original!r} by {one.replacement!r}"


def search_verdict(results: Sequence[FileResult]) -> str | None:
    """Why the search with tests has no patch, which is the same for all files; None if it has."""
    patches = (one.patch for one in results if one.patch is not None)
    return next((f"not fixed: {one.message}" for one in patches if one.status == "not-fixed"), None)


def github_note(message: str) -> str:
    """An annotation of no file."""
    return f"::warning title=codemtl::{_escaped(message)}"


def github_lines(result: FileResult) -> Iterator[str]:
    """Workflow commands that make GitHub annotate the changed files; what was written is fixed."""
    file = _escaped(_from_root(result.path) or result.path, ":,")
    if result.message:
        level = "error" if result.status == "error" else "notice"
        yield f"::{level} file={file}::{_escaped(result.message)}"
    data, remaining = result.on_disk
    if not remaining:
        return
    positions = Positions(data)
    for one in remaining:
        place = span(positions, one)
        region = f"line={place.line},endLine={place.end_line}"
        if place.line == place.end_line:
            region += f",col={place.column + 1},endColumn={place.end_column + 1}"
        title = _escaped(f"codemtl {one.kind} ({percent(one.confidence)})", ":,")
        message = one.message
        if has_fix(one):
            message += f"\n{_change(one)}"
        yield f"::warning file={file},{region},title={title}::{_escaped(message)}"


def patch_text(path: str, old: str, new: str) -> str:
    """A unified diff of a file that ``git apply`` takes in the current folder.

    The path begins at the root of the work tree; outside of one at the current folder, or else at
    the root of the file's own work tree. Links are followed, as git does not.
    """
    rooted = _from_root(path)
    if rooted is not None:
        return unified_diff(rooted, old, new, rooted=True)
    place, here = Path(os.path.realpath(path)), Path.cwd()
    for root in (here, *(one for one in place.parents if os.path.exists(one / ".git"))):
        if place.is_relative_to(root):
            return unified_diff(place.relative_to(root).as_posix(), old, new)
    return unified_diff(place.as_posix().lstrip("/"), old, new)


def _from_root(path: str) -> str | None:
    """The path, links followed, from the root of the git work tree around the current folder.

    None outside of it, and of text without a name.
    """
    here = Path.cwd()
    root = next((one for one in (here, *here.parents) if os.path.exists(one / ".git")), None)
    place = Path(os.path.realpath(path))
    if root is None or path == "-" or not place.is_relative_to(root):
        return None
    return place.relative_to(root).as_posix()


def _summary(
    results: Sequence[FileResult], counts: Mapping[str, int], seconds: float
) -> dict[str, Any]:
    errors = sum(one.status == "error" for one in results)
    return {"files": len(results), **counts, "errors": errors, "seconds": round(seconds, 3)}


def _file_head(result: FileResult) -> dict[str, Any]:
    return {"path": result.path, "status": result.status, "message": result.message}


def _uri(path: str) -> str:
    place = Path(_from_root(path) or path)
    text = quote(os.fsencode(place.as_posix()))
    return f"file://{text}" if place.is_absolute() else text


def _escaped(text: str, also: str = "") -> str:
    for char in "%\r\n" + also:
        text = text.replace(char, f"%{ord(char):02X}")
    return text
