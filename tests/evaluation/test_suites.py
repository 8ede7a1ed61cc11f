"""The suites on the samples: the perfect predictor scores 100%, the silent one nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codemtl.evaluation import pages
from codemtl.evaluation.options import SUITES, Options
from codemtl.evaluation.run import run
from codemtl.inference import Predictor
from codemtl.tasks.generate import Generate
from codemtl.tasks.summarize import Summarize

Use = Callable[[Predictor], None]
BUGS = ("real-bugs", "synthetic")
KEYS = ("1.0%", "5.0%", "16.5%", "known")


def metrics(suite: str, **options: Any) -> Any:
    done = run(Options(suites=(suite,), **options))
    return done.document()["suites"][suite]["metrics"]


@pytest.mark.parametrize("suite", BUGS)
def test_all_bugs_are_found_by_who_knows_them(suite: str, use: Use, knowing: Predictor) -> None:
    use(knowing)
    found = metrics(suite)
    subsets = [key for key in found if key in ("all small fixes", "fixes of one edit", "bugs")]
    assert subsets == (
        ["bugs"] if suite == "synthetic" else ["all small fixes", "fixes of one edit"]
    )
    for subset in subsets:
        for measure in ("joint", "located"):
            for key in KEYS:
                assert found[subset]["model"][f"{measure} {key}"]["value"] == 1, (subset, key)
    assert found["flagged"]["model"] == 0
    assert found["default threshold"]["model"]["joint"]["value"] == 1


def test_what_is_shown_is_counted_by_kind_of_finding(
    use: Use, knowing: Predictor, silent: Predictor
) -> None:
    def shown() -> list[list[int]]:
        (result,) = run(Options(suites=("synthetic",))).results
        tables = [one for one in result.tables if one.title.endswith("by kind of finding")]
        return [[int(cell) for cell in row[1:]] for row in tables[0].rows]

    use(knowing)
    assert shown()
    for seen, located, right, flagged in shown():
        assert seen == located == right > flagged == 0
    use(silent)
    assert all(right == 0 for _, _, right, _ in shown())


@pytest.mark.parametrize("suite", BUGS)
def test_no_bug_is_found_by_who_is_silent(suite: str, use: Use, silent: Predictor) -> None:
    use(silent)
    found = metrics(suite)
    for subset in ("bugs", "all small fixes", "fixes of one edit"):
        if subset in found:
            values = found[subset]["model"].values()
            assert {one["value"] for one in values} == {0.0}
    assert found["flagged"]["model"] == 0


def test_uniform_bugs_are_another_list(use: Use, knowing: Predictor) -> None:
    use(knowing)
    done = run(Options(suites=("synthetic",), uniform=True))
    assert done.results[0].facts["list"] == "synthetic-uniform-validation.jsonl"
    assert done.results[0].metrics["bugs"]["model"]["joint known"]["value"] == 1


def test_texts_of_who_knows_them_and_of_who_is_silent(
    use: Use, knowing: Predictor, silent: Predictor
) -> None:
    for predictor, full in ((knowing, 1.0), (silent, 0.0)):
        use(predictor)
        lines = metrics("masked-lines")["model"]
        assert lines["exact match"]["value"] == full
        assert lines["edit similarity"]["value"] == full
        assert lines["parses"]["value"] == full
        summaries = metrics("summaries")
        assert summaries["model"]["BLEU"]["value"] == pytest.approx(100 * full, abs=1e-6)
        assert summaries["model"]["chrF"]["value"] == pytest.approx(100 * full, abs=1e-6)
        assert {"retrieval", "name in words"} < summaries.keys()


def test_everything_runs_with_a_real_model(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for task in (Generate, Summarize):
        monkeypatch.setattr(task, "limit", 6)
    done = run(Options(model=untrained, limit=3))
    assert [one.suite for one in done.results] == [
        name for name in SUITES if name not in ("docstring-corpus", "humaneval-infilling")
    ]
    document = json.loads(json.dumps(done.document(), allow_nan=False))
    assert document["model"]["name"] == "untrained"
    for suite in document["suites"].values():
        assert len(suite["sha256"]) == 64 and suite["unresolved cases"] == 0
    real = document["suites"]["real-bugs"]
    assert (real["bugs"], real["clean functions"]) == (3, 15)
    assert real["other files of the project"] == "not given"
    assert all(
        0 <= row["error"]["value"] <= 1 for row in real["metrics"]["calibration"]["model"].values()
    )
    names = {file.name for file in pages.write_folder(done, tmp_path / "out")}
    assert names == {file.name for file in (tmp_path / "out").iterdir()} == {
        "metrics.json", "report.html", "precision-recall.png", "reliability.png", "misses.md",
        "false_alarms.md",
    }  # fmt: skip
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count('src="') == page.count('src="data:image/png;base64,') == 2
    assert "the fix" in (tmp_path / "out" / "misses.md").read_text()
    assert "^ found" in (tmp_path / "out" / "false_alarms.md").read_text()


@pytest.mark.slow
def test_processes_find_the_same(untrained: Path) -> None:
    alone, together = (metrics("real-bugs", model=untrained, limit=3, jobs=jobs) for jobs in (1, 2))
    assert alone["all small fixes"] == together["all small fixes"]
