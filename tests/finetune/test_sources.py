"""Which repositories are meant by a folder, and what is told of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from codemtl.corpus.build import sources_at
from codemtl.corpus.divide import cut_of
from codemtl.corpus.trees import paths_of
from codemtl.errors import DataError
from codemtl.finetune.sources import found_at, remarks

from .conftest import Work, module


@pytest.fixture(scope="module")
def outer(work: Work, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with ``work`` as the submodule libs/shop, and a file of its own beside it."""
    made = Work(tmp_path_factory.mktemp("outer") / "outer")
    made.commit("Start", {"own/a.py": module(7000, 3), "libs/own.py": module(8000, 3)})
    made.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(work.path),
             "libs/shop")  # fmt: skip
    made.commit("A submodule", {})
    return made.path


def test_a_part_of_a_repository_means_all_of_it(work: Work, tmp_path: Path) -> None:
    (whole,), told = found_at([work.path])
    assert told == [] and whole.kind == "git"
    for places in ([work.path / "shop"], [work.path / "shop", work.path]):
        found, (told_of,) = found_at(places)
        assert found == [whole]
        assert told_of == f"{work.path / 'shop'} is a part of shop, all of which is read"
    (work.path / "made" / "lib").mkdir(parents=True)  # of no commit
    (apart,), told = found_at([work.path / "made"])
    assert (apart.kind, told) == ("folder", [])
    with pytest.raises(DataError, match="is not a folder"):
        found_at([work.path / "shop" / "part0.py"])
    assert found_at([tmp_path])[0][0].kind == "folder"


def test_a_submodule_from_inside_of_it(
    work: Work, outer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = outer / "libs" / "shop"
    monkeypatch.chdir(outer)
    (whole,), _ = found_at([inside])
    files, cut = paths_of(whole), cut_of(whole)
    (inside / "empty").mkdir(exist_ok=True)
    for place in ("shop", "empty"):
        monkeypatch.chdir(inside / place)
        assert paths_of(whole) == files and cut_of(whole) == cut, "wherever git is asked"
    monkeypatch.chdir(inside / "shop")
    assert found_at([Path()]) == ([whole], [f"{Path.cwd()} is a part of {whole.project}, all of"
                                            " which is read"])  # fmt: skip


def test_code_beside_repositories_is_told(outer: Path) -> None:
    (found,), (told,) = found_at([outer / "libs"])
    assert found.kind == "git"
    assert told.startswith("1 folders with code beside repositories are not read")


def test_what_of_a_repository_is_not_read(work: Work, outer: Path, tmp_path: Path) -> None:
    clone, tree = tmp_path / "shop", tmp_path / "tree"
    command = ["git", "clone", "-q", "--depth", "2", f"file://{work.path}", str(clone)]
    subprocess.run(command, check=True)
    subprocess.run(["git", "-C", str(clone), "worktree", "add", "-q", str(tree)], check=True)
    for place in (clone, tree):
        (place / "shop" / "part1.py").write_text("x = 1\n")
        told = remarks(sources_at([place])[0])
        assert "1 files have uncommitted changes" in told[0] and "a shallow clone" in told[-1]
    submodule = sources_at([outer / "libs" / "shop"])[0]
    assert remarks(submodule) == []
    file = outer / "libs" / "shop" / "shop" / "part1.py"
    text = file.read_text()
    file.write_text("x = 1\n")
    assert "1 files have uncommitted changes" in remarks(submodule)[0]
    file.write_text(text)
    assert remarks(sources_at([work.path])[0]) == []
