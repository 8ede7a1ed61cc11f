"""What a run writes down on the way: a log of rows, and the figures of the chosen checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from codemtl.model.atomic import write_atomic


def add_row(path: Path, step: int, row: dict[str, float]) -> None:
    """Append a row to the log, rounded."""
    rounded = {key: round(value, 5) for key, value in row.items()}
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps({"step": step, **rounded}) + "\n")


def rewind_log(path: Path, step: int) -> None:
    """Bring the log back to the step that a run goes on from; 0: it begins anew."""
    if path.exists():
        rows = [_parsed(line) for line in path.read_text("utf-8").splitlines()]
        kept = [row for row in rows if step and row is not None and row["step"] <= step]
        write_atomic(path, "".join(json.dumps(row) + "\n" for row in kept).encode())


def read_json(path: Path) -> dict[str, Any] | None:
    """None if the file is not there, or was cut off in the middle of a write."""
    return _parsed(path.read_text("utf-8")) if path.exists() else None


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        value: dict[str, Any] = json.loads(text)
    except ValueError:
        return None
    return value
