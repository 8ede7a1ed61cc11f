"""What a user sees when the input is wrong, and that nothing is lost.

Each case asserts the exit code, that the message names the file and the way out, and the bytes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from codemtl.cli import app
from codemtl.errors import ModelError
from codemtl.inference import check_model_folder
from codemtl.inference.fake import FakePredictor
from codemtl.model.folder import read_config
from codemtl.syntax.definitions import Definition
from codemtl.syntax.findings import Finding
from codemtl.syntax.scopes import Scopes
from codemtl.syntax.tree import SourceTree

from .conftest import Outcome, start

Run = Callable[..., Outcome]
GOOD = b"leng = None\n\n\ndef f(items):\n    return leng(items)\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("good.py").write_bytes(GOOD)
    return tmp_path


@pytest.mark.parametrize("command", ["repair", "summarize"])
@pytest.mark.parametrize(
    ("name", "raw", "message"),
    [
        ("nul.py", b"x = 1\0\n", "nul.py: holds NUL bytes"),
        ("binary.py", bytes(range(256)) * 10, "binary.py: holds NUL bytes"),
        ("latin.py", b"x = '\xe4'\n", "save it as UTF-8, or declare its encoding"),
        ("cookie.py", b"# coding: no-such-thing\nx = 1\n", "save it as UTF-8"),
        ("utf16.py", "x = 1\n".encode("utf-16"), "use UTF-8"),
        ("huge.py", b"x = '" + b"a" * (11 * 2**20) + b"'\n", "larger than 10 MB"),
        ("missing.py", None, "missing.py: no such file"),
        ("empty", None, "no Python files"),
        ("good.py::g", None, "there is no function or class 'g'"),
        ("sub::f", None, "sub is a folder; name a file"),
    ],
)
def test_one_bad_file_stops_nothing(
    run: Run, command: str, name: str, raw: bytes | None, message: str
) -> None:
    Path("empty").mkdir()
    Path("sub").mkdir()
    Path("other.py").write_bytes(GOOD)
    if raw is not None:
        Path(name).write_bytes(raw)
    outcome = run(command, name, "other.py", "--write")
    assert outcome.code == 2
    assert message in outcome.err and name.partition("::")[0] in outcome.err
    assert outcome.err.count("\n") == 1
    assert Path("other.py").read_bytes() != GOOD
    if raw is not None:
        assert Path(name).read_bytes() == raw
    document = json.loads(run(command, name, "other.py", "--format", "json").out)
    assert [one["status"] for one in document["files"]] == ["error", "ok"]
    assert message in document["files"][0]["message"]


def test_syntax_error_still_handles_the_good_functions(run: Run) -> None:
    raw = GOOD + b"\n\ndef broken(:\n    return leng(\n"
    Path("bad.py").write_bytes(raw)
    outcome = run("repair", "bad.py", "--write")
    assert outcome.code == 2
    assert "bad.py: syntax error near line 8; functions that hold one" in outcome.err
    assert Path("bad.py").read_bytes() == raw.replace(b"return leng(items)", b"return len(items)")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("arguments", [["info"], ["info", "--format", "json"], ["--help"]])
def test_a_full_disk_behind_the_output(arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "codemtl", *arguments], stdout=full, stderr=subprocess.PIPE,
            text=True, check=False,
        )  # fmt: skip
    said = "codemtl: cannot write: No space left on device; free some space and run again\n"
    assert (done.returncode, done.stderr) == (2, said)


@pytest.mark.skipif(sys.platform == "win32", reason="files are not opened by their flags there")
@pytest.mark.parametrize("argument", ["info", "--help"])
def test_an_output_that_is_open_for_reading_alone(argument: str) -> None:
    with open(os.devnull) as nothing:
        done = subprocess.run(
            [sys.executable, "-m", "codemtl", argument], stdout=nothing, stderr=subprocess.PIPE,
            text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, "codemtl: cannot write: Bad file descriptor\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_behind_the_complaints_stops_no_other_file(folder: Path) -> None:
    code = "import sys; sys.stderr = open('/dev/full', 'w', buffering=1)"
    process = start(code, "repair", "missing.py", "missing.txt", "good.py", cwd=folder)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert b"good.py:5:12" in out and b"3 files, 1 finding, 2 errors" in out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--select", ""], "--select must name a kind of findings"),
        (["--select", "literal", "--ignore", "literal"], "no kind of findings is left"),
    ],
)
def test_a_choice_that_leaves_nothing(run: Run, flags: list[str], message: str) -> None:
    outcome = run("repair", "good.py", *flags)
    assert outcome.code == 2
    assert message in outcome.err


def test_empty_file(run: Run) -> None:
    Path("empty.py").write_bytes(b"")
    for command in ("repair", "summarize"):
        outcome = run(command, "empty.py", "--write")
        assert (outcome.code, outcome.err) == (0, "")
    assert Path("empty.py").read_bytes() == b""


def test_crlf_bom_and_tabs_stay(run: Run) -> None:
    raw = b"\xef\xbb\xbf" + GOOD.replace(b"    ", b"\t").replace(b"\n", b"\r\n")
    Path("dos.py").write_bytes(raw)
    document = json.loads(run("repair", "dos.py", "--format", "json").out)
    (found,) = document["files"][0]["findings"]
    assert (found["line"], found["column"]) == (5, 8)
    assert run("repair", "dos.py", "--write").code == 0
    assert Path("dos.py").read_bytes() == raw.replace(b"return leng", b"return len")


def test_a_line_of_ten_million_bytes(run: Run) -> None:
    raw = b"x = '" + b"a" * 10_000_000 + b"'\n" + GOOD
    Path("long.py").write_bytes(raw)
    assert run("repair", "long.py", "--write").code == 0
    assert Path("long.py").read_bytes() == raw.replace(b"return leng", b"return len")


def test_read_only_file(run: Run) -> None:
    os.chmod("good.py", 0o444)
    outcome = run("repair", "good.py", "--write")
    assert outcome.code == 2
    assert "good.py: is read-only; make it writable" in outcome.err
    assert Path("good.py").read_bytes() == GOOD
    assert run("repair", "good.py").code == 1


class Meddler(FakePredictor):
    """Changes the file while the model thinks."""

    def repair(
        self, tree: SourceTree, functions: Sequence[Definition], scopes: Scopes
    ) -> list[list[Finding]]:
        Path("good.py").write_bytes(GOOD + b"# mine\n")
        return super().repair(tree, functions, scopes)


def test_a_file_that_changes_meanwhile(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    meddler = Meddler({"leng": "len"})
    monkeypatch.setattr("codemtl.inference.load_predictor", lambda *arguments: meddler)
    outcome = run("repair", "good.py", "--write")
    assert outcome.code == 2
    assert "good.py: not written, it changed since it was read; run again" in outcome.err
    assert Path("good.py").read_bytes() == GOOD + b"# mine\n"


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 64 KB."""
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode != 0:
        pytest.skip("mounting is not permitted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("command", ["repair", "summarize"])
def test_a_full_disk(run: Run, small_disk: Path, command: str) -> None:
    raw = GOOD + b"# " + b"x" * 40_000 + b"\n"
    file = small_disk / "a.py"
    file.write_bytes(raw)
    outcome = run(command, file, "good.py", "--write")
    assert outcome.code == 2
    assert f"{file}: not written, the disk is full" in outcome.err
    assert file.read_bytes() == raw
    assert [one.name for one in small_disk.iterdir()] == ["a.py"]
    assert Path("good.py").read_bytes() != GOOD


def model_folder(folder: Path, config: str = "{}") -> Path:
    folder.mkdir()
    for name in ("model.safetensors", "tokenizer.json"):
        (folder / name).write_text("{}")
    (folder / "config.json").write_text(config)
    return folder


@pytest.mark.parametrize("command", [["repair", "good.py"], ["summarize", "good.py"], ["info"]])
def test_a_model_folder_that_is_not_there(command: list[str]) -> None:
    outcome = CliRunner().invoke(app, [*command, "--model", "nowhere"])
    assert outcome.exit_code == 2
    assert "model folder nowhere does not exist" in outcome.stderr
    assert "leave out --model" in outcome.stderr


def test_broken_model_folders(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"good\.py is not a folder"):
        check_model_folder(Path("good.py"))
    with pytest.raises(ModelError, match=r"config\.json cannot be read"):
        check_model_folder(model_folder(folder / "a", "{"))
    deep = model_folder(folder / "e", "[" * 100_000)
    for read in (check_model_folder, read_config):
        with pytest.raises(ModelError, match=r"cannot be read.*: maximum recursion"):
            read(deep)
    with pytest.raises(ModelError, match="holds no settings"):
        check_model_folder(model_folder(folder / "b", "[]"))
    incomplete = model_folder(folder / "c")
    (incomplete / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"lacks model\.safetensors"):
        check_model_folder(incomplete)
    assert check_model_folder(model_folder(folder / "d")) == folder / "d"


def test_configuration_mistakes(run: Run) -> None:
    Path("pyproject.toml").write_text("[tool.codemtl]\nselcet = ['literal']\n")
    outcome = run("repair", "good.py")
    assert outcome.code == 2
    assert "has no key 'selcet'; did you mean select?" in outcome.err


def test_a_text_that_cannot_be_encoded_is_refused(run: Run, predictor: FakePredictor) -> None:
    raw = b"# coding: latin-1\ndef f():\n    return '\xe4'\n"
    Path("latin.py").write_bytes(raw)
    predictor.summary = "Return 🎉."
    outcome = run("summarize", "latin.py", "--write")
    assert outcome.code == 2
    assert "latin.py: the new text cannot be encoded in iso-8859-1" in outcome.err
    assert Path("latin.py").read_bytes() == raw
    predictor.summary = "Return ä."
    assert run("summarize", "latin.py", "--write").code == 0
    assert b"Return \xe4." in Path("latin.py").read_bytes()


def test_a_current_folder_that_is_gone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = folder / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    try:
        done = CliRunner().invoke(app, ["repair", str(folder / "good.py")])
    finally:
        os.chdir(folder)
    assert done.exit_code == 2
    assert "the current folder: No such file or directory; change to another" in done.stderr
