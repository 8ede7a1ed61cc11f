"""A training run as one page: report.html needs no network and no other file.

Written by each run at its end, when it is interrupted, and now and then in between, from the log
and the metrics that the run has written by then.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from codemtl.model.atomic import write_atomic
from codemtl.training.report.history import History
from codemtl.training.report.page import render
from codemtl.training.report.summary import Summary

METRICS, LOG, REPORT = "metrics.json", "log.jsonl", "report.html"


def write_report(out: Path, summary: Summary) -> Path:
    """Write ``out/report.html``; parts for which there is no data yet are left out."""
    chosen: dict[str, Any] | None = None
    if (out / METRICS).is_file():
        chosen = json.loads((out / METRICS).read_text("utf-8"))
    page = render(summary, History.read(out / LOG), chosen)
    write_atomic(out / REPORT, page.encode())
    return out / REPORT
