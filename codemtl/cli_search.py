"""What ``--test CMD`` adds to ``repair`` and ``generate``: tests judge, inside a sandbox."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from codemtl.configuration import Settings
    from codemtl.inference import Predictor
    from codemtl.inference.sources import Target
    from codemtl.report import Mode
    from codemtl.syntax.results import FileResult, Generated

JUDGED = 24  # texts that are generated where tests choose among them
UNPROTECTED_VARIABLE = "CODEMTL_UNPROTECTED_TESTS"
TestOption = Annotated[
    str | None,
    typer.Option(
        "--test", metavar="CMD", help="Search for what makes CMD succeed, such as 'pytest -q'."
    ),
]


def repair_by_tests(
    targets: Sequence[Target | FileResult],
    load: Callable[[], Predictor],
    settings: Settings,
    command: str,
    *,
    mode: Mode,
    output: str,
) -> int:
    """Repair by search; returns the exit code."""
    from codemtl import report
    from codemtl.search.repair import SECONDS, SearchOptions, repair_with_tests
    from codemtl.syntax.findings import KINDS

    loaded = cache(load)
    options = SearchOptions(
        command,
        seconds=settings.time_budget or SECONDS,
        candidates=settings.candidates,
        jobs=settings.jobs or os.cpu_count() or 1,
        kinds=None if settings.kinds == frozenset(KINDS) else settings.kinds,
    )
    with report.search_progress("search", options.seconds) as progress:
        results = repair_with_tests(
            targets, loaded, options,
            write=mode == "write", accept=accept, progress=progress,
        )  # fmt: skip
    searched = any(one.patch is not None and one.patch.candidates_tried for one in results)
    about = report.Model(loaded().name, loaded().revision) if searched else report.Model("", "")
    seconds = max((one.patch.seconds for one in results if one.patch is not None), default=0.0)
    return report.repaired(results, about, mode=mode, style=output, seconds=seconds)


def judged(result: Generated, command: str, settings: Settings) -> Generated:
    """Of generated candidates those that the tests accept."""
    from codemtl.search.generate import accepted

    return accepted(
        result,
        command,
        candidates=settings.candidates,
        seconds=settings.time_budget,
        jobs=settings.jobs or os.cpu_count() or 1,
        accept=accept,
    )


def accept(warning: str) -> None:
    """Go on only if the tests run protected, or the user takes the risk. Raises UsageError."""
    from codemtl import report
    from codemtl.errors import UsageError

    if not warning:
        return
    report.complain(warning)
    if os.environ.get(UNPROTECTED_VARIABLE):
        return
    if sys.stdin.isatty() and sys.stderr.isatty():
        if typer.confirm("Run the candidates all the same?", err=True):
            return
        raise UsageError("nothing was run")
    raise UsageError(
        f"nothing was run: install bubblewrap, or set {UNPROTECTED_VARIABLE}=1 to run candidates"
        " with no more protection than this"
    )
