"""The arguments of ``codemtl evaluate``, which has more of them than any other command."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from codemtl.cli_options import FormatOption, ModelOption

NAMES = "NAME,..."


def evaluate(
    data: Annotated[
        Path | None, typer.Argument(metavar="DATA", help="A corpus of your own, all of it.")
    ] = None,
    suite: Annotated[str | None, typer.Option(metavar=NAMES, help="Only these suites.")] = None,
    task: Annotated[
        str | None, typer.Option(metavar=NAMES, help="Only repair, summarize or generate.")
    ] = None,
    corpus: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The text of the frozen lists.")
    ] = None,
    benchmarks: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Files of public benchmarks.")
    ] = None,
    repositories: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where the corpus was mined: other files of a project."),
    ] = None,
    split: Annotated[
        Literal["validation", "test"] | None,
        typer.Option(help="Which of the held-out projects (validation)."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="At most so many cases a suite.")
    ] = None,
    uniform: Annotated[
        bool, typer.Option("--uniform", help="Made bugs of any kind, also unlikely ones.")
    ] = False,
    one_edit: Annotated[
        bool, typer.Option("--one-edit", help="Of real bugs those that one edit repairs.")
    ] = False,
    same_time: Annotated[
        bool,
        typer.Option("--same-time", help="Clean functions as of the commits before the fixes."),
    ] = False,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of all randomness.")] = 0,
    jobs: Annotated[int, typer.Option(metavar="N", min=1, help="Processes.")] = 1,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write page, pictures and examples.")
    ] = None,
    output: FormatOption = "text",
    model: ModelOption = None,
) -> int:
    """Measure a model next to baselines.

    On frozen cases; without --corpus on the small sample of them that ships.
    """
    from codemtl import report
    from codemtl.configuration import load_settings
    from codemtl.errors import WriteError
    from codemtl.evaluation import pages
    from codemtl.evaluation.options import Options
    from codemtl.evaluation.run import run

    if out is not None:
        pages.check_extra()
        pages.check_writable(out)
    done = run(Options(
        suites=_split("--suite", suite), tasks=_split("--task", task), corpus=corpus, data=data,
        benchmarks=benchmarks, split=split, limit=limit, jobs=jobs, seed=seed, uniform=uniform,
        one_edit=one_edit, model=load_settings([], {"model": model}).model,
        repositories=repositories, same_time=same_time,
    ))  # fmt: skip
    try:
        files = pages.write_folder(done, out) if out is not None else []
    except WriteError:  # what was measured is told all the same
        report.evaluated(done.document(), [], style=output)
        raise
    return report.evaluated(done.document(), files, style=output)


def _split(option: str, text: str | None) -> tuple[str, ...]:
    """The names in a comma-separated list, none without one. UsageError for an empty list."""
    from codemtl.errors import UsageError

    names = tuple(part.strip() for part in (text or "").split(",") if part.strip())
    if text is not None and not names:
        raise UsageError(f"{option} must name something; leave it out to have all")
    return names
