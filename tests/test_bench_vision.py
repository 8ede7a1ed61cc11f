"""The comparison of image models: which runs it makes, and the table of their figures."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import bench_vision
import pytest


def test_only_a_run_that_began_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "reference-cls-det-0"
    calls: list[list[str]] = []

    def train(command: list[str], **_: Any) -> None:
        calls.append(command)
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        if len(calls) == 2:
            (folder / "metrics.json").write_text(json.dumps({"steps": 3}))
        else:
            raise KeyboardInterrupt

    monkeypatch.setattr(bench_vision.subprocess, "run", train)
    options = Namespace(out=tmp_path, set=["threads=1"])
    with pytest.raises(KeyboardInterrupt):
        bench_vision.run(options, "reference", "cls,det", 0)
    for _ in range(2):
        assert bench_vision.run(options, "reference", "cls,det", 0) == {"steps": 3}
    assert ["--resume" in one for one in calls] == [False, True]
    assert calls[0][-2:] == ["--set", "threads=1"]


def test_the_table_has_means_deviations_and_gains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
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
    bench_vision.main()
    said = capsys.readouterr().out
    assert "| reference | cls | 91.0% ± 1.4% | - | - | 3,000 | 10 | 60 | 110 |" in said
    assert "accuracy +3.0% ± 0.0%, AP +1.0% ± 4.2%, AP50 +0.0% ± 0.0%" in said
    assert "7,000 parameters instead of two of 6,000; " in said
    assert "110 processor seconds of training instead of 220" in said
