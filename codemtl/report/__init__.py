"""All that codemtl says: wording, diffs, JSON, SARIF, annotations for GitHub, and exit codes.

Results go to standard output, complaints and progress to standard error. Exit codes: 0 nothing
found or all of it fixed, 1 findings or an unwritten patch remain, 2 wrong usage or input.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from codemtl.report.documents import (
    Model,
    generate_document,
    github_lines,
    github_note,
    patch_text,
    repair_document,
    sarif_document,
    search_verdict,
    span,
    summarize_document,
)
from codemtl.report.finetuning import finetuned
from codemtl.report.images import vision_measured, vision_predicted
from codemtl.report.output import (
    complain,
    count,
    finetune_stage,
    interruptible,
    percent,
    print_bytes,
    print_json,
    print_line,
    progress,
    project_progress,
    search_progress,
)
from codemtl.report.tables import compared, evaluated, planned
from codemtl.syntax.edits import apply, unified_diff
from codemtl.syntax.positions import Positions
from codemtl.syntax.results import FileResult, Generated, Patch, edits_of, has_fix

__all__ = [
    "Model", "compared", "complain", "evaluated", "exit_code", "file_diff",
    "finetune_stage", "finetuned", "generated", "informed", "interruptible", "mined", "planned",
    "progress", "project_progress", "repaired", "search_progress", "summarized", "trained",
    "vision_measured", "vision_predicted",
]  # fmt: skip

Mode = Literal["report", "diff", "write", "check"]
OK, FOUND, FAILED = 0, 1, 2


def repaired(
    results: Iterable[FileResult],
    model: Model,
    *,
    mode: Mode,
    style: str,
    stdin: bool = False,
    seconds: float = 0.0,
) -> int:
    """Print what ``repair`` found in each file as it comes; returns the exit code.

    ``style`` is text, json, sarif or github; ``stdin`` with mode ``write`` prints the new text;
    ``seconds`` were spent before.
    """
    start = time.monotonic() - seconds
    done: list[FileResult] = []
    for result in results:
        done.append(result)
        if style == "github":
            for line in github_lines(result):
                print_line(line)
        elif style == "text":
            _repaired_text(result, mode, stdin)
    seconds = time.monotonic() - start
    verdict = search_verdict(done)
    if verdict is not None and style == "github":
        print_line(github_note(verdict))
    elif style == "text" and mode != "check":
        _search_text(done, mode)
    if style == "json":
        print_json(repair_document(done, model, seconds))
    elif style == "sarif":
        print_json(sarif_document(done))
    elif style == "text" and mode in ("report", "write") and not (stdin and mode == "write"):
        print_line(_totals(done, seconds), "bold")
    return exit_code(done)


def summarized(
    results: Iterable[FileResult], model: Model, *, mode: Mode, style: str, stdin: bool = False
) -> int:
    """Print summaries, a diff, or what was written; returns the exit code."""
    start = time.monotonic()
    done: list[FileResult] = []
    for result in results:
        done.append(result)
        if style == "json":
            continue
        _complain_about(result)
        if mode == "diff":
            _print_diff(result)
        elif mode == "write" and stdin:
            _print_new_text(result)
        elif mode == "write":
            if result.written:
                new = sum(one.docstring is not None for one in result.summaries)
                print_line(f"{result.path}: {count(new, 'docstring')} written", "green")
        else:
            for one in result.summaries:
                print_line(f"{result.path}:{one.line} {one.function}", "bold")
                print_line(f"    {one.text or '(nothing to say)'}")
    if style == "json":
        print_json(summarize_document(done, model, time.monotonic() - start))
    if any(one.status == "error" for one in done):
        return FAILED
    return FOUND if any(one.patched is not None and not one.written for one in done) else OK


def generated(result: Generated, model: Model, *, style: str) -> int:
    """Print the candidates; exit code 1 if there is none that parses."""
    if style == "json":
        print_json(generate_document(result, model))
    for number, one in enumerate(result.candidates, 1):
        if style == "json":
            break
        if len(result.candidates) > 1:
            print_line(f"# candidate {number}", "bold")
        print_line(one.text)
    if not result.candidates:
        complain(_nothing(result))
    return OK if result.candidates else FOUND


def _nothing(result: Generated) -> str:
    if result.failed:
        return f"the tests accept none of {count(result.failed, 'candidate')}"
    if result.untested:
        left = count(result.untested, "candidate")
        return f"the time ended before {left} could be tested; see --time-budget"
    if result.dropped:
        asked = count(result.dropped, "candidate")
        return f"none of {asked} compiles where it goes; --candidates asks for more"
    return "the model had nothing to offer"


def informed(facts: Mapping[str, Any], *, style: str) -> int:
    """Print what ``info`` found: short facts in lines, the model card as it is."""
    if style == "json":
        print_json({"version": 1, **facts})
        return OK
    for key, value in facts.items():
        if key != "card":
            print_line(f"{key + ':':14} {value}")
    if facts.get("card"):
        print_line("\n" + str(facts["card"]).rstrip())
    return OK


def mined(facts: Mapping[str, Any], folder: Path, *, style: str) -> int:
    """Print the counts of a corpus that ``mine`` built; ``errors`` holds projects that failed."""
    errors = facts.get("errors", {})
    for project, message in errors.items():
        complain(f"{project}: {message}")
    if style == "json":
        print_json({"version": 1, **facts, "folder": str(folder)})
        return FAILED if errors else OK
    for key, value in facts.items():
        if key != "errors":
            print_line(f"{key.replace('_', ' ') + ':':20} {_counts(value)}")
    print_line(f"wrote {folder}", "green")
    return FAILED if errors else OK


def trained(metrics: Mapping[str, float], folder: Path, *, style: str) -> int:
    """Print the metrics of the checkpoint that ``train`` chose."""
    if style == "json":
        print_json({"version": 1, **metrics, "folder": str(folder)})
        return OK
    width = max([20, *(len(key) + 1 for key in metrics)])
    for key, value in metrics.items():
        print_line(f"{key + ':':{width}} {value:.4g}")
    print_line(f"wrote {folder}; use it by --model {folder}", "green")
    return OK


def _counts(value: object) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    return ", ".join(f"{name} {number}" for name, number in value.items()) or "none"


def exit_code(results: Sequence[FileResult]) -> int:
    """The exit code of the contract for repaired files."""
    if any(one.status == "error" for one in results):
        return FAILED
    if any(one.patch is not None and one.patch.status == "not-fixed" for one in results):
        return FOUND
    return FOUND if any(one.remaining for one in results) else OK


def file_diff(result: FileResult) -> bytes:
    """The patch of a file as a unified diff in the file's own encoding; empty without a patch."""
    if result.patched is None:
        return b""
    mark = "\ufeff" if result.bom else ""
    old, new = (mark + data.decode() for data in (result.data, result.patched))
    text = patch_text(result.path, old, new)
    body = text.find("\n@@ ") + 1  # before it stand the names of the file
    return os.fsencode(text[:body]) + text[body:].encode(result.encoding, "surrogateescape")


def _repaired_text(result: FileResult, mode: Mode, stdin: bool) -> None:
    if mode == "check":
        verdict = _verdict(result)
        print_line(f"{result.path}: {verdict}", "red" if verdict != "ok" else "")
        return
    if result.patch is not None and result.patch.status != "fixed":
        return  # `_search_text` says it
    _complain_about(result)
    if mode == "diff":
        _print_diff(result)
        return
    if mode == "write" and stdin:
        _print_new_text(result)
        return
    if result.patch is not None:
        _patch_text(result, result.patch)
        return
    positions = Positions(result.data)
    for one in result.findings:
        place = span(positions, one)
        where = f" in {one.function}" if one.function else ""
        fixed = "  [fixed]" if result.written and one not in result.unresolved else ""
        head = (
            f"{result.path}:{place.line}:{place.column + 1}: {one.kind} {percent(one.confidence)}"
        )
        print_line(f"{head}{where}{fixed}", "bold")
        print_line(f"    {one.message}")
        if has_fix(one):
            new = apply(result.data, edits_of(result.data, [one]))
            _print_change(result.data, new)
        print_line("")
    if result.written:
        print_line(f"wrote {result.path}", "green")


def _search_text(results: Sequence[FileResult], mode: Mode) -> None:
    """Why the search with tests has no patch: once, as it is the same for all files."""
    settled = {one.path: one.patch for one in results if one.patch and one.patch.status != "fixed"}
    if not settled:
        return
    path, patch = next(iter(settled.items()))
    named = path if len(settled) == 1 else count(len(settled), "file")
    if patch.status == "error":
        message = patch.message or ""
        complain(message if named in message else f"{named}: {message}")
    elif patch.status == "not-fixed" and mode == "diff":
        complain(f"not fixed: {patch.message}")
    elif patch.status == "not-fixed":
        print_line(f"{named}: not fixed: {patch.message} ({_tried(patch)})", "bold")
    elif mode == "diff":
        complain(f"{named}: {patch.message}")
    else:
        print_line(f"{named}: {patch.message}", "green")


def _tried(patch: Patch) -> str:
    return f"{count(patch.candidates_tried, 'candidate')} in {patch.seconds:.1f} s"


def _patch_text(result: FileResult, patch: Patch) -> None:
    """What the search found: the change, and which tests it turned."""
    positions = Positions(result.data)
    first = result.findings[0]
    place = span(positions, first)
    where = f" in {first.function}" if first.function else ""
    fixed = "  [fixed]" if result.written else ""
    head = f"{result.path}:{place.line}:{place.column + 1}: {first.kind}"
    print_line(f"{head}{where}{fixed}", "bold")
    print_line(f"    {patch.message} ({_tried(patch)})")
    versions = [one for one in (result.patched, *patch.alternatives) if one is not None]
    for number, new in enumerate(versions):
        if number:
            print_line(f"    another patch that the tests accept ({number}):")
        _print_change(result.data, new)
    print_line("")
    if result.written:
        print_line(f"wrote {result.path}", "green")


def _print_change(old: bytes, new: bytes) -> None:
    """The hunks of a diff, indented."""
    for line in unified_diff("", old.decode(), new.decode()).split("\n")[2:-1]:
        print_line("    " + line.rstrip("\r"), _diff_colour(line))


def _verdict(result: FileResult) -> str:
    if result.status != "ok":
        return f"{result.status}: {result.message}"
    if result.patch is not None and result.patch.status == "not-fixed":
        return "not fixed"
    if not result.findings:
        return f"ok, but {result.message}" if result.message else "ok"
    best = result.findings[0]
    line, _ = Positions(result.data).line_column(best.start)
    surest = f"{best.kind} in line {line}, {percent(best.confidence)}"
    return f"{count(len(result.findings), 'finding')}, the surest {surest}"


def _totals(results: Sequence[FileResult], seconds: float) -> str:
    found = sum(len(one.findings) for one in results)
    parts = [count(len(results), "file"), count(found, "finding")]
    fixed = found - sum(len(one.remaining) for one in results)
    if fixed:
        parts.append(f"{fixed} fixed")
    known = sum(one.hidden for one in results)
    if known:
        parts.append(f"{known} in the baseline")
    for status, noun in (("error", "error"), ("skipped", "skipped file")):
        number = sum(one.status == status for one in results)
        if number:
            parts.append(count(number, noun))
    return f"{', '.join(parts)} in {seconds:.1f} s"


def _complain_about(result: FileResult) -> None:
    if result.message:
        named = result.path in result.message
        complain(result.message if named else f"{result.path}: {result.message}")


def _print_diff(result: FileResult) -> None:
    print_bytes(file_diff(result))


def _print_new_text(result: FileResult) -> None:
    """The whole text, for a filter: also where nothing changed, but not what could not be read."""
    if result.data or result.status == "ok":
        mark = "\ufeff" if result.bom else ""
        text = mark + (result.data if result.patched is None else result.patched).decode()
        print_bytes(text.encode(result.encoding))


def _diff_colour(line: str) -> str:
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
