"""Multi-task against single-task training, by one protocol; see `plan` for what is compared.

    comparison = compare(Options(data=Path("corpus"), out=Path("comparison")))

Each run lies in a folder of its own below ``out`` and is made once, so the same call goes on where
it was stopped, adds arms, seeds and series, and otherwise only writes the report anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from codemtl.errors import DataError, UsageError
from codemtl.model.atomic import write_atomic
from codemtl.training.compare.images import image_gains
from codemtl.training.compare.plan import Options, Plan, make_plan
from codemtl.training.compare.preview import preview
from codemtl.training.compare.runs import Launch, make_runs, start_process

__all__ = ["Comparison", "Options", "compare", "plan"]


class Comparison(NamedTuple):
    """What came out: the document of comparison.json, and the files that were written."""

    document: dict[str, Any]
    files: list[Path]


def plan(options: Options) -> dict[str, Any]:
    """What `compare` would do, without doing it. Raises UsageError."""
    return preview(make_plan(options), options.out, options.jobs)


def compare(
    options: Options,
    say: Callable[[str], None] = lambda text: None,
    launch: Launch = start_process,
) -> Comparison:
    """Make the runs that are missing, and the report.

    Args:
        options: what to compare.
        say: told of each run that begins.
        launch: makes the run of a folder.

    Raises UsageError, DataError, and CodemtlError if a run fails.
    """
    from codemtl.training.compare.page import render  # matplotlib: not for a plan
    from codemtl.training.compare.results import results
    from codemtl.training.compare.tables import tables
    from codemtl.training.run import prepared

    made = make_plan(options)
    images = None if options.images is None else image_gains(options.images)
    data = prepared(options.data, made.base)
    _check_cases(made, data, options.split)
    found = make_runs(
        made, data, options.out, cases=options.cases, split=options.split, jobs=options.jobs,
        launch=launch, say=say,
    )  # fmt: skip
    document = {
        **results(made, options, found), "images": images, "settings": made.base.to_dict(),
    }  # fmt: skip
    document["tables"] = tables(document)
    return Comparison(document, _write(document, options.out, render(document)))


def _check_cases(plan: Plan, data: Path, split: str) -> None:
    """Before hours of training: is there a case for each task? Raises UsageError."""
    from codemtl.training.compare.held_out import HeldOut

    try:
        held_out = HeldOut.of(
            data, split, plan.base.validation_fraction, siblings=plan.base.model.siblings
        )
    except DataError as error:
        raise UsageError(f"--split {split}: {error}") from error
    for task in plan.tasks:
        if next(held_out.cases(task, 1), None) is None:
            raise UsageError(
                f"--split {split}: {data} holds no example of {task} to judge by; name more data "
                f"with --data, another --split, or leave the task out: --set tasks.{task}.share=0"
            )


def _write(document: dict[str, Any], out: Path, page: str) -> list[Path]:
    from codemtl.training.compare.figures import gains
    from codemtl.training.report.figures import png

    files = [out / name for name in ("comparison.json", "comparison.html", "comparison.png")]
    write_atomic(files[0], (json.dumps(document, indent=2) + "\n").encode())
    write_atomic(files[1], page.encode())
    write_atomic(files[2], png(gains(document)))
    return files
