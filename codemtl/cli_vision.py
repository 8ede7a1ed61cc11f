"""The arguments of ``codemtl vision``, nothing else; ``cli`` registers it.

It stands apart because the image baseline is independent of all other commands.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

_TRAINABLE = ("document", "reference")
_DEFAULT_OUT = Path("codemtl-vision")


def vision(
    action: Annotated[Literal["train", "evaluate", "predict"], typer.Argument(help="What to do.")],
    images: Annotated[
        list[Path] | None, typer.Argument(metavar="[IMAGE]...", help="Pictures to predict.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="document|reference|DIR",
            help="What to train (reference), or the trained folder to use.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Not predict: images/ and annotations.json (COCO); else made scenes.",
        ),
    ] = None,
    tasks: Annotated[
        str | None, typer.Option(metavar="TASK,...", help="Train: cls, det or cls,det (both).")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Train: the seed.")] = None,
    time_budget: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Train: at most 90, 90s, 15m, 2h.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Train: folder to write (codemtl-vision); predict: where drawings go (here).",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Train: go on from the last checkpoint in --out.")
    ] = False,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change one setting; evaluate has split, predict threshold and threads.",
        ),
    ] = None,
    output: Annotated[
        Literal["text", "json"], typer.Option("--format", help="Form of the output.")
    ] = "text",
) -> int:
    """Image baseline: classify and detect with one network.

    The method's worked example, beside a sound model of its kind.
    """
    from codemtl.errors import MissingExtraError

    settings = overrides or []
    training = {
        "--tasks": tasks, "--seed": seed, "--time-budget": time_budget, "--resume": resume or None,
    }  # fmt: skip
    try:
        if action == "train":
            _refuse(action, {"an IMAGE": images or None})
            return _train(model, data, out, tasks, seed, time_budget, resume, settings, output)
        if action == "evaluate":
            _refuse(action, {"an IMAGE": images or None, "--out": out, **training})
            return _evaluate(_folder(model), data, settings, output)
        _refuse(action, {"--data": data, **training})
        return _predict(images or [], _folder(model), out or Path(), settings, output)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "codemtl"):
            raise
        raise MissingExtraError(package, "vision") from error


def _train(
    model: str | None, data: Path | None, out: Path | None, tasks: str | None, seed: int | None,
    time_budget: str | None, resume: bool, settings: list[str], output: str,
) -> int:  # fmt: skip
    from codemtl import report
    from codemtl.configuration import time_budget_seconds
    from codemtl.errors import UsageError
    from codemtl.vision.train import train

    chosen = model or "reference"
    if chosen not in _TRAINABLE:
        raise UsageError(f"--model {chosen}: train makes {' or '.join(_TRAINABLE)}; to go on with "
                         "a run, name its folder by --out and add --resume")  # fmt: skip
    folder = out or _DEFAULT_OUT
    with report.interruptible("the same command with --resume goes on", folder / "checkpoints"):
        metrics = train(
            model=chosen, data=data, out=folder, tasks=tasks, seed=seed,
            time_budget=time_budget_seconds(time_budget), resume=resume, settings=settings,
        )  # fmt: skip
    return report.vision_measured(metrics, folder, style=output)


def _evaluate(model: Path, data: Path | None, settings: list[str], output: str) -> int:
    from codemtl import report
    from codemtl.vision.evaluate import evaluate

    return report.vision_measured(evaluate(model, data, settings), None, style=output)


def _predict(images: list[Path], model: Path, out: Path, settings: list[str], output: str) -> int:
    from codemtl import report
    from codemtl.vision.predict import predict

    results = report.progress(predict(images, model, out, settings), len(images), "predict")
    return report.vision_predicted((one.to_dict() for one in results), str(model), style=output)


def _folder(model: str | None) -> Path:
    """The trained folder to use. Raises UsageError."""
    from codemtl.errors import UsageError

    if model is None and _DEFAULT_OUT.is_dir():
        return _DEFAULT_OUT
    if model is None or (model in _TRAINABLE and not Path(model).is_dir()):
        raise UsageError(
            "--model must name a trained folder; make one: codemtl vision train --out DIR"
        )
    return Path(model)


def _refuse(action: str, given: Mapping[str, object]) -> None:
    from codemtl.errors import UsageError

    for name, value in given.items():
        if value is not None:
            raise UsageError(f"{name} does not go with `codemtl vision {action}`; leave it out")
