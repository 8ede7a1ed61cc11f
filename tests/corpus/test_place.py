"""What ``mine`` may replace in ``--out``, and that a corpus there is whole or plainly none."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from datasets import Dataset

from codemtl.corpus import build as build_module
from codemtl.corpus import join, parts, place, tables
from codemtl.corpus.build import build
from codemtl.corpus.divide import build_divided
from codemtl.corpus.processes import processes, task
from codemtl.corpus.trees import find_sources, plain_folders
from codemtl.errors import DataError, UsageError

CODE = '''def own_{name}(items):
    """Return the items of {name} that are not empty."""
    kept = [item for item in items if item]
    return kept
'''


def source(root: Path, name: str, functions: str = "a") -> Path:
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    for one in functions:
        (folder / f"{one}.py").write_text(CODE.format(name=f"{folder.name}_{one}"))
    return folder


def mine(*paths: Path, out: Path) -> Any:
    return build(paths, out, jobs=1, any_licence=True)


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and file.name != ".lock"
    }


def hidden(folder: Path) -> list[str]:
    return [one.name for one in folder.rglob(".*") if one.name != ".lock"]


@pytest.mark.parametrize("name", [*tables.TABLES, "summary.json", "sources.tsv"])
def test_what_is_the_users_is_refused_and_stays(name: str, tmp_path: Path) -> None:
    code, out = source(tmp_path, "src"), tmp_path / "out"
    (out / name).mkdir(parents=True)
    (out / name / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match=f"no corpus of codemtl but has {name}"):
        mine(code, out=out)
    assert snapshot(out) == {f"{name}/mine.txt": b"mine"}
    assert list(out.iterdir()) == [out / name]


def test_a_users_folder_in_a_corpus_stays(tmp_path: Path) -> None:
    code, out = source(tmp_path, "src"), tmp_path / "out"
    mine(code, out=out)
    shutil.rmtree(out / "fixes")
    (out / "fixes").mkdir()
    (out / "fixes" / "mine.txt").write_text("mine")
    for call in (lambda: mine(code, out=out), lambda: build_divided(find_sources(code), out)):
        with pytest.raises(UsageError, match="fixes is no table of a corpus"):
            call()
    assert (out / "fixes" / "mine.txt").read_text() == "mine"


def test_a_build_without_functions_leaves_the_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out = source(tmp_path, "src", "ab"), tmp_path / "out"
    mine(code, out=out)
    before = snapshot(out)
    shutil.rmtree(code)
    code.mkdir()
    with pytest.raises(DataError, match="no function was found"):
        mine(code, out=out)
    with pytest.raises(DataError, match="too little Python"):
        build_divided(find_sources(code), out)
    monkeypatch.setattr(build_module, "_mine_safely", lambda *_: "it failed")
    with pytest.raises(DataError, match="src: it failed"):
        mine(code, out=out)
    left = snapshot(out)
    assert {name: left[name] for name in before} == before and not hidden(out)


def test_two_processes_do_not_share_a_folder(tmp_path: Path) -> None:
    code, out = source(tmp_path, "src"), tmp_path / "out"
    mine(code, out=out)
    before = snapshot(out)
    with place.locked(out):
        for call in (lambda: mine(code, out=out), lambda: build_divided(find_sources(code), out)):
            with pytest.raises(UsageError, match="another process is mining into"):
                call()
    assert snapshot(out) == before
    assert mine(code, out=out).functions.total() == 1


def test_a_file_system_without_locks_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", fail)
    assert mine(source(tmp_path, "src"), out=tmp_path / "out").functions.total() == 1


def test_a_part_that_another_process_finished_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (found,) = find_sources(source(tmp_path, "src"))
    settings = parts.Settings(None, 0, True, build_module.load_exclusions(()))
    write, folder = parts._write_rows, tmp_path / "parts" / "one"

    def slow(*arguments: Any) -> None:
        write(*arguments)
        with monkeypatch.context() as patch:
            patch.setattr(parts, "_write_rows", write)
            patch.setattr(os, "getpid", lambda: 1)
            parts.mine_part(found, folder, settings)

    monkeypatch.setattr(parts, "_write_rows", slow)
    assert parts.mine_part(found, folder, settings).functions == 1
    assert [one.name for one in folder.parent.iterdir()] == ["one"]


def test_a_full_disk_leaves_the_corpus_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out = source(tmp_path, "src"), tmp_path / "out"
    mine(code, out=out)
    before = snapshot(out)
    source(tmp_path, "src", "bc")
    finish = tables.TableWriter.finish

    def fail(self: tables.TableWriter) -> None:
        if self._saved.name == "masked_lines":
            raise OSError(errno.ENOSPC, "no space")
        finish(self)

    with monkeypatch.context() as patch:
        patch.setattr(tables.TableWriter, "finish", fail)
        with pytest.raises(OSError, match="no space"):
            mine(code, out=out)
    left = snapshot(out)
    assert {name: left[name] for name in before} == before and not hidden(out)
    assert mine(code, out=out).functions.total() == 3


def test_a_stop_between_tables_is_seen_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out = source(tmp_path, "src"), tmp_path / "out"
    rename = Path.rename

    def stop(self: Path, target: Path) -> Path:
        if target == out / "pairs":
            raise KeyboardInterrupt
        return rename(self, target)

    for count in (1, 2):  # over nothing, then over a corpus
        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", stop)
            with pytest.raises(KeyboardInterrupt):
                mine(code, out=out)
        assert not (out / "summary.json").exists() and not hidden(out)
        assert mine(code, out=out).functions.total() == count
        assert len(Dataset.load_from_disk(str(out / "pairs"))) == count
        assert json.loads((out / "summary.json").read_text())["pairs"]
        source(tmp_path, "src", "b")


def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    code, out = source(tmp_path, "src"), tmp_path / "out"
    stale = [out / ".functions.17", out / ".corpus.17", out / "parts" / f".{'a1' * 12}.17"]
    others = [out / ".git", out / ".functions.old", out / "parts" / ".cache.17"]
    for folder in (*stale, *others):
        folder.mkdir(parents=True)
    mine(code, out=out)
    assert not any(folder.exists() for folder in stale)
    assert all(folder.exists() for folder in others)


def test_all_is_written_before_any_is_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    write = join._write_sources

    def watch(*arguments: Any) -> None:
        seen.append((tmp_path / "out" / "functions").exists())
        write(*arguments)

    monkeypatch.setattr(join, "_write_sources", watch)
    mine(source(tmp_path, "src"), out=tmp_path / "out")
    assert seen == [False]  # a disk that fills up now has not changed anything


WAITS = """import signal, sys, time
from pathlib import Path
from codemtl.corpus import build

def wait(source, folder, settings):
    working = folder.with_name(f".{folder.name}.1")
    try:
        working.mkdir()
        folder.with_suffix(".begun").touch()
        time.sleep(100)
    finally:
        folder.with_suffix(".cleared").touch()

build.mine_part = wait
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    build.build([Path(one) for one in sys.argv[2:]], Path(sys.argv[1]), jobs=2, any_licence=True)
"""


def until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_an_interrupt_ends_the_workers(tmp_path: Path) -> None:
    program, out = tmp_path / "program.py", tmp_path / "out"
    program.write_text(WAITS)
    sources = [str(source(tmp_path, f"src{number}")) for number in range(6)]
    command = [sys.executable, str(program), str(out), *sources]
    # a group of its own, so that Ctrl-C can reach the workers as it does in a terminal
    with subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True) as process:
        try:
            until(lambda: len(list(out.glob("parts/*.begun"))) == 2)
            os.killpg(process.pid, signal.SIGINT)
            _, said = process.communicate(timeout=30)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode in (130, -signal.SIGINT), said.decode()
    assert said.decode().count("Traceback") == 1, said.decode()  # none of the workers
    begun, cleared = (len(list(out.glob(f"parts/*.{name}"))) for name in ("begun", "cleared"))
    assert begun == cleared == 2 and not hidden(out)


def test_workers_of_a_killed_build_end(tmp_path: Path) -> None:
    program, out = tmp_path / "program.py", tmp_path / "out"
    program.write_text(WAITS)
    sources = [str(source(tmp_path, f"src{number}")) for number in range(3)]
    with subprocess.Popen([sys.executable, str(program), str(out), *sources]) as process:
        until(lambda: len(list(out.glob("parts/*.begun"))) == 2)
        workers = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    assert len(workers) > 1
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive


def test_code_beside_repositories_is_counted(tmp_path: Path) -> None:
    many = tmp_path / "many"
    for name in ("repo", "group/inner"):
        work = source(many, name)
        git = ["git", "-C", str(work), "-c", "user.name=a", "-c", "user.email=a@b.c"]
        for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "one"]):
            subprocess.run([*git, *command], check=True)
    assert plain_folders(many) == [] == plain_folders(many / "repo")
    assert not mine(many, out=tmp_path / "only").rejected_projects
    plain = source(many, "plain/deep/er").parents[1]
    beside = source(many, "group/plain")
    for name in (".hidden", "node_modules", "docs"):
        source(many, name, functions="" if name == "docs" else "a")
    source(many, "venv").joinpath("pyvenv.cfg").touch()
    assert set(plain_folders(many)) == {plain, beside}
    assert {one.kind for one in find_sources(many)} == {"git"}
    summary = mine(many, out=tmp_path / "out")
    assert summary.rejected_projects == {"beside repositories": 2}
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["rejected_projects"]
    source(many, ".", "z")
    assert many in plain_folders(many)
    summary = mine(many, plain, out=tmp_path / "out")
    assert summary.rejected_projects == {"beside repositories": 2}


def test_an_interrupt_at_their_start_leaves_workers_silent(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with processes(1) as pool:
        answer = pool.submit(task, os.getpid)
        (worker,) = pool._processes.values()
        os.kill(worker.pid, signal.SIGINT)  # a group of processes is sent it at once
        assert answer.result() == worker.pid
    assert capfd.readouterr().err == ""
