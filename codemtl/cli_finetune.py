"""The arguments of ``codemtl finetune``."""

from pathlib import Path
from typing import Annotated

import typer

from codemtl.cli_options import FormatOption, ModelOption, OutFolder


def finetune(
    repositories: Annotated[
        list[Path], typer.Argument(metavar="REPO", help="Repositories, or folders of code.")
    ],
    out: OutFolder = Path("codemtl-finetuned"),
    time_budget: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="For everything, minutes at least: 2h (15m)."),
    ] = None,
    output: FormatOption = "text",
    model: ModelOption = None,
) -> int:
    """Teach a model your own code, and see what that is worth.

    Trains on a repository's history up to a commit, and compares the model before and after on
    what later commits wrote. Call it again with the same --out to go on after a stop.
    """
    from codemtl import report
    from codemtl.configuration import load_settings, time_budget_seconds
    from codemtl.finetune.run import finetune as run

    settings = load_settings([str(path) for path in repositories], {"model": model})
    seconds = time_budget_seconds(time_budget)
    with report.interruptible(f"call it again with --out {out} to go on"):
        document = run(repositories, settings.model, out, seconds, report.finetune_stage)
    return report.finetuned(document, style=output)
