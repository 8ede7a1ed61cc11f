"""The comparison of image models: a run begins, is resumed, and is not repeated."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1] / "scripts"))

import bench_vision


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
