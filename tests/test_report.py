"""Documents for machines and text for people, from results made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import run

import pytest

from codemtl import report
from codemtl.report.documents import KIND_TEXTS, github_lines, repair_document, sarif_document
from codemtl.report.output import percent
from codemtl.syntax.findings import KINDS, Finding
from codemtl.syntax.imports import Import
from codemtl.syntax.results import FileResult, Patch

MODEL = report.Model("fake", "0")
SOURCE = "# é🎉\nx = '🎉' if a else leng(a)\n"


def finding(original: str = "leng", replacement: str = "len", **changes: object) -> Finding:
    start = SOURCE.encode().index(original.encode())
    values: dict[str, object] = {
        "function": "A.f", "kind": "call-misuse", "start": start,
        "end": start + len(original.encode()), "original": original, "replacement": replacement,
        "confidence": 0.87654, "message": "m",
    }  # fmt: skip
    return Finding(**{**values, **changes})  # type: ignore[arg-type]


def result(*findings: Finding, **changes: object) -> FileResult:
    found = FileResult(
        "pkg/ä b.py",
        data=SOURCE.encode(),
        findings=list(findings),
        patched=SOURCE.replace("leng", "len").encode() if findings else None,
    )
    for name, value in changes.items():
        setattr(found, name, value)
    return found


def test_json_has_every_field_of_the_contract() -> None:
    bad = FileResult("no.py", "error", "no.py: no such file")
    late = FileResult("late.py", "skipped", "the time budget had ended")
    document = repair_document([result(finding()), bad, late], MODEL, 1.23456)
    document = json.loads(json.dumps(document))
    assert document == {
        "version": 1,
        "model": {"name": "fake", "revision": "0"},
        "files": [
            {
                "path": "pkg/ä b.py",
                "status": "ok",
                "message": None,
                "findings": [
                    {
                        "function": "A.f",
                        "kind": "call-misuse",
                        "line": 2,
                        "column": 18,  # code points: the emoji counts as one
                        "end_line": 2,
                        "end_column": 22,
                        "original": "leng",
                        "replacement": "len",
                        "confidence": 0.8765,
                        "message": "m",
                        "validated": None,
                        "missing_import": None,
                        "fixed": False,
                    }
                ],
                "patch": None,
            },
            {
                "path": "no.py",
                "status": "error",
                "message": "no.py: no such file",
                "findings": [],
                "patch": None,
            },
            {
                "path": "late.py",
                "status": "skipped",
                "message": "the time budget had ended",
                "findings": [],
                "patch": None,
            },
        ],
        "summary": {"files": 3, "findings": 1, "errors": 1, "seconds": 1.235},
    }


def test_sarif() -> None:
    bad = FileResult("/tmp/no.py", "error", "no such file")
    no_fix = finding(replacement="leng", kind="undefined-name", function=None)
    document = sarif_document([result(finding(), no_fix), bad])
    assert document["version"] == "2.1.0"
    (run_,) = document["runs"]
    assert run_["columnKind"] == "unicodeCodePoints"
    assert [rule["id"] for rule in run_["tool"]["driver"]["rules"]] == list(KINDS)
    first, second = run_["results"]
    region = {"startLine": 2, "startColumn": 19, "endLine": 2, "endColumn": 23}
    place = first["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "pkg/%C3%A4%20b.py"}, "region": region}
    assert KINDS[first["ruleIndex"]] == first["ruleId"] == "call-misuse"
    (replacement,) = first["fixes"][0]["artifactChanges"][0]["replacements"]
    assert replacement == {"deletedRegion": region, "insertedContent": {"text": "len"}}
    assert "fixes" not in second
    assert run_["invocations"][0]["executionSuccessful"] is False
    (note,) = run_["invocations"][0]["toolExecutionNotifications"]
    assert note["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == (
        "file:///tmp/no.py"
    )


def test_a_missing_import_is_added_elsewhere_than_it_is_found() -> None:
    found = result(finding(replacement="leng", missing=Import("leng", "m", "leng")))
    (row,) = repair_document([found], MODEL, 1.0)["files"][0]["findings"]
    assert (row["replacement"], row["missing_import"]) == ("leng", "from m import leng")
    (one,) = sarif_document([found])["runs"][0]["results"]
    (fix,) = one["fixes"]
    assert fix["description"]["text"] == "Add 'from m import leng'"
    (replacement,) = fix["artifactChanges"][0]["replacements"]
    assert replacement["insertedContent"] == {"text": "\nfrom m import leng\n\n"}
    assert replacement["deletedRegion"]["startLine"] == 2
    (line,) = github_lines(found)
    assert line.endswith("%0AAdd 'from m import leng'")


def test_github_annotations_are_escaped() -> None:
    found = finding(message="100% sure,\nreally: yes")
    (line,) = github_lines(result(found))
    assert line == (
        "::warning file=pkg/ä b.py,line=2,endLine=2,col=19,endColumn=23,"
        "title=codemtl call-misuse (88%25)::100%25 sure,%0Areally: yes%0AReplace 'leng' by 'len'"
    )
    (line,) = github_lines(FileResult("a:b.py", "error", "gone"))
    assert line == "::error file=a%3Ab.py::gone"


@pytest.mark.parametrize(
    ("original", "replacement", "said"),
    [
        ("", "not ", "Insert 'not '"),
        ("leng", "", "Remove 'leng'"),
        ("a", "b", "Replace 'a' by 'b'"),
    ],
)
def test_a_change_that_only_adds_or_removes_says_so(
    original: str, replacement: str, said: str
) -> None:
    found = result(finding(original=original, replacement=replacement))
    (line,) = github_lines(found)
    assert line.endswith(f"%0A{said}")
    (one,) = sarif_document([found])["runs"][0]["results"]
    assert one["fixes"][0]["description"]["text"] == said


def test_what_was_written_does_not_remain() -> None:
    written = result(finding(), written=True)
    assert list(github_lines(written)) == []
    assert sarif_document([written])["runs"][0]["results"] == []
    assert report.exit_code([written]) == report.OK
    (file,) = repair_document([written], MODEL, 0.0)["files"]
    assert file["findings"][0]["fixed"] is True
    left = result(finding(), written=True, unresolved=[finding()])
    (file,) = repair_document([left], MODEL, 0.0)["files"]
    assert file["findings"][0]["fixed"] is False
    assert report.exit_code([left]) == report.FOUND
    assert report.exit_code([left, FileResult("x", "error", "m")]) == report.FAILED


@pytest.mark.parametrize("absolute", [False, True])
def test_paths_begin_where_the_repository_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, absolute: bool
) -> None:
    """As GitHub reads them, wherever a job has its working directory."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "back end").mkdir()
    monkeypatch.chdir(tmp_path / "back end")
    path = str(tmp_path / "back end" / "a.py") if absolute else "a.py"
    found = result(finding(), path=path)
    (line,) = github_lines(found)
    assert line.startswith("::warning file=back end/a.py,line=2")
    (one,) = sarif_document([found])["runs"][0]["results"]
    places = (
        one["locations"][0]["physicalLocation"]["artifactLocation"],
        one["fixes"][0]["artifactChanges"][0]["artifactLocation"],
    )
    assert places == ({"uri": "back%20end/a.py"},) * 2


def test_text_without_a_name_stands_in_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    (line,) = github_lines(result(finding(), path="-"))
    assert line.startswith("::warning file=-,line=2")


def test_a_search_without_a_patch_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    patch = Patch("not-fixed", "none of 9 candidates makes a::b, c::d pass", 9, 1.0)
    results = [result(patch=patch), result(path="b.py", patch=patch)]
    why = "not fixed: none of 9 candidates makes a::b, c::d pass"
    assert report.repaired(results, MODEL, mode="report", style="github") == report.FOUND
    assert capsys.readouterr() == (f"::warning title=codemtl::{why}\n", "")
    assert report.repaired(results, MODEL, mode="diff", style="text") == report.FOUND
    assert capsys.readouterr() == ("", f"codemtl: {why}\n")
    (run_,) = sarif_document(results)["runs"]
    (note,) = run_["invocations"][0]["toolExecutionNotifications"]
    assert note == {"level": "warning", "message": {"text": why}}


def test_text_shows_place_message_and_diff(capsys: pytest.CaptureFixture[str]) -> None:
    code = report.repaired([result(finding())], MODEL, mode="report", style="text")
    out = capsys.readouterr().out
    assert code == report.FOUND
    assert "pkg/ä b.py:2:19: call-misuse 88% in A.f\n    m\n" in out
    assert "    -x = '🎉' if a else leng(a)\n    +x = '🎉' if a else len(a)\n" in out
    assert out.splitlines()[-1].startswith("1 file, 1 finding in ")


def test_source_cannot_talk_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    found = finding(message="\x1b[31mred\u202e")
    report.repaired([result(found)], MODEL, mode="report", style="text")
    assert "\\x1b[31mred\\u202e" in capsys.readouterr().out


def test_check_is_one_line_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    results = [result(finding()), result(), FileResult("no.py", "error", "gone")]
    assert report.repaired(results, MODEL, mode="check", style="text") == report.FAILED
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "pkg/ä b.py: 1 finding, the surest call-misuse in line 2, 88%",
        "pkg/ä b.py: ok",
        "no.py: error: gone",
    ]
    assert captured.err == ""


@pytest.mark.parametrize("below", [".", "sub dir/päckage"])
@pytest.mark.parametrize(
    ("raw", "encoding"),
    [
        (b"x = leng(1)\n", "utf-8"),
        (b"x = leng(1)", "utf-8"),
        (b"\xef\xbb\xbfx = leng(1)\r\n\ty = 2\r\n", "utf-8"),
        (b"# coding: latin-1\nx = leng('\xe4')\n", "latin-1"),
        ("x = '🎉'; leng(1)\n\x0c\ny = 1\n".encode(), "utf-8"),
    ],
)
def test_git_takes_the_diff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raw: bytes, encoding: str, below: str
) -> None:
    run(["git", "init", "-q", tmp_path], check=True)
    file = tmp_path / below / 'na"me é.py'
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(raw)
    monkeypatch.chdir(file.parent)
    bom = raw.startswith(b"\xef\xbb\xbf")
    data = raw[3 * bom :].decode(encoding).encode()
    found = FileResult(file.name, data=data, encoding=encoding, bom=bom)
    found.patched = data.replace(b"leng", b"len")
    diff = report.file_diff(found)
    for path in (file.name, str(file)):  # relative and absolute
        found.path = path
        run(["git", "apply", "--check", "-"], input=report.file_diff(found), check=True)
    run(["git", "apply", "-"], input=diff, check=True)
    assert file.read_bytes() == raw.replace(b"leng", b"len")


def test_git_takes_the_diff_of_a_file_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "a.py").write_bytes(b"x = leng(1)\n")
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    found = FileResult("../a.py", data=b"x = leng(1)\n", patched=b"x = len(1)\n")
    diff = report.file_diff(found)
    assert diff.startswith(b"diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n")
    run(["git", "apply", "--check", "-"], input=diff, check=True, cwd=tmp_path)


def test_git_takes_the_diff_of_a_file_behind_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "a.py").write_bytes(b"x = leng(1)\n")
    (tmp_path / "link.py").symlink_to("pkg/a.py")
    (tmp_path / "around").symlink_to("pkg", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    for name in ("link.py", "around/a.py"):
        found = FileResult(name, data=b"x = leng(1)\n", patched=b"x = len(1)\n")
        diff = report.file_diff(found)
        assert diff.startswith(b"diff --git a/pkg/a.py b/pkg/a.py\n")
        run(["git", "apply", "--check", "-"], input=diff, check=True)


def test_git_takes_the_diff_where_a_folder_has_the_name_of_the_one_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(["git", "init", "-q", tmp_path], check=True)
    file = tmp_path / "site" / "site" / "a.py"
    file.parent.mkdir(parents=True)
    for place in (file, tmp_path / "site" / "a.py"):
        place.write_bytes(b"x = leng(1)\n")
    monkeypatch.chdir(tmp_path / "site")
    found = FileResult("site/a.py", data=b"x = leng(1)\n", patched=b"x = len(1)\n")
    run(["git", "apply", "-"], input=report.file_diff(found), check=True)
    assert file.read_bytes() == b"x = len(1)\n"
    assert (tmp_path / "site" / "a.py").read_bytes() == b"x = leng(1)\n"


def test_progress_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(report.progress([1, 2, 3], 3, "x")) == [1, 2, 3]
    assert capsys.readouterr() == ("", "")


def test_ctrl_c_says_how_to_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "some" / "step-0000010").mkdir(parents=True)
    (tmp_path / "half" / ".partial-0000010").mkdir(parents=True)  # stopped while it was written
    model = tmp_path / "model"  # a full disk, or a second before the checkpoint was whole
    model.mkdir()
    (model / "config.json").touch()
    some, half = tmp_path / "some", tmp_path / "half"
    for checkpoints in (None, some, half, model / "checkpoints"):
        with pytest.raises(KeyboardInterrupt), report.interruptible("add --resume", checkpoints):
            raise KeyboardInterrupt
    assert capsys.readouterr().err.splitlines() == [
        "codemtl: interrupted; add --resume", "codemtl: interrupted; add --resume",
        "codemtl: interrupted; it had not come to a checkpoint, so the same command begins anew",
        f"codemtl: interrupted; {model} has a model and no checkpoint; choose another --out",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.8, "80%"), (0.1, "10%"), (0.0996, "10%"), (0.0047, "0.5%"), (0.0, "0.0%")],
)
def test_small_confidences_have_a_digit_more(value: float, text: str) -> None:
    assert percent(value) == text


def test_every_kind_is_described() -> None:
    assert tuple(KIND_TEXTS) == KINDS


def test_mined(capsys: pytest.CaptureFixture[str]) -> None:
    facts = {"functions": 3, "rejected": {"test": 1, "long": 2}}
    assert report.mined(facts, Path("out"), style="text") == report.OK
    out = capsys.readouterr().out
    assert "functions:           3\n" in out
    assert "rejected:            test 1, long 2\n" in out
    assert report.mined(facts, Path("out"), style="json") == report.OK
    assert json.loads(capsys.readouterr().out) == {"version": 1, **facts, "folder": "out"}


def test_trained(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = {"step": 3.0, "score": 0.25}
    assert report.trained(metrics, Path("out"), style="text") == report.OK
    assert "score:               0.25\n" in capsys.readouterr().out
    assert report.trained(metrics, Path("out"), style="json") == report.OK
    assert json.loads(capsys.readouterr().out) == {"version": 1, **metrics, "folder": "out"}
