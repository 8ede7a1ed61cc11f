"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

TextOrJson = Literal["text", "json"]
Paths = Annotated[
    list[str], typer.Argument(metavar="PATH[::QUALNAME]", help="Files, folders, or - (stdin).")
]
ModelOption = Annotated[
    Path | None, typer.Option("--model", metavar="DIR", help="Model folder instead of the shipped.")
]
JobsOption = Annotated[
    int | None, typer.Option("--jobs", metavar="N", help="CPU threads that the model may use.")
]
StdinName = Annotated[
    str | None, typer.Option("--stdin-filename", metavar="NAME", help="What - is to be called.")
]
WriteFlag = Annotated[bool, typer.Option("--write", help="Change the files.")]
DiffFlag = Annotated[bool, typer.Option("--diff", help="Print only a diff, fit for git apply.")]
FormatOption = Annotated[TextOrJson, typer.Option("--format", help="Form of the output.")]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="What mine wrote, or a prepared dataset."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="One setting, such as weighting.name=uncertainty."
    ),
]
OutFolder = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write.")]


def no_effect(given: Mapping[str, object], why: str) -> None:
    """Say of each option that was given that it changes nothing."""
    from codemtl.report.output import complain

    for name, value in given.items():
        if value is not None and value is not False:
            complain(f"{name} has no effect {why}")


def reads_stdin(paths: Sequence[str], write: bool, output: str, stdin_filename: str | None) -> bool:
    """Whether one of the paths is ``-``. Raises UsageError for options that do not go with that."""
    from codemtl.errors import UsageError
    from codemtl.inference.sources import STDIN, split_argument

    stdin = any(split_argument(path)[0] == STDIN for path in paths)
    if not stdin:
        no_effect({"--stdin-filename": stdin_filename}, "without -, which it names")
    if stdin and write and len(paths) > 1:
        raise UsageError("- with --write prints the new text, so it cannot stand beside files")
    if stdin and write and output != "text":
        raise UsageError(f"- with --write prints the new text; drop --format {output}")
    return stdin


def places_of(paths: Sequence[str], stdin_filename: str | None) -> list[str]:
    """The paths by which to look for the configuration."""
    from codemtl.inference.sources import STDIN, split_argument

    named = [path for path in paths if split_argument(path)[0] != STDIN]
    return [*named, stdin_filename] if stdin_filename else named
