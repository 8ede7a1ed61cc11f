"""A build over real repositories: what is kept, what is refused, and that it can be resumed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from datasets import Dataset

from codemtl.corpus import parts
from codemtl.corpus.build import build
from codemtl.corpus.splits import split_of
from codemtl.corpus.trees import find_sources, licence_of
from codemtl.errors import DataError, MissingExtraError, UsageError

MIT = "Permission is hereby granted, free of charge, to any person"
SHARED = "def shared(x):\n    y = x + 1\n    return y\n"
OWN = '''def own_{name}(items):
    """Return the items of {name} that are not empty."""
    kept = [item for item in items if item]
    return kept
'''


def name_in(split: str, number: int = 0) -> str:
    """A project name that falls into a split."""
    found = [f"proj{i}" for i in range(200) if split_of(f"proj{i}") == split]
    return found[number]


def make_repository(root: Path, name: str, files: dict[str, str], *, bare: bool = True) -> Path:
    work = root / (f"{name}-work" if bare else name)
    for path, text in files.items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_text(text)
    run = ["git", "-C", str(work), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*run, "init", "-q", "-b", "main"], check=True)
    subprocess.run([*run, "add", "-A"], check=True)
    subprocess.run([*run, "commit", "-q", "-m", "one"], check=True)
    if not bare:
        return work
    git = root / f"owner+{name}" / "repo"
    subprocess.run(["git", "clone", "-q", "--bare", str(work), str(git)], check=True)
    subprocess.run(["git", f"--git-dir={git}", "remote", "remove", "origin"], check=True)
    return git


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mirror")
    scratch = tmp_path_factory.mktemp("scratch")

    def add(name: str, files: dict[str, str]) -> None:
        git = make_repository(scratch, name, files)
        git.parent.rename(root / git.parent.name)

    train, test = name_in("train"), name_in("test")
    add(train, {
        "LICENSE": MIT, "pkg/a.py": SHARED + "\n\n" + OWN.format(name="train"),
        "pkg/same.py": SHARED, "tests/test_a.py": SHARED, "pkg/vendor/b.py": OWN.format(name="v"),
        "pkg/gpl.py": "# GNU General Public License\n" + OWN.format(name="gpl"),
        "pkg/bad.py": "def f(:\n", "pkg/tornado/web.py": OWN.format(name="tornado"),
    })  # fmt: skip
    add(test, {"LICENSE": MIT, "a.py": SHARED + "\n\n" + OWN.format(name="test")})
    add("unlicensed", {"a.py": OWN.format(name="no")})
    add("copyleft", {"COPYING": "GNU GENERAL PUBLIC LICENSE", "a.py": OWN.format(name="gpl")})
    add("pandas", {"LICENSE": MIT, "a.py": OWN.format(name="pandas")})
    return root


def test_sources_of_a_mirror(mirror: Path) -> None:
    sources = find_sources(mirror)
    assert [one.project for one in sources] == sorted(
        f"owner/{name}"
        for name in (name_in("train"), name_in("test"), "unlicensed", "copyleft", "pandas")
    )
    assert all(len(one.commit) == 40 for one in sources)
    licences = {one.project: licence_of(one) for one in sources}
    assert licences["owner/copyleft"] is licences["owner/unlicensed"] is None
    assert licences["owner/pandas"] == "MIT"


def test_build(mirror: Path, tmp_path: Path) -> None:
    calls: list[tuple[str, int, int]] = []
    summary = build([mirror], tmp_path, jobs=1, progress=lambda *call: calls.append(call))
    assert [call[1:] for call in calls] == [(number, 5) for number in range(1, 6)]
    assert summary.projects == {"train": 1, "test": 1}
    assert summary.rejected_projects == {"licence": 2, "reserved": 1}
    reasons = summary.rejected_files
    assert (reasons["test"], reasons["vendored"], reasons["licence"]) == (1, 1, 1)
    assert (reasons["syntax"], reasons["reserved"], reasons["duplicate"]) == (1, 1, 1)

    functions = Dataset.load_from_disk(str(tmp_path / "functions"))
    files = Dataset.load_from_disk(str(tmp_path / "files"))
    found = {(row["qualname"], row["split"]) for row in functions}
    assert found == {("own_train", "train"), ("shared", "test"), ("own_test", "test")}
    assert functions["function_id"][:] == [0, 1, 2]
    for row in functions:
        file = files[row["file_id"]]
        assert file["file_id"] == row["file_id"]
        data = file["text"].encode()
        assert data[row["start"] : row["end"]].decode() == row["source"]
        assert (file["split"], file["project"]) == (row["split"], row["project"])
    by_id = {row["function_id"]: row for row in functions}
    for row in Dataset.load_from_disk(str(tmp_path / "pairs")):
        assert row["summary"] == by_id[row["function_id"]]["summary"] != ""
        assert '"""' not in row["source"]
    for row in Dataset.load_from_disk(str(tmp_path / "masked_lines")):
        whole = row["prefix"] + row["target"] + row["suffix"]
        assert whole.split("\n")[row["line"]].strip() == row["target"]
    counts = json.loads((tmp_path / "summary.json").read_text())
    assert counts["functions"] == {"test": 2, "train": 1}
    assert counts["checksums"].keys() == {"train", "validation", "test"}
    table = (tmp_path / "sources.tsv").read_text().splitlines()
    assert len(table) == 3 and table[0].startswith("project\trepository\tcommit")


def test_finished_projects_are_not_read_again(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build([mirror], tmp_path, jobs=1)

    def fail(*_: object) -> None:
        raise AssertionError("a finished project was read again")

    monkeypatch.setattr(parts, "_write_rows", fail)
    assert build([mirror], tmp_path, jobs=1) == first
    with pytest.raises(AssertionError):
        build([mirror], tmp_path, jobs=1, seed=1)  # other settings make other parts


def test_two_processes_give_the_same(mirror: Path, tmp_path: Path) -> None:
    build([mirror], tmp_path / "one", jobs=1)
    build([mirror], tmp_path / "two", jobs=2)
    for name in ("files", "functions", "pairs", "masked_lines"):
        one, two = (Dataset.load_from_disk(str(tmp_path / out / name)) for out in ("one", "two"))
        assert one.to_list() == two.to_list()


def test_own_code_needs_no_licence(tmp_path: Path) -> None:
    make_repository(tmp_path, "mine", {"a.py": OWN.format(name="x")}, bare=False)
    with pytest.raises(DataError, match="licence"):
        build([tmp_path / "mine"], tmp_path / "out", jobs=1)
    summary = build([tmp_path / "mine"], tmp_path / "out", jobs=1, any_licence=True)
    assert summary.functions.total() == 1


def test_a_folder_is_read_again_when_its_files_change(tmp_path: Path) -> None:
    source = tmp_path / "mine"
    source.mkdir()
    (source / "a.py").write_text(OWN.format(name="x"))
    for count, name in enumerate(("b", "c"), 1):
        summary = build([source], tmp_path / "out", jobs=1, any_licence=True)
        assert summary.functions.total() == count
        (source / f"{name}.py").write_text(OWN.format(name=name))


def test_worktrees_and_parts_of_a_repository_have_its_name(tmp_path: Path) -> None:
    place = make_repository(
        tmp_path, "pandas", {"LICENSE": MIT, "core/a.py": OWN.format(name="x")}, bare=False
    )
    git = ("git", "-C", str(place), "-c", "user.name=x", "-c", "user.email=x@x")
    subprocess.run([*git, "checkout", "-q", "-f", "HEAD"], check=True)
    subprocess.run([*git, "worktree", "add", "-q", str(tmp_path / "bugfix")], check=True)
    (whole,) = find_sources(place)
    (tree,) = find_sources(tmp_path / "bugfix")
    (part,) = find_sources(place / "core")
    assert tree.kind == "git" and tree.commit == whole.commit
    assert tree.project == part.project == whole.project
    for path in (tmp_path / "bugfix", place / "core"):
        with pytest.raises(DataError, match="reserved"):
            build([path], tmp_path / "out", jobs=1, any_licence=True)


def test_the_cap_draws_files_by_seed(tmp_path: Path) -> None:
    files = {f"m{number}.py": OWN.format(name=f"f{number}") for number in range(20)}
    make_repository(tmp_path, "proj", {"LICENSE": MIT, **files}, bare=False)
    summary = build([tmp_path / "proj"], tmp_path / "out", jobs=1, max_bytes_per_project=500)
    assert 0 < summary.bytes_kept < 800
    assert summary.rejected_files["cap"] > 10


def test_installed_distributions(tmp_path: Path) -> None:
    for name, licence in (("good", "MIT"), ("bad", "GPL-3.0-only"), ("tqdm", "MIT")):
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (tmp_path / f"{name}.py").write_text(OWN.format(name=name))
        (info / "METADATA").write_text(f"Name: {name}\nLicense-Expression: {licence}\n")
        (info / "RECORD").write_text(f"{name}.py,sha256=x,1\n../../bin/x.py,,\n")
    summary = build([tmp_path], tmp_path / "out", jobs=1)
    assert summary.functions.total() == 1
    assert summary.rejected_projects == {"licence": 1, "reserved": 1}


def test_wrong_paths(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a folder"):
        build([tmp_path / "missing"], tmp_path / "out")
    with pytest.raises(DataError, match="no function"):
        build([tmp_path], tmp_path / "out", jobs=1, any_licence=True)


def test_a_corpus_is_written_over_neither_sources_nor_another_corpus(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.py").write_text(OWN.format(name=name))
    one, two, out = tmp_path / "one", tmp_path / "two", tmp_path / "out"
    with pytest.raises(UsageError, match="is one of the folders to mine"):
        build([one], one, jobs=1, any_licence=True)
    build([one], out, jobs=1, any_licence=True)
    with pytest.raises(UsageError, match="holds a corpus of other projects too: one; name"):
        build([two], out, jobs=1, any_licence=True)
    assert build([one, two], out, jobs=1, any_licence=True).functions.total() == 2
    place = make_repository(tmp_path / "many", "three", {"a.py": OWN.format(name="x")}, bare=False)
    with pytest.raises(UsageError, match="is one of the folders to mine"):
        build([tmp_path / "many"], place, jobs=1, any_licence=True)
    for raw in (b"project\trepository\n\xe4\n", b"a\tb\nc\td\n"):
        (out / "sources.tsv").write_bytes(raw)
        with pytest.raises(DataError, match="lists no corpus of codemtl"):
            build([one, two], out, jobs=1, any_licence=True)


def test_an_empty_folder_is_not_blamed_on_its_licence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError) as caught:
        build([tmp_path / "empty"], tmp_path / "out", jobs=1)
    assert str(caught.value) == "no function was found; 1 left out for want of Python functions"


def test_a_partial_or_headless_repository_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    texts = {"LICENSE": MIT, "a.py": OWN.format(name="a"), "b.py": OWN.format(name="b")}
    work = make_repository(tmp_path, "partial", texts, bare=False)
    git = ["git", "-C", str(work)]
    name = subprocess.check_output([*git, "rev-parse", "HEAD:a.py"], text=True).strip()
    (work / ".git" / "objects" / name[:2] / name[2:]).unlink()
    (work / ".git" / "HEAD").write_text("ref: refs/heads/unborn\n")
    summary = build([work], tmp_path / "out", jobs=1)
    assert summary.rejected_files == {"unreadable": 1}
    assert summary.functions.total() == 1


def test_mining_on_ray_gives_the_same(mirror: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs Ray: pip install 'codemtl[ray]'")
    build([mirror], tmp_path / "here", jobs=1)
    calls: list[str] = []
    summary = build(
        [mirror],
        tmp_path / "ray",
        jobs=2,
        ray="local",
        progress=lambda *call: calls.append(call[0]),
    )
    assert len(calls) == 5 and not summary.errors
    for name in ("summary.json", "sources.tsv"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "ray" / name).read_bytes()
    for name in ("files", "functions", "pairs", "masked_lines", "fixes"):
        one, two = (Dataset.load_from_disk(str(tmp_path / out / name)) for out in ("here", "ray"))
        assert one.to_list() == two.to_list()


def test_ray_that_is_not_there(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'codemtl\[ray\]'"):
        build([mirror], tmp_path, ray="auto")


def test_no_cluster_at_an_address(mirror: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs Ray: pip install 'codemtl[ray]'")
    with pytest.raises(DataError, match="cannot reach Ray at auto"):
        build([mirror], tmp_path, ray="auto")
