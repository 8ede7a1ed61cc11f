"""``repair --test CMD`` from targets to results: run the tests, search, rank, confirm, explain.

The user's files are only read here; what is written is written by `SourceFile.write` at the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from codemtl.errors import CodemtlError, EditError
from codemtl.inference.predictor import Predictor
from codemtl.inference.sources import Target, named, read_target, select_functions
from codemtl.search.failures import source_of_tests
from codemtl.search.localization import Suspicion
from codemtl.search.naturalness import naturalness
from codemtl.search.outcomes import WHOLE_COMMAND, Baseline, TestOutcome
from codemtl.search.patches import Passing, best_first
from codemtl.search.pool import Validator
from codemtl.search.search import Outcome, first_candidates, search
from codemtl.search.singles import SearchFile
from codemtl.search.undone import ADDED, RULE
from codemtl.syntax.edits import Edit
from codemtl.syntax.files import SourceFile
from codemtl.syntax.findings import Finding
from codemtl.syntax.positions import Positions
from codemtl.syntax.results import FileResult, Patch

SECONDS = 60.0  # of search, unless the user says otherwise
PASSING = "the tests pass as it is; nothing was changed"
VALIDATED = 0.85  # of patches that pass half of a task's assertions, 17 of 20 pass the other half
SHOWN_TESTS = 5  # names in a message
SHOWN_EDITS = 3
SHORT = 40  # characters of a change in one
BACK = "the change since the last commit taken back"


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How to search. ``seconds`` count from the end of the first run of the tests."""

    command: str
    seconds: float = SECONDS
    candidates: int = 1  # passing patches to show
    jobs: int = 2  # candidates judged at once
    kinds: frozenset[str] | None = None  # of edits; None: all


def repair_with_tests(
    targets: Iterable[Target | FileResult],
    load: Callable[[], Predictor],
    options: SearchOptions,
    *,
    write: bool = False,
    accept: Callable[[str], None] = lambda protection: None,
    progress: Callable[[int], None] | None = None,
) -> list[FileResult]:
    """Search all targets together for one patch after which the tests pass.

    What the failing tests say is right: their own files are searched only where no others are.

    ``load`` gives the model; it is called only if there is something to search. ``accept`` is told
    what is not protected before anything runs; it raises to stop. Raises UsageError as the
    validator does.
    """
    read = [_read(target) for target in targets]
    results = [result for result, _ in read]
    files = {file.path: file for _, file in read if file is not None}
    by_path = {file.path: result for result, file in read if file is not None}
    if not files:
        return results
    started = time.monotonic()
    with Validator(
        options.command, list(files), jobs=options.jobs, budget=options.seconds
    ) as validator:
        accept("" if validator.protection.strong else validator.protection.text)
        baseline = validator.baseline()
        if baseline.status != "failing":
            seconds = time.monotonic() - started
            if baseline.status == "passing":
                _settle(by_path, Patch("already-passing", PASSING, 0, seconds))
            else:
                _settle(by_path, Patch("error", baseline.message, 0, seconds))
            return results
        files = _searched(files, baseline)
        beyond = _beyond(files, baseline)
        if beyond and not first_candidates(list(files.values()), baseline):
            _settle(by_path, Patch("not-fixed", beyond, 0, time.monotonic() - started))
            return results
        predictor = load()
        outcome = search(
            list(files.values()), baseline, validator, predictor,
            seconds=options.seconds, kinds=options.kinds, progress=progress,
        )  # fmt: skip
        trees = {path: file.tree for path, file in files.items()}
        natural = naturalness(outcome.passing, trees, predictor)
        ranked = best_first(outcome.passing, source_of_tests(baseline), natural)
        chosen, doubt = _confirmed(ranked, validator, files, options.candidates)
    seconds = time.monotonic() - started
    if not chosen:
        message = beyond or _failure(outcome, baseline, doubt, files)
        _settle(by_path, Patch("not-fixed", message, outcome.tried, seconds))
    else:
        best, *others = chosen
        _show(by_path[best.path], [best, *others], baseline, outcome.tried, seconds)
        for one in best.beside:
            _show(by_path[one.path], [one], baseline, outcome.tried, seconds)
        for one in (best, *best.beside) if write else ():
            _write(by_path[one.path], files[one.path].source)
    return results


def _read(target: Target | FileResult) -> tuple[FileResult, SearchFile | None]:
    if isinstance(target, FileResult):
        return target, None
    result = FileResult(target.path)
    try:
        source = read_target(target)
        file = SearchFile.of(
            source,
            lambda tree: select_functions(tree, target.qualnames),
            outside=not target.qualnames,
        )
    except CodemtlError as error:
        result.status, result.message = "error", named(target.path, str(error))
        return result, None
    result.data, result.encoding, result.bom = source.data, source.encoding, source.bom
    return result, file


def _settle(results: dict[Path, FileResult], patch: Patch) -> None:
    """The same verdict for every file."""
    for result in results.values():
        result.patch = patch
        if patch.status == "error":
            result.status, result.message = "error", patch.message


def _confirmed(
    ranked: list[Passing], validator: Validator, files: dict[Path, SearchFile], count: int
) -> tuple[list[Passing], str]:
    """The best patches, of which the first also passes the whole command in a fresh process.

    Also what that said of the last one that did not.
    """
    doubt = ""
    for at, best in enumerate(ranked):
        try:
            (path, raw), *beside = (
                (one.path, files[one.path].source.encode(one.patched))
                for one in (best, *best.beside)
            )
        except EditError:
            continue
        verdict = validator.confirm(path, raw, *beside)
        if verdict.status == "passed":
            alike = [one for one in ranked[at + 1 :] if one.path == path and not one.beside]
            return [best, *(() if best.beside else alike)][:count], ""
        doubt = verdict.message or verdict.status
    return [], doubt


def _searched(files: dict[Path, SearchFile], baseline: Baseline) -> dict[Path, SearchFile]:
    """The files but for those of the failing tests, unless there are no others."""
    tests = {Path(test.id.partition("::")[0]).resolve() for test in baseline.failing}
    return {path: file for path, file in files.items() if path not in tests} or files


def _beyond(files: dict[Path, SearchFile], baseline: Baseline) -> str:
    """Why no function of these files can be the cause; empty if one can."""
    for path, file in files.items():
        suspicion = Suspicion(file.tree, path, baseline)
        if any(suspicion.covers(one.node) and not one.node.has_error for one in file.functions):
            return ""
    for test in baseline.failing:
        for path, line in reversed(test.trace):
            if path in files:
                return (
                    f"line {line}, where {_named([test])} stops, belongs to no function that can"
                    f" be searched: {test.message}; mend it by hand"
                )
    tests = _named(baseline.failing)
    return (
        f"no function of these files runs in what fails ({tests}); name the file that holds the bug"
    )


def _failure(
    outcome: Outcome, baseline: Baseline, doubt: str, files: Mapping[Path, SearchFile]
) -> str:
    tests = _named(baseline.failing)
    if doubt:
        return (
            f"{len(outcome.passing)} of {outcome.tried} candidates make {tests} pass, but not a"
            f" fresh run of the whole command: {doubt}"
        )
    said = f"none of {outcome.tried} candidates makes {tests} pass; "
    said += (
        "none is left to try" if outcome.exhausted
        else "with more time (--time-budget) others would be tried"
    )  # fmt: skip
    return said + _nearest(outcome, files, len(baseline.failing))


def _nearest(outcome: Outcome, files: Mapping[Path, SearchFile], failing: int) -> str:
    """Which candidate mends some of the tests: half of a repair, where there are two bugs."""
    if outcome.nearest is None:
        return ""
    path, candidate, _ = outcome.nearest
    source, back = files[path].source, candidate.rule in (RULE, ADDED)
    positions = Positions(source.data)
    changes = [
        f"{BACK if back else _change(source.data, edit)} in line"
        f" {positions.line_column(edit.start)[0]}"
        for edit in candidate.edits
    ]
    more = f" and {len(changes) - SHOWN_EDITS} more" if len(changes) > SHOWN_EDITS else ""
    said = f"; {' and '.join(changes[:SHOWN_EDITS])}{more} of {source.path}"
    verb = "mends" if len(changes) == 1 else "mend"
    if outcome.mended == failing:
        return f"{said} {verb} them, but then others fail"
    return f"{said} {verb} {outcome.mended} of {failing}"


def _change(data: bytes, edit: Edit) -> str:
    old = _short(data[edit.start : edit.end].decode("utf-8", "replace"))
    new = _short(edit.replacement)
    if old == new:
        return "other indentation"
    return f"{old} to {new}" if edit.start < edit.end else new


def _short(text: str) -> str:
    text = " ".join(text.split())
    return repr(text if len(text) <= SHORT else text[: SHORT - 1] + "…")


def _named(tests: Sequence[TestOutcome]) -> str:
    names = [test.id for test in tests]
    if names == [WHOLE_COMMAND]:
        return "the command"
    more = f" and {len(names) - SHOWN_TESTS} more" if len(names) > SHOWN_TESTS else ""
    return ", ".join(names[:SHOWN_TESTS]) + more


def _show(
    result: FileResult, chosen: Sequence[Passing], baseline: Baseline, tried: int, seconds: float
) -> None:
    best = chosen[0]
    result.patched = best.patched
    tests = _named(baseline.failing)
    verb = "succeeds" if tests == "the command" else "pass" if "," in tests else "passes"
    result.patch = Patch(
        "fixed", f"{tests} now {verb}", tried, seconds,
        alternatives=[one.patched for one in chosen[1:]],
    )  # fmt: skip
    positions = Positions(best.data)
    back = best.candidate.rule in (RULE, ADDED)
    change = BACK if back else "this change"
    for edit in best.candidate.edits:
        original = best.data[edit.start : edit.end].decode("utf-8", "replace")
        line, _ = positions.line_column(edit.start)
        result.findings.append(
            Finding(
                function=best.candidate.function,
                kind=best.candidate.kind,
                start=edit.start,
                end=edit.end,
                original=original,
                replacement=edit.replacement,
                confidence=VALIDATED,
                message=f"with {change} of line {line}, {tests} {verb}",
                validated=True,
            )
        )


def _write(result: FileResult, source: SourceFile) -> None:
    assert result.patched is not None
    try:
        source.write(result.patched)
        result.written = True
    except CodemtlError as error:
        result.status, result.message = "error", str(error)
