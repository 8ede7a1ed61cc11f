"""What the other files of a project say about a name."""

from __future__ import annotations

import math
import subprocess
from pathlib import Path

import pytest

from codemtl.inference import project
from codemtl.inference.fake import FakePredictor
from codemtl.inference.project import Projects, beside, past
from codemtl.inference.repair import RepairOptions, repair_paths, repair_source
from codemtl.inference.sources import Target
from codemtl.syntax.files import SourceFile
from codemtl.syntax.history import History

SLIP = "import sys\n\n\ndef f():\n    return sys.platform, sys.platform, sys.paltform\n"
WHOLE = "class A:\n    index = 1\n\n    def f(self):\n        return self.indx\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "slip.py").write_text(SLIP)
    return tmp_path


def commit(folder: Path) -> None:
    """All that is there, in a repository that is made if there is none."""
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "files"]):
        subprocess.run(["git", "-C", str(folder), *command], check=True)


def names(path: Path) -> list[str]:
    result = repair_source(SourceFile.read(path), FakePredictor())
    return [one.original for one in result.findings]


def test_a_slip_is_reported_where_no_other_file_has_the_name(folder: Path) -> None:
    path = folder / "package" / "slip.py"
    (finding,) = repair_source(SourceFile.read(path), FakePredictor()).findings
    assert (finding.original, finding.replacement) == ("paltform", "platform")
    assert finding.message.startswith("nothing in the project defines the attribute 'paltform'")
    (folder / "other.py").write_text("x.paltforms\n")
    assert names(path) == ["paltform"]
    (folder / "other.py").write_text("x.paltform\n")
    assert names(path) == []


def test_a_class_whose_base_stands_elsewhere(folder: Path) -> None:
    """Where no file of the project has the name, no base in it has either."""
    path = folder / "window.py"
    path.write_text(
        "from elsewhere import Base\n\n\nclass Window(Base):\n    def _confirm_install(self):\n"
        "        return 1\n\n    def run(self):\n        self.show()\n"
        "        return self.confirm_install()\n"
    )
    (finding,) = repair_source(SourceFile.read(path), FakePredictor()).findings
    assert (finding.original, finding.replacement) == ("confirm_install", "_confirm_install")
    (folder / "elsewhere.py").write_text("class Base:\n    confirm_install = show = None\n")
    assert names(path) == []


def test_without_a_project_the_file_alone_must_tell(folder: Path) -> None:
    (folder / "pyproject.toml").unlink()
    assert names(folder / "package" / "slip.py") == []
    (folder / "whole.py").write_text(WHOLE)
    (folder / "other.py").write_text("x.indx = 1\n")
    assert names(folder / "whole.py") == ["indx"]
    (folder / "setup.py").write_text("")
    assert names(folder / "whole.py") == []  # the other file defines it
    (folder / "other.py").write_text("x.indx\n")
    assert names(folder / "whole.py") == ["indx"]  # which nobody does now


def test_the_work_tree_is_the_project_and_what_git_ignores_is_not(folder: Path) -> None:
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    (folder / "package" / "setup.cfg").write_text("")
    (folder / "other.py").write_text("x.paltform\n")
    assert names(folder / "package" / "slip.py") == []
    (folder / ".gitignore").write_text("other.py\n")
    assert names(folder / "package" / "slip.py") == ["paltform"]


def test_text_of_an_editor_counts_instead_of_the_file_on_disk(folder: Path) -> None:
    path = folder / "package" / "slip.py"
    path.write_text(SLIP.replace("sys.platform,", "sys.paltform,"))
    unsaved = SourceFile.from_bytes(SLIP.encode(), path)
    found = repair_source(unsaved, FakePredictor()).findings
    assert [one.original for one in found] == ["paltform"]


def test_a_project_is_read_once_and_only_if_asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    whole = project._read

    def counted(root: Path) -> dict[Path, bytes] | None:
        read.append(root)
        return whole(root)

    monkeypatch.setattr(project, "_read", counted)
    paths = [folder / f"{name}.py" for name in "abc"]
    for path in paths:
        path.write_text("def f():\n    return 1\n")
    targets = [Target(str(path)) for path in paths]
    assert len(list(repair_paths(targets, FakePredictor(), RepairOptions()))) == 3
    assert read == []
    paths[0].write_text(SLIP)
    paths[1].write_text(SLIP.replace("paltform", "plattform"))
    found = list(repair_paths(targets, FakePredictor(), RepairOptions()))
    assert [[one.original for one in result.findings] for result in found] == [
        [], ["plattform"], [],  # the slip of a.py stands in package/slip.py too
    ]  # fmt: skip
    assert read == [folder]


def test_a_project_too_large_to_be_read_is_taken_to_define_all(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project, "MOST_BYTES", 10)
    file = SourceFile.read(folder / "package" / "slip.py")
    found = Projects().around(file)
    assert found is not None
    assert found.mentions("paltform")


def test_text_without_a_name_has_no_project() -> None:
    assert Projects().around(SourceFile.from_bytes(SLIP.encode())) is None


def test_a_name_below_a_loop_of_links_is_no_error(folder: Path) -> None:
    (folder / "loop").symlink_to("loop")
    source = SourceFile.from_bytes(b"def f(a):\n    return b\n", folder / "loop" / "a.py")
    assert len(repair_source(source, FakePredictor()).findings) == 1


def test_files_beside_one_are_read_those_of_similar_names_first(folder: Path) -> None:
    place = folder / "package"
    for name in ("slips.py", "other.py", "slip.pyi", "slip.txt"):
        (place / name).write_text(f"# {name}\n")
    (place / "below.py").mkdir()
    (place / "link.py").symlink_to(place / "other.py")
    found = Projects().beside(SourceFile.read(place / "slip.py"))
    assert found == (b"# slips.py\n", b"# other.py\n")
    assert Projects().beside(SourceFile.from_bytes(b"", place / "new.py"))[-1] != b""
    assert Projects().beside(SourceFile.from_bytes(b"", folder / "none" / "new.py")) == ()
    assert Projects().beside(SourceFile.from_bytes(SLIP.encode())) == ()


def test_files_beside_one_are_read_once(folder: Path) -> None:
    projects = Projects()
    other = folder / "package" / "other.py"
    other.write_text("x = 1\n")
    slip = SourceFile.read(folder / "package" / "slip.py")
    (first,) = projects.beside(slip)
    other.write_text("x = 2\n")
    assert projects.beside(slip)[0] is first
    slip.path.write_text("x = 3\n")
    assert projects.beside(SourceFile.read(other)) == (SLIP.encode(),), "as it was when it was read"
    other.unlink()
    assert projects.beside(slip) == ()


def test_not_too_many_files_are_read_beside_one(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"a.py": 1, "ab.py": 60, "abc.py": 50, "abcd.py": 40, "abcde.py": 101}
    monkeypatch.setattr(project, "BESIDE_BYTES", 100)
    monkeypatch.setattr(project, "LARGEST_BESIDE", 100)
    assert beside("a.py", sizes) == ["ab.py", "abcd.py"]
    monkeypatch.setattr(project, "BESIDE", 2)
    assert beside("a.py", sizes) == ["ab.py"]


def test_lines_of_a_file_in_a_work_tree_have_ages(folder: Path) -> None:
    path = folder / "package" / "slip.py"
    source = SourceFile.read(path)
    assert past(source) == History()
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    assert past(source) == History()
    commit(folder)
    ages = past(source).ages
    assert len(ages) == 5 and all(map(math.isnan, ages))
    assert past(SourceFile.from_bytes(SLIP.encode() + b"x = 1\n", path)).ages[5] == 0
    (path.parent / "test_slip.py").write_text(SLIP)
    commit(folder)
    assert past(SourceFile.read(path.parent / "test_slip.py")).ages == (), "of tests there are none"
    assert past(SourceFile.from_bytes(SLIP.encode())) == History()
    assert past(SourceFile.from_bytes(SLIP.encode(), folder / "none" / "a.py")) == History()


def test_a_name_that_a_change_left_behind(folder: Path) -> None:
    """The change may be one that is not committed yet."""
    path = folder / "package" / "moved.py"
    before = "def f(place):\n    open(place)\n    return place\n"
    path.write_text(before)
    commit(folder)
    after = before.replace("f(place)", "f(url)").replace("open(place)", "open(url)")
    for commits in (False, True):
        path.write_text(after)
        if commits:
            commit(folder)
        (found,) = repair_source(SourceFile.read(path), FakePredictor()).findings
        assert (found.original, found.replacement) == ("place", "url")
        assert found.message == (
            "'place' is defined nowhere in reach; did you mean 'url'? "
            "A change of this file renamed it so"
        )


def test_a_text_that_an_editor_sent_is_as_old_as_on_disk(folder: Path) -> None:
    path = folder / "latin.py"
    text = '# -*- coding: latin-1 -*-\nname = "Größe"\n'
    path.write_bytes(text.encode("latin-1"))
    commit(folder)
    read, sent = SourceFile.read(path), SourceFile.from_text(text, path)
    assert read.saved == sent.saved == path.read_bytes()
    assert past(sent).ages == pytest.approx(past(read).ages, nan_ok=True)
    assert math.isnan(past(sent).ages[1]), "a first commit's, not a new line"
    broken = SourceFile.from_text("# coding: no-such-encoding\nx = 1\n", path)
    assert broken.saved == broken.data
