"""The report: one file that stands alone, says what the log says, and bears a log in pieces."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from codemtl.training.config import load_config
from codemtl.training.report import write_report
from codemtl.training.report.history import History, Series
from codemtl.training.report.summary import Summary, TaskData

TASKS = ("repair", "summarize")


@pytest.fixture
def summary() -> Summary:
    config = load_config(preset="tiny", overrides=["tasks.generate.share=0"]).to_dict()
    data = {
        "repair": TaskData(1234, 0.75, 2048, {"dense": 0.6, "single": 0.4}),
        "summarize": TaskData(99, 0.25, 512, {}),
    }
    machine = {"torch": "2", "device": "<cpu>"}
    return Summary(
        config, 40, True, {"train": 5000}, data, {"encoder": 900, "repair": 100}, machine
    )


def rows() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for step in (10, 20, 30, 40):
        for task in TASKS:
            found.append({
                "step": step, f"{task}/loss": 9 - step / 10, f"{task}/weight": 1.0,
                f"{task}/share": 0.5, f"{task}/epoch": step / 20,
            })  # fmt: skip
        found.append({"step": step, "cosine/repair/summarize": -0.25, "repair/gradient_norm": 2.0})
        found.append({
            "step": step, "tokens_per_second": 1000.0, "padding": 0.1, "memory": 512.0,
            "gradient_norm": 3.0,
        })  # fmt: skip
    for task in TASKS:
        for other in TASKS:
            found.append({"step": 40, f"affinity/{task}/{other}": 0.01})
    found.append({"step": 40, "validation/repair/joint_accuracy": 0.5})
    return found


class Checked(HTMLParser):
    """Tags must close, and nothing may be fetched from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br", "link"):
            self.open.append(tag)
        for name, value in attrs:
            assert name not in ("src", "srcset") and tag not in ("script", "link", "iframe")
            if name.endswith("href"):
                assert value is not None and value.startswith("#")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)


def assert_stands_alone(page: str) -> None:
    parser = Checked()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    assert "url(http" not in page and "@import" not in page


def write(out: Path, found: list[dict[str, Any]], chosen: dict[str, Any] | None) -> None:
    (out / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found))
    if chosen is not None:
        (out / "metrics.json").write_text(json.dumps(chosen))


def test_the_page_shows_what_the_log_and_the_metrics_say(tmp_path: Path, summary: Summary) -> None:
    metrics = {"step": 20, "score": 0.4321, "validation": {"repair/joint_accuracy": 0.5432}}
    write(tmp_path, rows(), metrics)
    page = write_report(tmp_path, summary).read_text()
    assert_stands_alone(page)
    assert page.count("<svg") == 11
    for text in ("0.4321", "0.5432", "step 40 of 40", "finished", "1,234", "75.0%", "dense 0.6",
                 "2.00", "-0.25", "static", "learning_rate", "&lt;cpu&gt;", "1,000"):  # fmt: skip
        assert text in page, text
    assert write_report(tmp_path, summary).read_text() == page


def test_a_run_that_was_just_begun_has_a_page_too(tmp_path: Path, summary: Summary) -> None:
    page = write_report(tmp_path, summary).read_text()
    assert_stands_alone(page)
    assert "<svg" not in page and "Configuration" in page
    (tmp_path / "log.jsonl").write_text('{"step": 1, "repair/loss": 2.0}\n{"step": 2, "rep')
    page = write_report(tmp_path, summary).read_text()
    assert_stands_alone(page)
    assert page.count("<svg") == 1


def test_smoothing_keeps_a_constant_and_follows_a_fall() -> None:
    assert Series([1, 2, 3], [2.0, 2.0, 2.0]).smoothed() == pytest.approx([2.0, 2.0, 2.0])
    long = Series(list(range(200)), [10.0] * 100 + [0.0] * 100)
    assert long.smoothed()[99] == pytest.approx(10.0) and long.smoothed()[-1] < 0.01
    assert Series([5], [3.0]).smoothed() == [3.0]


def test_names_and_ids_of_pictures_do_not_clash(tmp_path: Path, summary: Summary) -> None:
    """All pictures stand in one document: an id that two define must mean the same in both."""
    write(tmp_path, rows(), None)
    page = write_report(tmp_path, summary).read_text()
    clips: dict[str, str] = {}
    for name, body in re.findall(r'<clipPath id="(\w+)">(.*?)</clipPath>', page, re.DOTALL):
        assert clips.setdefault(name, body) == body


def test_the_history_gathers_series(tmp_path: Path) -> None:
    write(tmp_path, rows(), None)
    history = History.read(tmp_path / "log.jsonl")
    loss = history.of_tasks(TASKS, "loss")["repair"]
    assert loss.steps == [10, 20, 30, 40] and loss.last == 5.0 and loss.mean == 6.5
    assert set(history.pairs("affinity")) == {(one, other) for one in TASKS for other in TASKS}
    assert history["nothing"] is None
