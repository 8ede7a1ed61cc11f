"""Options that several commands share."""

from __future__ import annotations

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
