"""The commands as a user types them, with a fake predictor: output forms and exit codes."""

from __future__ import annotations

import importlib
import json
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from codemtl.inference.fake import FakePredictor

from .conftest import Outcome, start

Run = Callable[..., Outcome]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = Path("a.py")
    path.write_text("def f(items):\n    return leng(items)\n\n\nleng = None\n")
    return path


def test_repair_reports_and_writes_nothing(run: Run, file: Path) -> None:
    before = file.read_bytes()
    outcome = run("repair", file)
    assert outcome.code == 1
    assert "a.py:2:12: variable-misuse 80% in f" in outcome.out
    assert "+    return len(items)" in outcome.out
    assert file.read_bytes() == before


def test_clean_file(run: Run, file: Path) -> None:
    file.write_text("def f():\n    pass\n")
    outcome = run("repair", file)
    assert outcome.code == 0
    assert outcome.out.startswith("1 file, 0 findings in ")


def test_repair_write(run: Run, file: Path) -> None:
    outcome = run("repair", "--write", file)
    assert outcome.code == 0
    assert "[fixed]" in outcome.out and "wrote a.py" in outcome.out
    assert file.read_text() == "def f(items):\n    return len(items)\n\n\nleng = None\n"
    assert run("repair", "--write", file).code == 0


def test_repair_diff_is_one_diff_over_all_files(run: Run, file: Path) -> None:
    Path("b.py").write_bytes(file.read_bytes())
    Path("clean.py").write_text("x = 1\n")
    outcome = run("repair", ".", "--diff")
    assert outcome.code == 1
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(["git", "apply", "-"], input=outcome.raw, check=True)
    assert Path("b.py").read_text() == file.read_text()
    assert "return len(items)" in file.read_text()
    assert outcome.out.startswith("--- a/a.py\n")


def test_a_diff_has_names_as_the_system_has_them_and_lines_as_the_file(
    run: Run, file: Path
) -> None:
    text = "# -*- coding: latin-1 -*-\n# caf\u00e9\n" + file.read_text()
    for name in ("\u00e9.py", "\u0142.py", "z.py"):
        Path(name).write_bytes(text.encode("latin-1"))
    outcome = run("repair", "\u00e9.py", "\u0142.py", "z.py", "--diff")
    assert outcome.code == 1
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(["git", "apply", "-"], input=outcome.raw, check=True)
    for name in ("\u00e9.py", "\u0142.py", "z.py"):
        assert b"return len(items)" in Path(name).read_bytes()


@pytest.mark.parametrize("mode", ["--diff", "--write"])
def test_a_text_that_an_encoding_lacks_stops_no_other_file(
    run: Run, file: Path, predictor: FakePredictor, mode: str
) -> None:
    predictor.summary = "It\u2019s done."
    latin = b"# coding: latin-1\ndef f(a):\n    return '\xe9'\n"
    file.write_bytes(latin)
    Path("b.py").write_text("def f(a):\n    return a\n")
    outcome = run("summarize", "a.py", "b.py", mode)
    assert outcome.code == 2 and "internal" not in outcome.err
    assert outcome.err.startswith("codemtl: a.py: ") and outcome.err.count("\n") == 1
    assert file.read_bytes() == latin
    assert ("b.py" in outcome.out) and "+++ b/a.py" not in outcome.out


def test_the_diff_of_a_file_with_a_mark_of_byte_order_applies(
    run: Run, file: Path, predictor: FakePredictor
) -> None:
    predictor.generated = ["return 1"]
    file.write_bytes(b"\xef\xbb\xbfdef f(a):\n    return a\n")
    document = json.loads(run("generate", "a.py::f", "--format", "json").out)
    diff = document["candidates"][0]["diff"].encode()
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(["git", "apply", "-"], input=diff, check=True)
    assert file.read_bytes() == b"\xef\xbb\xbfdef f(a):\n    return 1\n"


def test_what_is_left_after_a_write_is_told_where_it_stands(run: Run, file: Path) -> None:
    file.write_text("def f(items):\n    return leng(items) + qqzzx\n\n\nleng = None\n")
    outcome = run("repair", "--write", file, "--format", "sarif")
    (left,) = json.loads(outcome.out)["runs"][0]["results"]
    column = left["locations"][0]["physicalLocation"]["region"]["startColumn"]
    assert file.read_text().splitlines()[1][column - 1 :] == "qqzzx"


def test_closed_streams_are_no_crash(file: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m codemtl --version >&- 2>&-"], check=False
    )
    assert done.returncode == 0


def test_repair_json(run: Run, file: Path) -> None:
    outcome = run("repair", file, "--format", "json")
    assert outcome.code == 1
    document = json.loads(outcome.out)
    assert document["files"][0]["path"] == "a.py"
    assert document["files"][0]["findings"][0]["column"] == 11
    assert document["summary"]["findings"] == 1


def test_repair_sarif_and_github(run: Run, file: Path) -> None:
    document = json.loads(run("repair", file, "--format", "sarif").out)
    assert document["runs"][0]["results"][0]["ruleId"] == "variable-misuse"
    outcome = run("repair", file, "--format", "github")
    assert outcome.out.startswith("::warning file=a.py,line=2,")


def test_check_says_what_could_not_be_read(run: Run, file: Path) -> None:
    file.write_text("def f(:\n")
    outcome = run("repair", file, "--check")
    assert outcome.code == 2
    assert outcome.out.startswith("a.py: error: syntax error near line 1")
    assert "undefined names were not looked for" in outcome.out


def test_check(run: Run, file: Path) -> None:
    outcome = run("repair", file, "--check")
    assert outcome.code == 1
    assert outcome.out == "a.py: 1 finding, the surest variable-misuse in line 2, 80%\n"


def test_only_what_the_baseline_does_not_know(run: Run, file: Path) -> None:
    known = Path("known.json")
    known.write_text(run("repair", ".", "--format", "json").out)
    file.write_text("# moved\n\n" + file.read_text())
    outcome = run("repair", file, "--candidates", "2", "--baseline", known)
    assert outcome.code == 0
    assert "1 file, 0 findings, 1 in the baseline in " in outcome.out
    file.write_text(file.read_text() + "\n\ndef g(items):\n    return leng(items)\n")
    before = file.read_text()
    outcome = run("repair", file.resolve(), "--write", "--baseline", known)
    assert outcome.code == 0 and "in g  [fixed]" in outcome.out
    assert file.read_text() == "len".join(before.rsplit("leng", 1))


def test_a_baseline_of_several_candidates_knows_one_place_once(
    run: Run, file: Path, predictor: FakePredictor
) -> None:
    document = json.loads(run("repair", file, "--format", "json").out)
    first = document["files"][0]["findings"]
    document["files"][0]["findings"] = [*first, {**first[0], "replacement": "lens"}]
    Path("known.json").write_text(json.dumps(document))
    file.write_text(file.read_text().replace("leng(items)", "leng(items) + leng(items)"))
    outcome = run("repair", file, "--baseline", "known.json")
    assert outcome.code == 1 and "1 finding, 1 in the baseline" in outcome.out


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_baseline_as_other_shells_write_it(run: Run, file: Path, encoding: str) -> None:
    text = run("repair", file, "--format", "json").out
    Path("known.json").write_text(text, encoding)
    assert run("repair", file, "--baseline", "known.json").code == 0


def test_a_baseline_does_not_know_what_was_fixed(run: Run, file: Path) -> None:
    before = file.read_text()
    Path("known.json").write_text(run("repair", file, "--write", "--format", "json").out)
    file.write_text(before)
    assert run("repair", file, "--baseline", "known.json").code == 1


def test_a_wrong_baseline_is_not_to_be_written_over(run: Run, file: Path) -> None:
    outcome = run("repair", file, "--baseline", file)
    assert outcome.code == 2 and "> a.py" not in outcome.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No such file"), ("", "holds no findings"), ('{"files": [1]}', "holds no findings"),
        ('{"files": {}}', "holds no findings"), ("[" * 200_000, "holds no findings"),
    ],
)  # fmt: skip
def test_a_wrong_baseline(run: Run, file: Path, text: str | None, message: str) -> None:
    if text is not None:
        Path("known.json").write_text(text)
    outcome = run("repair", file, "--baseline", "known.json")
    assert outcome.code == 2
    assert message in outcome.err and "--format json > known.json" in outcome.err


def test_qualified_names(run: Run, file: Path) -> None:
    file.write_text("class A:\n    def f(self):\n        return leng()\n\n\ndef leng(): pass\n")
    assert run("repair", "a.py::A.f").code == 1
    assert run("repair", "a.py::A").code == 1


def test_options_reach_the_findings(run: Run, file: Path) -> None:
    assert run("repair", file, "--min-confidence", "0.9").code == 0
    assert run("repair", file, "--ignore", "variable-misuse").code == 0
    assert run("repair", file, "--select", "literal,comparison").code == 0
    Path("pyproject.toml").write_text("[tool.codemtl]\nmin-confidence = 0.9\n")
    assert run("repair", file).code == 0
    assert run("repair", file, "--min-confidence", "0.5").code == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--diff", "--write"], "exclude each other"),
        (["--select", "comparisn"], "has no kind 'comparisn'; did you mean comparison?\n"),
        (["--diff", "--format", "json"], "drop --format json"),
        (["--check", "--format", "sarif"], "drop --format sarif"),
        (["--min-confidence", "2"], "from 0 to 1"),
        (["--select", "comparision"], "did you mean comparison"),
        (["--time-budget", "soon"], "90, 90s, 15m or 2h"),
        (["--jobs", "0"], "at least 1"),
        (["-", "--write"], "cannot stand beside files"),
        (["--format", "yaml"], "yaml"),
        (["--no-such-option"], "--no-such-option"),
    ],
)
def test_wrong_usage(run: Run, file: Path, arguments: list[str], message: str) -> None:
    outcome = run("repair", file, *arguments)
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.out == ""


def test_standard_input(run: Run, file: Path) -> None:
    text = file.read_bytes()
    outcome = run("repair", "-", "--stdin-filename", "pkg/x.py", stdin=text)
    assert outcome.code == 1
    assert "pkg/x.py:2:12" in outcome.out
    outcome = run("repair", "-", "--write", stdin=b"\xef\xbb\xbf" + text)
    assert outcome.raw == b"\xef\xbb\xbf" + text.replace(b"return leng", b"return len")
    assert outcome.code == 0
    outcome = run("repair", "-", "--write", stdin=b"x = 1\n")
    assert (outcome.code, outcome.raw) == (0, b"x = 1\n")
    for command in ("repair", "summarize"):  # the new text would be nowhere
        outcome = run(command, "-", "--write", "--format", "json", stdin=text)
        assert (outcome.code, outcome.out) == (2, "")
        assert "drop --format json" in outcome.err


def test_json_is_no_python(run: Run, file: Path) -> None:
    for name, text in (("a.ipynb", '{"cells": [true]}'), ("data", "\n [false]")):
        Path(name).write_text(text)
        outcome = run("repair", "--write", name)
        assert outcome.code == 2
        assert "is JSON, not Python" in outcome.err
        assert Path(name).read_text() == text


def test_summarize(run: Run, file: Path) -> None:
    outcome = run("summarize", file)
    assert (outcome.code, outcome.out) == (0, "a.py:1 f\n    Do what the name says.\n")
    document = json.loads(run("summarize", file, "--format", "json").out)
    assert document["files"][0]["summaries"] == [
        {
            "function": "f",
            "line": 1,
            "summary": "Do what the name says.",
            "docstring": None,
            "documented": False,
        }
    ]
    assert document["summary"]["summaries"] == 1


def test_summarize_diff_and_write(run: Run, file: Path) -> None:
    outcome = run("summarize", file, "--diff")
    assert outcome.code == 1
    assert '+    """Do what the name says."""\n' in outcome.out
    outcome = run("summarize", file, "--write", "--style", "google")
    assert (outcome.code, outcome.out) == (0, "a.py: 1 docstring written\n")
    assert "    Args:\n        items:\n" in file.read_text()
    outcome = run("summarize", file, "--write")
    assert (outcome.code, outcome.out) == (0, "")
    assert run("summarize", file, "--write", "--replace").code == 0
    assert "Args" not in file.read_text()
    assert run("summarize", file, "--missing-only").out == ""
    assert run("summarize", file, "--missing-only", "--replace").code == 2


def test_a_named_function_that_is_documented_is_told(run: Run, file: Path) -> None:
    text = 'def f(a):\n    """Say."""\n\n\ndef g(a):\n    return a\n'
    file.write_text(text)
    for mode in ("--write", "--diff"):
        outcome = run("summarize", "a.py::f", mode)
        assert (outcome.code, outcome.out, file.read_text()) == (0, "", text)
        assert outcome.err == (
            "codemtl: a.py: f is documented already; give --replace to write over that\n"
        )
    outcome = run("summarize", "a.py::f", "--missing-only")
    assert outcome.out == "" and "f is documented already; leave out --missing-only" in outcome.err
    (one,) = json.loads(run("summarize", "a.py::f", "--write", "--format", "json").out)["files"]
    assert one["status"] == "skipped" and "--replace" in one["message"]
    outcome = run("summarize", "a.py::f", "a.py::g", "--write")
    assert outcome.out == "a.py: 1 docstring written\n" and "f is documented" in outcome.err
    outcome = run("summarize", "a.py", "--write")
    assert (outcome.out, outcome.err) == ("", "")
    assert run("summarize", "a.py::f", "--write", "--replace").err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["repair", "a.py", "--stdin-filename", "b.py"],
            "--stdin-filename has no effect without -",
        ),
        (
            ["repair", "a.py", "--diff", "--candidates", "2"],
            "--candidates has no effect with --diff",
        ),
        (["repair", "a.py", "--test", "true", "--min-confidence", "0.9"], "effect with --test"),
        (["repair", "a.py", "--test", "true", "--max-findings", "1"], "effect with --test"),
        (["summarize", "a.py", "--style", "google"], "--style has no effect without --diff or"),
        (["summarize", "a.py", "--replace"], "--replace has no effect without --diff or --write"),
        (["summarize", "a.py", "--stdin-filename", "b.py"], "--stdin-filename has no effect"),
        (["generate", "a.py::f", "--stdin-filename", "b.py"], "--stdin-filename has no effect"),
        (["generate", "a.py::f", "--time-budget", "9s"], "--time-budget has no effect without"),
    ],
)
def test_an_option_without_effect_is_told(
    run: Run, file: Path, arguments: list[str], message: str
) -> None:
    outcome = run(*arguments)
    assert message in outcome.err
    assert outcome.code in (0, 1) or "unshare" in outcome.err


def test_a_setting_that_an_option_overrules_is_refused(run: Run) -> None:
    for option in ("--max-steps", "--seed"):
        key = option.removeprefix("--max-")
        outcome = run("train", "--data", ".", option, "2", "--set", f"{key.strip('-')} = 1")
        assert (outcome.code, outcome.out) == (2, "")
        assert f"has no effect with {option}; leave it out" in outcome.err


def test_generate(run: Run, file: Path, predictor: FakePredictor) -> None:
    predictor.generated = ["one = 1", "return 1", "return ("]  # the second is no function
    outcome = run("generate", "give one", "--candidates", "3")
    assert (outcome.code, outcome.out) == (0, "one = 1\n")
    assert run("generate", "-", stdin=b"give one").out == "one = 1\n"
    predictor.generated = ["return 1", "return ("]
    outcome = run("generate", "a.py::f", "--format", "json")
    document = json.loads(outcome.out)
    assert (document["path"], document["function"], document["line"]) == ("a.py", "f", 1)
    assert "+    return 1\n" in document["candidates"][0]["diff"]
    assert run("generate", file, "--line", "2").out == "return 1\n"
    outcome = run("generate", "-", "--line", "1", stdin=b"x = 1\n")
    assert (outcome.code, outcome.out) == (1, "")  # `return` does not compile outside a function
    predictor.generated = ["("]
    outcome = run("generate", "give one")
    assert outcome.code == 1
    assert "none of 1 candidate compiles where it goes" in outcome.err


def test_info(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (folder / name).write_text("{}")
    (folder / "README.md").write_text("# The card\n")
    outcome = run("info", "--model", folder)
    assert outcome.code == 0
    assert "device:" in outcome.out and "# The card" in outcome.out
    document = json.loads(run("info", "--model", folder, "--format", "json").out)
    assert document["model"] == "fake"
    assert document["torch"]


def test_train_needs_data(run: Run, tmp_path: Path) -> None:
    outcome = run("train", "--preset", "tiny")
    assert outcome.code == 2
    assert "--data DIR is missing" in outcome.err
    outcome = run("train", "--data", tmp_path / "none")
    assert outcome.code == 2
    assert "data/tiny" in outcome.err


@pytest.mark.parametrize("duration", ["soon", "0", "-5m", "15 min"])
def test_train_refuses_a_budget_that_is_no_duration(
    run: Run, tmp_path: Path, duration: str
) -> None:
    outcome = run("train", "--data", tmp_path, f"--time-budget={duration}")
    assert outcome.code == 2
    assert "--time-budget must be" in outcome.err and "Traceback" not in outcome.err
    assert not list(tmp_path.iterdir())


def test_train_passes_its_options_on(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, object] = {}

    def train(**options: object) -> dict[str, float]:
        seen.update(options)
        return {"repair": 0.51234}

    module = ModuleType("codemtl.training.run")
    module.train = train  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "codemtl.training.run", module)
    options = ["--preset", "tiny", "--max-steps", "4", "--seed", "1", "--resume"]
    options += ["--init", "other", "--time-budget", "15m"]
    outcome = run("train", "--data", tmp_path, *options, "--set", "lr=1", "--set", "threads=2")
    assert outcome.code == 0
    assert "repair:              0.5123\n" in outcome.out
    assert seen == {
        "preset": "tiny", "config": None, "data": tmp_path, "out": Path("codemtl-model"),
        "max_steps": 4, "seed": 1, "resume": True, "overrides": ["lr=1", "threads=2"],
        "init": Path("other"), "time_budget": 900.0,
    }  # fmt: skip


def test_a_missing_extra_is_named(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    monkeypatch.delitem(sys.modules, "codemtl.corpus.build", raising=False)
    outcome = run("mine", tmp_path, "--out", tmp_path / "out")
    assert outcome.code == 2
    assert "datasets is not installed; run: pip install 'codemtl[train]'" in outcome.err


def test_mine(run: Run, tmp_path: Path) -> None:
    outcome = run("mine", tmp_path / "none", "--out", tmp_path / "out")
    assert outcome.code == 2
    assert "none" in outcome.err


def test_mine_takes_its_flags(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = importlib.import_module("codemtl.corpus.build")
    seen = {}
    monkeypatch.setattr(build, "build", lambda *_, **how: seen.update(how) or build.BuildSummary())
    run("mine", tmp_path, "--out", tmp_path / "out")
    assert seen.pop("progress") is None
    assert seen == {
        "jobs": 2, "any_licence": False, "history": True, "exclude_benchmarks": (), "ray": None,
    }  # fmt: skip
    run("mine", tmp_path, "--out", tmp_path / "out", "--no-history", "--any-licence", "--jobs", 1)
    assert (seen["jobs"], seen["any_licence"], seen["history"]) == (1, True, False)
    more = ("--exclude-benchmarks", "a", "--exclude-benchmarks", "b", "--ray", "auto")
    run("mine", tmp_path, "--out", tmp_path / "out", *more)
    assert (seen["exclude_benchmarks"], seen["ray"]) == ([Path("a"), Path("b")], "auto")


def test_version(run: Run) -> None:
    assert run("--version").out == "codemtl 0.1.0\n"


def test_interrupt_is_130_without_a_traceback(file: Path) -> None:
    code = (
        "import sys, time\n"
        "def slow(*arguments):\n"
        "    print('here', flush=True)\n"
        "    time.sleep(60)\n"
        "fake.repair = slow"
    )
    process = start(code, "repair", "a.py", cwd=file.resolve().parent)
    assert process.stdout is not None
    assert process.stdout.readline() == b"here\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in err


def test_a_second_interrupt_at_the_end_is_without_a_traceback(file: Path) -> None:
    code = (
        "import atexit, time\n"
        "def end():\n"
        "    print('end', flush=True)\n"
        "    time.sleep(60)\n"
        "def interrupted(*arguments):\n"
        "    raise KeyboardInterrupt\n"
        "atexit.register(end)\n"
        "fake.repair = interrupted"
    )
    process = start(code, "repair", "a.py", cwd=file.resolve().parent)
    assert process.stdout is not None
    assert process.stdout.readline() == b"end\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT  # a shell says 130
    assert b"Traceback" not in err


def test_a_broken_pipe_is_silent(file: Path) -> None:
    Path("long.py").write_text(
        "".join(f"def f{number}():\n    return leng()\n" for number in range(2000)) + "leng = 1\n"
    )
    arguments = ["repair", "--format", "github", "long.py"]
    process = start("", *arguments, cwd=file.resolve().parent)
    assert process.stdout is not None and process.stderr is not None
    with process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_an_internal_error_is_one_line(file: Path) -> None:
    code = "inference.load_predictor = lambda *arguments: 1 / 0"
    folder = file.resolve().parent
    process = start(code, "repair", "a.py", cwd=folder)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert err.count(b"\n") == 1
    assert b"ZeroDivisionError" in err and b"CODEMTL_DEBUG=1" in err
    debug = start(
        "import os; os.environ['CODEMTL_DEBUG'] = '1'\n" + code, "repair", "a.py", cwd=folder
    )
    _, err = debug.communicate(timeout=30)
    assert b"Traceback" in err


def test_a_terminal_that_knows_only_ascii(file: Path) -> None:
    file.write_text("def f(é):\n    return leng(é)\n\n\nleng = 1\n", "utf-8")
    code = "import sys; sys.stdout.reconfigure(encoding='ascii')"
    process = start(code, "repair", "a.py", cwd=file.resolve().parent)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (1, b"")
    assert b"leng(\\xe9)" in out


def test_start_is_quick_and_without_torch() -> None:
    code = "import sys, codemtl, codemtl.cli; assert not {'torch', 'rich'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    # the best of many: what other processes do to the caches is not ours
    assert any(_seconds("-m", "codemtl", "--help") <= 0.2 for _ in range(25))
    assert min(_seconds("-c", "import codemtl") for _ in range(5)) <= 0.2


def _seconds(*arguments: str) -> float:
    """Processor time of a Python process: what it needs, however busy the machine is."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def test_mine_prints_what_it_found(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from collections import Counter

    # not the attribute of the package: another test may have had the module imported anew
    build = importlib.import_module("codemtl.corpus.build")
    found = build.BuildSummary(functions=Counter(train=3, test=1))
    monkeypatch.setattr(build, "build", lambda *_, **__: found)
    outcome = run("mine", tmp_path, "--out", tmp_path / "out")
    assert outcome.code == 0
    assert "functions:           train 3, test 1\n" in outcome.out
