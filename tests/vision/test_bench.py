"""The table of the image baseline is computed from the runs' own figures."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPTS = Path(__file__).parent.parent.parent / "scripts"


@pytest.fixture
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_vision", SCRIPTS / "bench_vision.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_has_means_deviations_and_gains(
    bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    figures = {
        "cls": [{"accuracy": 0.90}, {"accuracy": 0.92}],
        "det": [{"ap": 0.70, "ap50": 0.9}, {"ap": 0.72, "ap50": 0.9}],
        "cls,det": [{"accuracy": 0.93, "ap": 0.74, "ap50": 0.9},
                    {"accuracy": 0.95, "ap": 0.70, "ap50": 0.9}],
    }  # fmt: skip
    for tasks, rows in figures.items():
        for seed, row in enumerate(rows):
            folder = tmp_path / f"reference-{tasks.replace(',', '-')}-{seed}"
            folder.mkdir()
            document = {
                "test": {"images": 2000, **row}, "parameters": 1000 * len(tasks), "steps": 10,
                "seconds": 60.0, "processor_seconds": 110.0, "threads": 2, "precision": "no",
            }  # fmt: skip
            (folder / "metrics.json").write_text(json.dumps(document))
    arguments = ["bench_vision.py", "--out", str(tmp_path), "--models", "reference",
                 "--seeds", "0,1"]  # fmt: skip
    monkeypatch.setattr(sys, "argv", arguments)
    bench.main()
    said = capsys.readouterr().out
    assert "| reference | cls | 91.0% ± 1.4% | - | - | 3,000 | 10 | 60 | 110 |" in said
    assert "accuracy +3.0% ± 0.0%, AP +1.0% ± 4.2%, AP50 +0.0% ± 0.0%" in said
    assert "7,000 parameters instead of two of 6,000; " in said
    assert "110 processor seconds of training instead of 220" in said
