"""The comparison: its plan, its figures worked out by hand, and real runs that are stopped."""

from __future__ import annotations

import errno
import fcntl
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from codemtl.errors import CodemtlError, DataError, UsageError
from codemtl.tasks.registry import TASKS
from codemtl.training.compare import Options, _check_cases, compare, plan
from codemtl.training.compare.held_out import MEASURES
from codemtl.training.compare.images import image_gains
from codemtl.training.compare.page import render
from codemtl.training.compare.plan import ARMS, Plan, make_plan
from codemtl.training.compare.results import results
from codemtl.training.compare.runs import OUTCOME, _write_order, make_runs, start_process
from codemtl.training.compare.tables import tables
from codemtl.training.compare.worker import work
from codemtl.training.loop import MicroBatch, Trainer
from codemtl.training.shards import Shards, write_shard

SMALL = (
    "model.width=16", "model.layers=1", "model.heads=2", "model.hidden=16", "micro_tokens=512",
    "evaluate_batches=1", "accumulation=2", "threads=1", "tasks.generate.share=0",
)  # fmt: skip


def options(tiny: Path, out: Path, **changes: Any) -> Options:
    given = {"data": tiny, "out": out, "preset": "tiny", "max_steps": 60, **changes}
    return Options(**given)


def test_the_arms_spend_what_they_say(tiny: Path, tmp_path: Path) -> None:
    made = make_plan(options(tiny, tmp_path, seeds=(3,)))
    steps = {run.name.removeprefix("all/").removesuffix("-3"): run for run in made.runs}
    assert made.tasks == ("repair", "summarize", "generate")
    single = [steps[f"single-{task}"] for task in made.tasks]
    assert sum(run.settings.steps for run in single) == pytest.approx(60, abs=1)
    assert made.joint_runs(single) == pytest.approx(1, abs=0.02)
    for task in made.tasks:
        assert steps[f"single-compute-{task}"].settings.steps == 60
        assert steps[f"transfer-{task}"].settings.steps == steps[f"single-{task}"].settings.steps
    assert steps["unrelated"].settings.steps == 75
    tasks = steps["unrelated"].settings.tasks
    assert tasks["reversal"].share == pytest.approx(0.25 * sum(
        tasks[task].share for task in made.tasks
    ))  # fmt: skip
    arms = ("joint", "random", "learned-uncertainty")
    names = [steps[arm].settings.weighting["name"] for arm in arms]
    assert names == ["static", "rlw", "uncertainty"]
    places = [run.name for run in made.runs]
    assert all(places.index(run.source) < places.index(run.name) for run in made.runs if run.source)
    assert steps["transfer-repair"].source in ("all/single-summarize-3", "all/single-generate-3")
    assert steps["transfer-generate"].source == "all/single-repair-3"


def test_the_runs_of_a_seed_share_everything_else(tiny: Path, tmp_path: Path) -> None:
    made = make_plan(options(tiny, tmp_path, fractions=(0.25, 1.0), noise=(0.3,), seeds=(1, 2)))
    base = made.base.to_dict()
    may_differ = {
        "steps", "warmup", "evaluate_every", "checkpoint_every", "log_every", "tasks", "weighting",
        "seed", "data_fraction", "label_noise",
    }  # fmt: skip
    for run in made.runs:
        settings = run.settings.to_dict()
        added = settings["model"].pop("added_tasks", [])  # a head for the unrelated task
        assert list(added) == (["reversal"] if run.arm == "unrelated" else [])
        assert all(settings[key] == base[key] for key in base if key not in may_differ)
        assert settings["warmup"] <= max(1, settings["steps"])
    assert made.base.validation_fraction == 0.5
    assert made.base.evaluate_batches == 32  # and not 2 of 2,048 positions
    small = options(tiny, tmp_path, overrides=("tasks.summarize.micro_tokens=512",))
    assert make_plan(small).base.evaluate_batches == 128
    asked = options(tiny, tmp_path, overrides=("evaluate_batches=3",))
    assert make_plan(asked).base.evaluate_batches == 3
    conditions = {run.condition: run.settings for run in made.runs}
    assert list(conditions) == ["all", "fraction-0.25", "noise-0.3"]
    assert conditions["fraction-0.25"].data_fraction == 0.25
    assert conditions["noise-0.3"].label_noise == 0.3
    assert {run.arm for run in made.runs if run.condition != "all"} == {"joint", "single"}


def test_a_budget_is_a_share_of_the_schedule(tiny: Path, tmp_path: Path) -> None:
    made = make_plan(options(tiny, tmp_path, max_steps=None, budget=0.25, preset="small"))
    assert (made.base.steps, made.base.warmup) == (2500, 25)
    assert made.base.evaluate_batches == 24  # as its configuration says, of 4,096 positions
    shown = plan(options(tiny, tmp_path, max_steps=None, budget=0.25, preset="small"))
    assert shown["hours_left"] is None
    assert shown["joint_runs"] == shown["joint_runs_left"] == pytest.approx(27.75, abs=0.1)
    assert {run["state"] for run in shown["runs"]} == {"to do"}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"arms": ("joint", "alone")}, "there is no arm 'alone'; known: joint, random"),
        ({"arms": ("joint", "random")}, "--arms must name single"),
        ({"arms": ("single",)}, "--arms must name single"),
        ({"arms": ("single", "single")}, "--arms must name single"),
        ({"seeds": (1, 1)}, "--seeds must be different"),
        ({"budget": 0.5}, "--max-steps and --budget"),
        ({"max_steps": None, "budget": 0.0}, "--budget is 0.0; it must be above 0"),
        ({"fractions": (0.0,)}, "--fractions must be above 0"),
        ({"noise": (1.0,)}, "--noise must be from 0"),
        ({"noise": (0.1,), "arms": ("single", "random")}, "need the arm joint"),
        ({"weighting": "static"}, "no method that learns; known: uncertainty"),
        ({"overrides": ("weighting.name=famo",)}, "name a method by --weighting"),
        ({"overrides": ("data_fraction=0.5",)}, "data_fraction is set, but compare decides it"),
        ({"overrides": ("temperature=2",)}, "temperature is set"),
        ({"overrides": ("seconds=60",)}, "seconds is set"),
        ({"overrides": ("evaluate_every=5",)}, "compare looks at every run 5 times"),
        ({"overrides": ("validation_fraction=0.1",)}, "validation_fraction is set"),
        ({"overrides": ("seed=7",)}, "name --seeds"),
        ({"overrides": ("tasks.name.share=0.2",)}, "knows how to judge repair, summarize"),
        ({"weighting": "gradnorm", "overrides": ("accumulation=1",)}, "set accumulation to 2"),
        ({"overrides": ("tasks.repair.share=0", "tasks.generate.share=0")}, "needs two tasks"),
        ({"weighting": "mgda", "overrides": ("accumulation=1",)}, "set accumulation to 2"),
    ],
)
def test_what_cannot_be_compared_is_explained(
    tiny: Path, tmp_path: Path, changes: dict[str, Any], fault: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(fault)):
        make_plan(options(tiny, tmp_path, **changes))


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("seed = 7", "seed is set, but compare decides it; name --seeds"),
        ("evaluate_every = 5", "evaluate_every is set, but compare looks at every run 5 times"),
    ],
)
def test_a_file_is_held_to_what_single_settings_are(
    tiny: Path, tmp_path: Path, line: str, fault: str
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(f"{line}\n[tasks.repair]\n[tasks.summarize]\n")
    with pytest.raises(UsageError, match=re.escape(fault)):
        make_plan(options(tiny, tmp_path, preset=None, config=file))


def test_a_file_says_how_many_batches_are_evaluated(tiny: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    asked = options(tiny, tmp_path, preset=None, config=file)
    tasks = "micro_tokens = 2048\n[tasks.repair]\n[tasks.summarize]\n"
    file.write_text(tasks)
    assert make_plan(asked).base.evaluate_batches == 32
    file.write_text("evaluate_batches = 3\n" + tasks)
    assert make_plan(asked).base.evaluate_batches == 3


CASES = 40
RIGHT = {"joint": 24, "random": 20, "learned": 22, "unrelated": 12, "transfer": 23, "single": 20,
         "single-compute": 28}  # cases of CASES  # fmt: skip


def made_up(made: Plan) -> dict[str, dict[str, Any]]:
    """Outcomes in which each arm is right in the first so many cases, by every measure."""
    found = {}
    for run in made.runs:
        tasks = [run.task] if run.task else list(made.tasks)
        less = 4 if run.condition != "all" and run.arm == "single" else 0
        hits = [float(case < RIGHT[run.arm] - less) for case in range(CASES)]
        found[run.name] = {
            "step": 9, "seconds": 10.0, "processor_seconds": 20.0, "memory": 300.0,
            "resumed": False, "parameters": 1000, "tokens_per_second": 50.0, "threads": 1,
            "torch": "2", "unrelated_accuracy": 0.5 if run.arm == "unrelated" else None,
            "outcomes": {
                task: {measure: [hits, [1.0] * CASES] for measure in MEASURES[task]}
                for task in tasks
            },
        }  # fmt: skip
    return found


@pytest.fixture(scope="module")
def document(tiny: Path) -> dict[str, Any]:
    asked = options(tiny, Path("nowhere"), fractions=(0.5, 1.0), noise=(0.0, 0.3))
    made = make_plan(asked)
    found = {**results(made, asked, made_up(made)), "settings": made.base.to_dict()}
    found["images"] = {"reference": {"AP": {"joint": 0.7, "single": 0.6, "gain": 0.1, "seeds": 3,
                                            "deviation": 0.02}}}  # fmt: skip
    return {**found, "tables": tables(found)}


def test_gains_are_what_the_outcomes_say(document: dict[str, Any]) -> None:
    arms = document["arms"]
    assert list(arms) == list(ARMS)
    joint = arms["joint"]["against"]
    assert joint["single"]["gains"]["repair"]["joint"]["value"] == pytest.approx(4 / CASES)
    assert joint["single"]["gains"]["repair"]["loss"]["value"] == pytest.approx(-4 / CASES)
    assert joint["single"]["gains"]["generate"]["pieces"]["low"] > 0
    assert joint["single"]["regressed"] == 0
    compute = joint["single-compute"]
    assert compute["worst"]["value"] == pytest.approx(-4 / CASES)
    assert (compute["regressed"], compute["surely_regressed"]) == (3, 3)
    assert arms["single"]["against"].keys() == {"single-compute"}
    value = arms["unrelated"]["tasks"]["summarize"]["pieces"]
    assert value == {"value": pytest.approx(0.3), "seeds": [pytest.approx(0.3)] * 3}
    assert document["cases"] == dict.fromkeys(document["tasks"], CASES)
    points = document["series"]["noise"]
    assert [point["at"] for point in points] == [0.0, 0.3]
    gains = [point["tasks"]["repair"]["gain"]["value"] for point in points]
    assert gains == pytest.approx([4 / CASES, 8 / CASES])


def test_costs_are_those_of_all_models_of_an_arm(document: dict[str, Any]) -> None:
    costs = {name: arm["cost"] for name, arm in document["arms"].items()}
    assert costs["joint"]["parameters"] == 1000 and costs["single"]["parameters"] == 3000
    assert costs["joint"]["seconds"] == 10 and costs["single"]["seconds"] == 30
    assert costs["transfer"]["models"] == 3
    # three models, and those that they begin with: of repair's, and of what repair begins with
    assert costs["transfer"]["processor_seconds"] == 5 * 20
    assert costs["unrelated"]["unrelated_accuracy"] == 0.5


def test_a_time_that_was_interrupted_is_not_told(tiny: Path, tmp_path: Path) -> None:
    asked = options(tiny, tmp_path, arms=("joint", "single"), seeds=(0,))
    made = make_plan(asked)
    found = made_up(made)
    found["all/single-repair-0"]["resumed"] = True
    costs = {name: arm["cost"] for name, arm in results(made, asked, found)["arms"].items()}
    assert costs["single"]["seconds"] is None and costs["joint"]["seconds"] == 10


def test_tables_and_page_show_the_figures(document: dict[str, Any]) -> None:
    first, compute, values, costs, fractions, noise, images = document["tables"]
    assert first["rows"][0][:2] == ["joint, equal weights", "+10.0% (+2.5 to +20.0)"]
    assert first["rows"][0][-1] == "0 (0)" and compute["rows"][0][-1] == "3 (3)"
    assert compute["rows"][0][-2] == "-10.0% repair"
    assert values["rows"][0][1:4] == ["60.0%", "60.0%", "0.600"]
    assert "learnt: 50.0% of its pieces" in costs["note"]
    assert [row[0] for row in fractions["rows"]] == ["0.5", "1"]
    assert noise["rows"][1][1:3] == ["40.0%", "60.0%"]
    assert images["rows"][0] == ["images, reference: AP", "60.0%", "70.0%", "+10.0% ± 2.0", "3"]
    assert images["rows"][1][0] == "code: repair, joint"
    for table in document["tables"]:
        assert all(len(row) == len(table["head"]) for row in table["rows"])
    page = render(document)
    assert page.count("<svg") == 3 and page.count("<table>") == len(document["tables"])
    for text in ("+10.0% (+2.5 to +20.0)", "Equal updates", "joint, uncertainty", "wrong labels"):
        assert text in page
    assert 'src="' not in page and "<script" not in page
    assert render(document) == page


def test_the_image_baseline_is_read_from_its_figures(tmp_path: Path) -> None:
    def put(name: str, **test: float) -> None:
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.json").write_text(json.dumps({"test": test}))

    with pytest.raises(UsageError, match="holds no runs of the image baseline"):
        image_gains(tmp_path)
    put("reference-cls-det-0", accuracy=0.9, ap=0.5)
    put("reference-cls-det-1", accuracy=0.8, ap=0.6)
    put("reference-cls-0", accuracy=0.8)
    put("reference-cls-1", accuracy=0.8)
    put("reference-det-0", ap=0.55)
    found = image_gains(tmp_path)["reference"]
    assert found["accuracy"]["gain"] == pytest.approx(0.05) and found["accuracy"]["seeds"] == 2
    assert found["accuracy"]["deviation"] == pytest.approx(np.std([0.1, 0.0], ddof=1))
    assert found["AP"]["gain"] == pytest.approx(-0.05) and found["AP"]["deviation"] is None
    (tmp_path / "reference-det-0" / "metrics.json").write_text("[]")
    with pytest.raises(DataError, match="reference-det-0"):
        image_gains(tmp_path)


def test_what_has_no_cases_is_told_before_anything_is_trained(tiny: Path, tmp_path: Path) -> None:
    asked = options(tiny, tmp_path / "out", max_steps=2, overrides=SMALL, split="test")
    made: list[str] = []
    with pytest.raises(UsageError, match=r"--split test: .* has no test-\*"):
        compare(asked, launch=counting(made))
    with pytest.raises(UsageError, match="holds no example of summarize to judge by"):
        _check_cases(make_plan(asked), without_summaries(tiny, tmp_path / "data"), "validation")
    assert made == [] and not (tmp_path / "out").exists()


def without_summaries(tiny: Path, folder: Path) -> Path:
    """A validation shard whose functions have no docstring."""
    folder.mkdir()
    shutil.copy(tiny / "tokenizer.json", folder)
    shards = Shards(tiny, "validation")
    bare = np.flatnonzero(~TASKS["summarize"].usable(shards))[:40]
    write_shard(folder / "validation-00000.safetensors.xz", [shards[int(one)] for one in bare])
    return folder


def counting(names: list[str]) -> Callable[[Path, threading.Event], None]:
    def launch(folder: Path, stop: threading.Event) -> None:
        names.append(folder.name)
        work(folder)

    return launch


def test_runs_are_made_once_and_a_stopped_one_goes_on(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = options(
        tiny, tmp_path / "out", max_steps=2, seeds=(0, 1), arms=("joint", "single"), cases=6,
        overrides=SMALL,
    )  # fmt: skip
    step = Trainer.train_step

    def interrupted(self: Trainer, window: list[MicroBatch]) -> dict[str, float]:
        if self.step == 1 and self.config.seed == 1:
            raise KeyboardInterrupt
        return step(self, window)

    made: list[str] = []
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Trainer, "train_step", interrupted)
        compare(asked, launch=counting(made))
    assert made == ["joint-0", "single-repair-0", "single-summarize-0", "joint-1"]
    shown = plan(asked)
    assert [run["state"] for run in shown["runs"]] == ["finished"] * 3 + ["begun"] + ["to do"] * 2
    assert shown["hours_left"] > 0 and shown["joint_runs_left"] == pytest.approx(2, abs=0.6)
    first = (tmp_path / "out/all/joint-0/outcome.json").read_bytes()
    made.clear()
    document, files = compare(asked, launch=counting(made))
    assert made == ["joint-1", "single-repair-1", "single-summarize-1"]
    assert (tmp_path / "out/all/joint-0/outcome.json").read_bytes() == first
    assert not list(tmp_path.glob("out/all/*/checkpoints"))
    assert all(file.stat().st_size for file in files) and len(files) == 3
    assert document["cases"] == {"repair": 6, "summarize": 6}
    assert document["arms"]["joint"]["cost"]["seconds"] is None  # one was stopped
    compare(asked, launch=counting(made))
    assert len(made) == 3
    with pytest.raises(UsageError, match=r"was made with cases = 6, not 7"):
        compare(options(tiny, tmp_path / "out", **{
            "max_steps": 2, "cases": 7, "overrides": SMALL, "arms": ("joint", "single"),
        }), launch=counting(made))  # fmt: skip


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_so_many_runs_are_made_at_once_and_sources_first(
    tiny: Path, tmp_path: Path, jobs: int
) -> None:
    made = make_plan(options(tiny, tmp_path, seeds=(0, 1), arms=("joint", "single", "transfer")))
    sources = {run.name: run.source for run in made.runs}
    beside: list[int] = []
    there: set[str] = set()

    def launch(folder: Path, stop: threading.Event) -> None:
        name = str(folder.relative_to(tmp_path))
        assert not sources[name] or (tmp_path / sources[name] / OUTCOME).is_file()
        there.add(name)
        time.sleep(0.05)
        beside.append(len(there))
        (folder / OUTCOME).write_text(json.dumps({"name": name}))
        there.remove(name)

    said: list[str] = []
    found = make_runs(
        made, tiny, tmp_path, cases=4, split="validation", jobs=jobs, launch=launch,
        say=said.append,
    )  # fmt: skip
    assert list(found) == [one["name"] for one in found.values()] == [run.name for run in made.runs]
    assert max(beside) == jobs and len(said) == len(made.runs)
    orders = [json.loads((tmp_path / name / "run.json").read_text()) for name in found]
    assert {one["threads"] == 0 for one in orders} == {jobs == 1}


def test_runs_beside_one_that_fails_are_stopped(tiny: Path, tmp_path: Path) -> None:
    made = make_plan(options(tiny, tmp_path, seeds=(0,), arms=("joint", "single")))
    stopped: list[str] = []

    def launch(folder: Path, stop: threading.Event) -> None:
        if folder.name.startswith("joint"):
            raise CodemtlError("no room left")
        if stop.wait(60):
            stopped.append(folder.name)

    with pytest.raises(CodemtlError, match="no room left"):
        make_runs(
            made, tiny, tmp_path, cases=4, split="validation", jobs=2, launch=launch,
            say=lambda text: None,
        )  # fmt: skip
    assert stopped == ["single-repair-0"]


@pytest.mark.slow
def test_the_other_arms_and_noise_are_really_trained(tiny: Path, tmp_path: Path) -> None:
    asked = options(
        tiny, tmp_path / "out", max_steps=2, seeds=(0,), cases=4, overrides=SMALL, noise=(0.5,),
        arms=("joint", "unrelated", "transfer", "single"),
    )  # fmt: skip
    document, _ = compare(asked, launch=lambda folder, stop: work(folder))
    outcome = json.loads((tmp_path / "out/all/unrelated-0/outcome.json").read_text())
    assert outcome["unrelated_accuracy"] is not None
    assert set(outcome["outcomes"]) == {"repair", "summarize"}
    joint, single = (document["arms"][arm]["cost"]["parameters"] for arm in ("joint", "single"))
    assert joint < single
    assert len(document["series"]["noise"]) == 2


def test_a_run_that_fails_ends_the_comparison(tiny: Path, tmp_path: Path) -> None:
    """A real process: it explains itself, and its exit code is noticed."""
    (tmp_path / "run.json").write_text(json.dumps({"settings": {"tasks": {"repare": {}}}}))
    with pytest.raises(CodemtlError, match=r"failed \(exit code 2\).*the same command again"):
        start_process(tmp_path, threading.Event())


def test_a_run_that_waits_for_another_process_is_stopped_at_once(tmp_path: Path) -> None:
    """Started in the background too, where a shell has Ctrl-C ignored."""
    lock, stop = tmp_path / ".lock", threading.Event()
    failed: list[BaseException] = []

    def launch() -> None:
        try:
            start_process(tmp_path, stop)
        except CodemtlError as error:
            failed.append(error)

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with lock.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            thread = threading.Thread(target=launch)
            thread.start()
            deadline = time.monotonic() + 60
            while not _opened(lock):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            stop.set()
            thread.join(20)
            assert not thread.is_alive()
    finally:
        signal.signal(signal.SIGINT, before)
    assert "exit code 130" in str(*failed)


def _opened(path: Path) -> bool:
    """Whether a child has a file open."""
    workers = psutil.Process().children()
    return any(path.as_posix() in {one.path for one in work.open_files()} for work in workers)


def test_the_command_shows_its_plan_and_explains_what_is_wrong(
    tiny: Path, tmp_path: Path, run: Callable[..., Any]
) -> None:
    given = ("compare", "--data", tiny, "--out", tmp_path / "out", "--preset", "tiny")
    done = run(*given, "--dry-run", "--seeds", "4", "--format", "json")
    assert done.code == 0 and json.loads(done.out)["runs"][0]["name"] == "all/joint-4"
    done = run(*given, "--dry-run", "--arms", "joint, single", "--max-steps", "9")
    assert "all/single-repair-2" in done.out and "9 steps, 27 micro-batches" in done.out
    assert not (tmp_path / "out").exists()
    for arguments, fault in (
        (("--seeds", "a"), "--seeds a: 'a' is no number"),
        (("--arms", "joint"), "--arms must name single"),
        (("--images", tmp_path), "holds no runs of the image baseline"),
    ):
        done = run(*given, *arguments)
        assert done.code == 2 and fault in done.err and not done.out


@pytest.mark.slow
@pytest.mark.parametrize(("how", "jobs"), [(signal.SIGINT, "2"), (signal.SIGKILL, "1")])
def test_the_command_goes_on_after_a_kill(
    tiny: Path, tmp_path: Path, how: signal.Signals, jobs: str
) -> None:
    settings = [part for one in (*SMALL, "checkpoint_every=1") for part in ("--set", one)]
    command = [
        sys.executable, "-m", "codemtl", "compare", "--preset", "tiny", "--data", str(tiny),
        "--out", str(tmp_path / "out"), "--max-steps", "12", "--seeds", "0", "--arms",
        "joint,single", "--cases", "4", "--format", "json", "--jobs", jobs, *settings,
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    run = tmp_path / "out" / "all" / "joint-0"
    deadline = time.monotonic() + 400
    while not list(run.glob("checkpoints/step-*")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(how)
    process.communicate(timeout=100)
    assert process.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
    assert not (run / "outcome.json").exists()
    done = subprocess.run(command, capture_output=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr.decode()
    document = json.loads(done.stdout)
    assert set(document["arms"]) == {"joint", "single"}
    assert b"run 1 of 3: all/joint-0" in done.stderr
    outcome = json.loads((run / "outcome.json").read_text())
    assert outcome["resumed"] is True
    again = subprocess.run(command, capture_output=True, timeout=300, check=True)
    assert json.loads(again.stdout) == document and b"run 1" not in again.stderr


def test_where_no_run_can_be_written_another_folder_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", read_only)
    with pytest.raises(UsageError, match=r"cannot write to --out .*: Read-only .*; name another"):
        _write_order(tmp_path / "run", {}, 1)
