"""The arguments of ``codemtl compare``, which has many of them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer

from codemtl.cli_options import DataOption, FormatOption, OutFolder, SetOption
from codemtl.cli_train import data_folder

T = TypeVar("T", int, float)
_ARMS = "joint, random, learned, unrelated, transfer, single, single-compute (all)"


def compare(
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Training configuration of all runs.")
    ] = None,
    preset: Annotated[
        Literal["tiny", "small", "base"] | None, typer.Option(help="A configuration by name.")
    ] = None,
    data: DataOption = None,
    out: OutFolder = Path("codemtl-comparison"),
    max_steps: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Steps of the joint run.")
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="The same as a share of the configuration's steps."),
    ] = None,
    seeds: Annotated[str, typer.Option(metavar="N,...", help="Of all runs, in pairs.")] = "0,1,2",
    arms: Annotated[
        str | None, typer.Option(metavar="NAME,...", help=f"What to compare: {_ARMS}.")
    ] = None,
    weighting: Annotated[
        str, typer.Option(metavar="NAME", help="The method of the arm learned.")
    ] = "uncertainty",
    fractions: Annotated[
        str | None,
        typer.Option(metavar="P,...", help="Also with less training data, as 0.01,0.05,0.25,1."),
    ] = None,
    noise: Annotated[
        str | None, typer.Option(metavar="P,...", help="Also with wrong labels, as 0,0.1,0.3.")
    ] = None,
    cases: Annotated[
        int, typer.Option(metavar="N", min=1, help="Held-out examples of a task, at most.")
    ] = 500,
    split: Annotated[
        Literal["validation", "test"], typer.Option(help="Where they come from.")
    ] = "validation",
    jobs: Annotated[
        int, typer.Option(metavar="N", min=1, help="Runs made at once; they share the cores.")
    ] = 1,
    images: Annotated[
        Path | None,
        typer.Option(metavar="RUNS", help="Runs of the image baseline, to set beside."),
    ] = None,
    overrides: SetOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list the runs and what they cost.")
    ] = False,
    output: FormatOption = "text",
) -> int:
    """Compare multi-task with single-task training.

    By equal updates and by equal compute. May be stopped; the same command goes on.
    """
    from codemtl import report
    from codemtl.training.compare import Options, plan
    from codemtl.training.compare import compare as run
    from codemtl.training.compare.plan import ARMS

    options = Options(
        data=data_folder(data), out=out, config=config, preset=preset,
        overrides=tuple(overrides or ()), max_steps=max_steps, budget=budget,
        seeds=tuple(_numbers("--seeds", seeds, int)),
        arms=tuple(arm.strip() for arm in arms.split(",")) if arms else ARMS, weighting=weighting,
        fractions=tuple(_numbers("--fractions", fractions, float)),
        noise=tuple(_numbers("--noise", noise, float)), cases=cases, split=split, jobs=jobs,
        images=images,
    )  # fmt: skip
    if dry_run:
        return report.planned(plan(options), style=output)
    with report.interruptible("the same command goes on"):
        done = run(options, report.complain)
    return report.compared(done.document, done.files, style=output)


def _numbers(option: str, text: str | None, kind: Callable[[str], T]) -> Iterator[T]:
    """The numbers in a comma-separated list. Raises UsageError."""
    from codemtl.errors import UsageError

    for part in (text or "").split(",") if text else ():
        try:
            yield kind(part)
        except ValueError as error:
            raise UsageError(
                f"{option} {text}: {part!r} is no number; give them as 0,1,2"
            ) from error
