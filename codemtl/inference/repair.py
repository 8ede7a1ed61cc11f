"""Repair of one file: the model's findings and undefined names, ranked together and verified.

No finding is shown whose edit would not be sound, and the patch holds the best edits that do not
touch each other.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from codemtl.inference.baseline import Key, Known, known_in, take
from codemtl.inference.predictor import Predictor
from codemtl.inference.project import Projects, past
from codemtl.inference.scope_findings import scope_findings
from codemtl.inference.soundness import Soundness
from codemtl.inference.sources import (
    Target,
    apply_verified,
    each_file,
    named_spans,
    select_functions,
)
from codemtl.syntax.actions import UNDEFINED
from codemtl.syntax.definitions import Definition
from codemtl.syntax.edits import Edit
from codemtl.syntax.files import SourceFile
from codemtl.syntax.findings import KINDS, Finding, is_suppressed, suppressions
from codemtl.syntax.imports import Import
from codemtl.syntax.positions import Positions
from codemtl.syntax.results import FileResult, Status, edits_of, has_fix
from codemtl.syntax.scopes import analyze
from codemtl.syntax.tree import SourceTree, errors, parse
from codemtl.syntax.verify import parse_error


@dataclass(frozen=True, slots=True)
class RepairOptions:
    """Which findings to show."""

    min_confidence: float | None = None  # None: the predictor's threshold
    max_findings: int | None = None  # of the file, best first
    candidates: int = 1  # alternatives for one place
    kinds: frozenset[str] = frozenset(KINDS)
    baseline: Known = field(default_factory=dict)  # findings not to show


def repair_paths(
    targets: Iterable[Target | FileResult],
    predictor: Predictor,
    options: RepairOptions,
    *,
    write: bool = False,
    time_budget: float | None = None,
) -> Iterator[FileResult]:
    """Repair files one after the other; with ``write`` each patch goes to disk at once."""
    projects = Projects()

    def process(source: SourceFile, qualnames: Sequence[str]) -> FileResult:
        return repair_source(source, predictor, options, qualnames, projects)

    return each_file(targets, process, write=write, time_budget=time_budget)


def repair_source(
    source: SourceFile,
    predictor: Predictor,
    options: RepairOptions | None = None,
    qualnames: Sequence[str] = (),
    projects: Projects | None = None,
) -> FileResult:
    """Findings and patch of one file; nothing is written.

    ``projects`` remembers what the other files of its project hold, for calls one after another;
    those of its folder show how things are done there. Of a file in a git work tree it counts how
    old its lines are, and what its changes renamed.
    Raises SourceError if one of ``qualnames`` is not in the file.
    """
    options, projects = options or RepairOptions(), projects or Projects()
    tree = parse(source.data, projects.beside(source), past(source))
    trouble = syntax_trouble(tree)
    chosen = select_functions(tree, qualnames)
    sound = [function for function in chosen if not trouble.touches(function)]
    raw: list[Finding] = []
    if sound or not trouble.message:
        scopes = analyze(tree)
        said = [finding for found in predictor.repair(tree, sound, scopes) for finding in found]
        raw = [one for one in said if one.kind != UNDEFINED]
        if not trouble.message:  # a definition lost in it would make its uses look undefined
            project = projects.around(source)
            spans = named_spans(tree, qualnames)
            guesses = {
                one.start: (one.replacement, one.confidence)
                for one in said if one.kind == UNDEFINED
            }  # fmt: skip
            raw += [
                one for one in scope_findings(scopes, guesses, predictor.calibration, project)
                if _inside(one, spans)
            ]  # fmt: skip
    findings, hidden = _select(
        tree, raw, predictor, options, known_in(options.baseline, source.path)
    )
    together = _without_overlaps(filter(has_fix, findings))
    patched, applied = apply_verified(tree, edits_of(tree.data, together))
    added = edits_of(tree.data, [one for one in together if one.missing is not None])
    imported = all(edit in applied for edit in added)
    return FileResult(
        path=str(source.path),
        status=trouble.status,
        message=trouble.message and f"{trouble.message}, and undefined names were not looked for",
        data=source.data,
        encoding=source.encoding,
        bom=source.bom,
        findings=findings,
        hidden=hidden,
        unresolved=[one for one in findings if not _is_resolved(one, applied, imported)],
        applied=list(applied),
        patched=patched,
    )


class SyntaxTrouble(NamedTuple):
    """What is wrong with the syntax of a file, and where: line 0 if it is not known."""

    status: Status = "ok"
    message: str | None = None
    line: int = 0

    def touches(self, function: Definition) -> bool:
        """Whether a function cannot be trusted to have been read as it is meant."""
        if self.message is None:  # where lines end in carriage returns, nodes lack a hidden end
            return False
        node = function.node
        first, last = node.start_point.row + 1, node.end_point.row + 1
        return node.has_error or first <= self.line <= last + 1


def syntax_trouble(tree: SourceTree) -> SyntaxTrouble:
    """An error is what neither the grammar nor this Python reads, and wrong indentation.

    Where only one of them stumbles, it may be too old or the other one too lenient: that is said.
    """
    first, problem = next(errors(tree), None), parse_error(tree.data)
    if first is None and problem is None:
        return SyntaxTrouble()
    line = (problem.lineno if problem else None) or (first.start_point.row + 1 if first else 0)
    if first is not None or isinstance(problem, IndentationError):
        kind = "syntax" if first is not None else "indentation"
        return SyntaxTrouble(
            "ok" if problem is None else "error",
            f"{kind} error near line {line}; functions that hold one were left out", line,
        )  # fmt: skip
    assert problem is not None
    version = ".".join(platform.python_version_tuple()[:2])
    where = f"line {line}" if line else "the file"
    return SyntaxTrouble("ok", f"Python {version} does not read {where} ({problem.msg})")


def _inside(one: Finding, spans: Sequence[tuple[int, int]]) -> bool:
    return any(start <= one.start and one.end <= end for start, end in spans)


def _select(
    tree: SourceTree,
    raw: Iterable[Finding],
    predictor: Predictor,
    options: RepairOptions,
    known: Counter[Key],
) -> tuple[list[Finding], int]:
    """The findings to show, best first: sure enough, wanted, not suppressed, sound, and new.

    And how many are left out because they are ``known``.
    """
    threshold = options.min_confidence
    if threshold is None:
        threshold = predictor.calibration.threshold
    suppressed = suppressions(tree)
    positions = Positions(tree.data)
    is_sound = Soundness(tree)
    seen: set[Edit | Import] = set()
    kept: list[Finding] = []
    hidden: list[Finding] = []
    for one in sorted(raw, key=lambda one: (-one.confidence, one.start, one.end, one.replacement)):
        if options.max_findings is not None and len(kept) >= options.max_findings:
            break
        if one.confidence < threshold:
            break
        repair = one.missing or _edit(one)
        if (
            repair in seen  # a nested function is part of the outer one too
            or one.kind not in options.kinds
            or sum(_touch(one, _edit(better)) for better in kept) >= options.candidates
            or is_suppressed(one.kind, one.start, one.end, suppressed, positions)
            or any(_touch(one, _edit(old)) for old in hidden)
        ):
            continue
        if is_sound(one):
            found = one
        elif one.missing is not None:
            found = replace(one, missing=None)  # it is a finding, whatever repairs it
        else:
            continue
        seen.add(repair)
        (hidden if take(known, found) else kept).append(found)
    return kept, len(hidden)


def _is_resolved(finding: Finding, applied: Iterable[Edit], imported: bool) -> bool:
    """Whether a patch repairs a finding, or changes what stands there otherwise.

    ``imported``: all that was missing is imported by it.
    """
    if finding.missing is not None:
        return imported
    return any(_touch(finding, edit) for edit in applied)


def _edit(finding: Finding) -> Edit:
    return Edit(finding.start, finding.end, finding.replacement)


def _without_overlaps(findings: Iterable[Finding]) -> list[Finding]:
    kept: list[Finding] = []
    for one in findings:
        if not any(_touch(one, _edit(better)) for better in kept):
            kept.append(one)
    return kept


def _touch(finding: Finding, edit: Edit) -> bool:
    """Whether both change the same place; an insertion also clashes with what it adjoins."""
    if finding.start == finding.end or edit.start == edit.end:
        return finding.start <= edit.end and edit.start <= finding.end
    return finding.start < edit.end and edit.start < finding.end
