"""Arguments of ``codemtl mine`` and ``codemtl train``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from codemtl.cli_options import DataOption, FormatOption, OutFolder, SetOption

_DATA = "a corpus that `codemtl mine` wrote, or a prepared one, as data/tiny in the repository"


def mine(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Source trees.")],
    out: OutFolder,
    jobs: Annotated[int, typer.Option(metavar="N", min=1, help="Processes.")] = 2,
    any_licence: Annotated[
        bool, typer.Option("--any-licence", help="Take code without a permissive licence: yours.")
    ] = False,
    history: Annotated[
        bool, typer.Option(help="Search the commits of repositories for bug fixes.")
    ] = True,
    exclude_benchmarks: Annotated[
        list[Path] | None,
        typer.Option(
            "--exclude-benchmarks", metavar="DIR", help="Leave out every function of these."
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Mine on a Ray cluster: auto, local or host:port."),
    ] = None,
    output: FormatOption = "text",
) -> int:
    """Build a corpus for training.

    From source trees, installed packages and git repositories with their histories: functions,
    docstrings, lines to fill in, and real bug fixes. Call it again to go on after a stop.
    """
    from codemtl import report
    from codemtl.corpus.build import build

    with (
        report.interruptible("the same command goes on"),
        report.project_progress("mine") as progress,
    ):
        summary = build(
            paths, out, jobs=jobs, progress=progress, any_licence=any_licence, history=history,
            exclude_benchmarks=exclude_benchmarks or (), ray=ray,
        )  # fmt: skip
    return report.mined(vars(summary), out, style=output)


def train(
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Training configuration.")
    ] = None,
    preset: Annotated[
        Literal["tiny", "small", "base"] | None, typer.Option(help="A configuration by name.")
    ] = None,
    data: DataOption = None,
    out: OutFolder = Path("codemtl-model"),
    init: Annotated[
        Path | None,
        typer.Option("--init", metavar="DIR", help="Begin with the weights of this model folder."),
    ] = None,
    max_steps: Annotated[int | None, typer.Option(metavar="N", min=1, help="Stop here.")] = None,
    time_budget: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="Stop after 90, 90s, 15m, 2h, the schedule with it; not exact to the bit.",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Seed of all randomness.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint in --out.")
    ] = False,
    overrides: SetOption = None,
    output: FormatOption = "text",
) -> int:
    """Train a model on a corpus, all tasks together.

    The folder it writes is what --model takes; report.html in it shows the run. Under
    `accelerate launch` or torchrun, several processes train together.
    """
    from codemtl import report
    from codemtl.configuration import time_budget_seconds
    from codemtl.errors import UsageError

    data = data_folder(data)
    seconds = time_budget_seconds(time_budget)
    own = {"steps": ("--max-steps", max_steps), "seconds": ("--time-budget", seconds),
           "seed": ("--seed", seed)}  # fmt: skip
    for key in (override.partition("=")[0].strip() for override in overrides or []):
        if key in own and own[key][1] is not None:
            raise UsageError(f"--set {key} has no effect with {own[key][0]}; leave it out")
    from codemtl.training.processes import join
    from codemtl.training.run import train as run

    with report.interruptible("the same command with --resume goes on", out / "checkpoints"):
        metrics = run(
            preset=preset, config=config, data=data, out=out, max_steps=max_steps,
            time_budget=seconds, seed=seed, resume=resume, overrides=overrides or [], init=init,
        )  # fmt: skip
    return report.trained(metrics, out, style=output) if join().is_main_process else report.OK


def data_folder(data: Path | None) -> Path:
    """What ``--data`` names. Raises UsageError if it is missing, DataError if it is no folder."""
    from codemtl.errors import DataError, UsageError

    if data is None:
        raise UsageError(f"--data DIR is missing: {_DATA}")
    if not data.is_dir():
        raise DataError(f"--data {data} is not a folder; name {_DATA}")
    return data
