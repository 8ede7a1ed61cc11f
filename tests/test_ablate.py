"""The ablation of the recipe, really trained, for two steps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "scripts" / "ablate.py"


@pytest.mark.slow
def test_variants_are_trained_once_and_stand_in_one_table(tmp_path: Path) -> None:
    command = [
        sys.executable, str(SCRIPT), "--data", str(ROOT / "data/tiny"), "--out", str(tmp_path),
        "--jobs", "2",
        "--only", "recipe,without the text", "--seeds", "1", "--steps", "2", "--cases", "5",
        "--set", "micro_tokens=512", "--set", "evaluate_batches=1", "--set", "warmup=1",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    _, head, _, recipe, without = done.stdout.splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in (head, recipe)]
    assert cells[0][2] == "made bugs: repaired" and cells[1][0] == "recipe"
    assert all(cell.endswith("%") or float(cell) > 0 for cell in cells[1][2:] if cell != "no cases")
    name, _, repaired, *_, summaries, masked = (part.strip() for part in without.split("|")[1:-1])
    assert name == "without the text tasks" and " to " in repaired
    assert summaries == masked == ""
    made = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/judged.json")}
    again = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert again.stdout == done.stdout and not again.stderr and len(made) == 2
    assert all(path.stat().st_mtime_ns == at for path, at in made.items())
