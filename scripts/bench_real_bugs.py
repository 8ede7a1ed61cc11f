"""What ``codemtl repair FILE --test CMD`` does on real bugs whose repair came with a test.

    python scripts/bench_real_bugs.py FOLDER [--python VENV/bin/python] [--check-only]

FOLDER holds the repositories that ``data/benchmarks/real_bugs_with_tests.jsonl`` points to (bare
or not, as ``FOLDER/owner+name`` or as any ``git clone`` names them); ``freeze_real_bugs.py`` states
how the bugs were chosen. For each bug the parent of the repair is checked out into a temporary
folder and the test files of the repair are put over it. The test command must fail there (exit
code 1) and pass with the repaired file, else the bug counts as unfit. Then

    codemtl repair FILE --test CMD --time-budget N --format json

runs in that folder as a process: the line and the function are not given. The patch it prints is
applied, and the project's test files run once more, outside the tool. "same" says whether the
patched file has the tokens of the real repair (comments, docstrings and layout aside); "tree" tells
when the run changed a file of the checkout, which it must not.

This runs the code of those projects. ``python`` in a test command is replaced by --python, which
needs pytest and what the list's ``requirements`` name; --install prints the line that gets them.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from codemtl.corpus.hashing import function_tokens
from codemtl.corpus.splits import canonical_name
from codemtl.corpus.trees import find_sources
from codemtl.errors import DataError
from codemtl.scripting import script
from codemtl.syntax.tree import parse

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "data" / "benchmarks" / "real_bugs_with_tests.jsonl"
# -P: or else modules of the project under repair would hide those that the tool imports
TOOL = [sys.executable, "-P", "-m", "codemtl"]
PATIENCE = 1800  # seconds until a run of the tool that does not keep to its budget is stopped
FAILS, PASSES = 1, 0  # pytest's exit codes; the others say that it could not run the tests


@dataclass(frozen=True, slots=True)
class Bug:
    """A line of the list: where a repair and its tests are. No source text."""

    project: str  # owner/name
    split: str  # of the corpus: validation, test, or none
    commit: str  # the repair
    parent: str
    path: str  # the repaired file
    function: str
    tests: list[str]  # files that the repair adds or changes for its tests
    command: str
    requirements: list[str]  # beside pytest


class Outcome(NamedTuple):
    """A command that ran; no exit code where it was stopped."""

    code: int | None
    seconds: float
    output: str
    errors: str

    @property
    def word(self) -> str:
        """What a test command's exit code says."""
        words = {None: "timeout", PASSES: "passes", FAILS: "fails"}
        return words.get(self.code, f"error {self.code}")


class Texts(NamedTuple):
    """The file before and after the real repair."""

    before: str
    after: str


def main() -> int:
    options = _arguments()
    bugs = [
        one for one in read_list(options.list) if not options.only or one.project in options.only
    ]
    if options.install:
        needed = sorted({name for one in bugs for name in one.requirements})
        print(shlex.join([options.python, "-m", "pip", "install", "pytest", *needed]))
        return 0
    print(f"command: {shlex.join(['python', *sys.argv])}")
    print(f"revision: {_revision()}, sample size: {len(bugs)}, time budget: {options.time_budget}")
    known = repositories(options.folder)
    if options.check_only:
        return _check(bugs, known, options)
    return _bench(bugs, known, options)


def _check(bugs: list[Bug], known: dict[str, str], options: argparse.Namespace) -> int:
    """Only whether each bug is still a bug, and its tests still tell."""
    print("\n| project | split | commit | function | lines | before | after | s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    diffs, fit = [], 0
    for bug in bugs:
        try:
            with checkout(bug, locate(bug.project, known)) as (folder, texts):
                before, after = run_both(bug, folder, texts, options.python, options.timeout)
        except DataError as error:
            print(f"| {_where(bug)} | | unfit: {error} | | |", flush=True)
            continue
        fit += before.code == FAILS and after.code == PASSES
        print(
            f"| {_where(bug)} | {changed_lines(texts)} | {before.word} | {after.word} | "
            f"{before.seconds:.1f} |",
            flush=True,
        )
        diffs.append((bug, diff(texts.before, texts.after, bug.path)))
    print(f"\nfail before and pass after the repair: {fit} of {len(bugs)}")
    for bug, text in diffs:
        print(f"\n## {bug.project} {bug.commit[:10]}\n\n{text}")
    return 0 if fit == len(bugs) else 1


def _bench(bugs: list[Bug], known: dict[str, str], options: argparse.Namespace) -> int:
    print(
        "\n| project | split | commit | function | lines | status | candidates | s | same | tests |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    pages, counts, unfit = [], dict.fromkeys(("fixed", "same", "pass"), 0), 0
    for bug in bugs:
        try:
            with checkout(bug, locate(bug.project, known)) as (folder, texts):
                row, page = _repair_one(bug, folder, texts, options, counts)
        except DataError as error:
            unfit += 1
            print(f"| {_where(bug)} | | unfit: {error} | | | | |", flush=True)
            continue
        print(f"| {_where(bug)} | {row} |", flush=True)
        pages.append(page)
    print(
        f"\nof {len(bugs) - unfit} bugs ({unfit} unfit): fixed {counts['fixed']}, "
        f"passing the project's test files outside the tool {counts['pass']}, "
        f"same as the real repair {counts['same']}"
    )
    print("\n".join(pages))
    return 1 if unfit else 0


def _repair_one(
    bug: Bug, folder: Path, texts: Texts, options: argparse.Namespace, counts: dict[str, int]
) -> tuple[str, str]:
    """A row of the table and what stands below it."""
    before, after = run_both(bug, folder, texts, options.python, options.timeout)
    if before.code != FAILS or after.code != PASSES:
        raise DataError(f"{before.word} before, {after.word} after the repair")
    state = tree_hash(folder)
    patch, note = repair(bug, folder, options.python, options.time_budget)
    if tree_hash(folder) != state:
        note += " The run changed a file of the tree."
    found = str(patch.get("diff") or "")
    same = tests = "-"
    counts["fixed"] += patch["status"] == "fixed"
    if found:
        patched = apply(folder, found, bug.path)
        if patched is None:
            same = tests = "does not apply"
        else:
            equal = tokens(patched) == tokens(texts.after)
            outcome = run(test_command(bug, options.python), folder, options.timeout)
            same, tests = "yes" if equal else "no", outcome.word
            counts["same"] += equal
            counts["pass"] += outcome.code == PASSES
    row = (
        f"{changed_lines(texts)} | {patch['status']} | {patch['candidates_tried']} | "
        f"{patch['seconds']:.1f} | {same} | {tests}"
    )
    page = [f"\n## {bug.project} {bug.commit[:10]}: {patch['status']}", note.strip()]
    page += ["real repair:\n", diff(texts.before, texts.after, bug.path)]
    page += ["found:\n", found] if found else []
    return row, "\n".join(line for line in page if line)


def repair(bug: Bug, folder: Path, python: str, budget: str) -> tuple[dict[str, Any], str]:
    """The ``patch`` that the tool reports, and its message. A failed run has status "error"."""
    command = [*TOOL, "repair", bug.path, "--test", shlex.join(test_command(bug, python))]
    command += ["--time-budget", budget, "--format", "json"]
    done = run(command, folder, PATIENCE, dict(os.environ))
    failed = {"status": "error", "diff": "", "candidates_tried": 0, "seconds": done.seconds}
    last = [f"exit code {done.code}", *done.errors.strip().splitlines()][-1]
    try:
        report = json.loads(done.output)["files"][0]
    except (ValueError, LookupError, TypeError):
        return failed, last
    if report.get("patch") is None:
        return failed, str(report.get("message") or "no patch was reported")
    patch = {**failed, **report["patch"]}
    return patch, str(patch.get("message") or "")


def read_list(path: Path) -> list[Bug]:
    return [Bug(**json.loads(line)) for line in path.read_text("utf-8").splitlines() if line]


def repositories(folder: Path) -> dict[str, str]:
    """Git directories in a folder, by project in lower case."""
    found = [source for source in find_sources(folder) if source.kind == "git"]
    return {source.project.casefold(): source.location for source in found}


def locate(project: str, known: dict[str, str]) -> str:
    """The git directory of a project: by owner and name, or by name where the owner is unknown."""
    exact = known.get(project.casefold())
    if exact is not None:
        return exact
    for name, location in known.items():
        if "/" not in name and canonical_name(name) == canonical_name(project):
            return location
    raise DataError(f"no repository of {project}")


@contextmanager
def checkout(bug: Bug, repository: str) -> Iterator[tuple[Path, Texts]]:
    """A temporary folder with the parent's files and the repair's tests; the repository stays."""
    with tempfile.TemporaryDirectory(prefix="real-bug-") as temporary:
        folder = Path(temporary, "tree")
        folder.mkdir()
        _write(repository, bug.parent, folder, Path(temporary, "index"))
        _write(repository, bug.commit, folder, Path(temporary, "index"), bug.tests)
        repaired = Path(temporary, "repaired")
        repaired.mkdir()
        _write(repository, bug.commit, repaired, Path(temporary, "index"), [bug.path])
        texts = (_text(root / bug.path) for root in (folder, repaired))
        yield folder, Texts(*texts)


def _write(
    repository: str, commit: str, folder: Path, index: Path, paths: list[str] | None = None
) -> None:
    """Put the files of a commit, or some of them, into a folder by an index of our own."""
    environment = {**os.environ, "GIT_INDEX_FILE": str(index), "GIT_NO_LAZY_FETCH": "1"}
    write = ["checkout-index", "-q", "-f", f"--prefix={folder}/"]
    write += ["-a"] if paths is None else ["--", *paths]
    for command in (["read-tree", commit], write):
        done = subprocess.run(
            ["git", f"--git-dir={repository}", f"--work-tree={folder}", *command],
            env=environment, capture_output=True, text=True, cwd=folder, check=False,
        )  # fmt: skip
        if done.returncode:
            raise DataError(f"git {command[0]} of {commit[:10]}: {done.stderr.strip()}")


def run_both(
    bug: Bug, folder: Path, texts: Texts, python: str, timeout: float
) -> tuple[Outcome, Outcome]:
    """The test command before and after the real repair; the folder ends as it began."""
    command = test_command(bug, python)
    before = run(command, folder, timeout)
    _put(folder / bug.path, texts.after)
    try:
        return before, run(command, folder, timeout)
    finally:
        _put(folder / bug.path, texts.before)


def test_command(bug: Bug, python: str) -> list[str]:
    words = shlex.split(bug.command)
    return [python, *words[1:]] if words[0] == "python" else words


def run(
    command: list[str], folder: Path, timeout: float, environment: dict[str, str] | None = None
) -> Outcome:
    """Run a command and what it starts, at most ``timeout`` seconds.

    Without an environment it gets this process's, fit for the project's tests.
    """
    if environment is None:  # a stale .pyc could stand for a file patched in the same second
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        environment.pop("PYTHONPATH", None)
    start = time.perf_counter()
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output,
            stderr=errors, start_new_session=True,
        )  # fmt: skip
        code = None
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            pass
        finally:
            if code is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        seconds = time.perf_counter() - start
        texts = []
        for file in (output, errors):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
        return Outcome(code, seconds, *texts)


def apply(folder: Path, patch: str, path: str) -> str | None:
    """The file with a unified diff applied, in the checkout; None where it does not apply."""
    done = subprocess.run(
        ["git", "apply", "--whitespace=nowarn", "-"], cwd=folder, capture_output=True, check=False,
        input=patch.encode("utf-8", "surrogateescape"),
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.resolve().parent)},
    )  # fmt: skip
    return None if done.returncode else _text(folder / path)


def tokens(text: str) -> list[str]:
    """Lexical tokens of a file: no comments, docstrings or layout, but the indentation's depth."""
    tree = parse(text.encode("utf-8", "surrogateescape"))
    return [token.text for token in function_tokens(tree, tree.root)]


def diff(before: str, after: str, path: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"a/{path}", f"b/{path}", "", "", 1, ""
    )
    return "\n".join(lines)


def changed_lines(texts: Texts) -> str:
    """Lines added and removed, as ``+2 -1``."""
    lines = diff(*texts, "").splitlines()[2:]
    return f"+{sum(x[0] == '+' for x in lines)} -{sum(x[0] == '-' for x in lines)}"


def tree_hash(folder: Path) -> str:
    """Of names and contents of the files; what tests leave behind (caches) does not count."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not {"__pycache__", ".pytest_cache", ".hypothesis"} & {*parts}:
            digest.update("/".join(parts).encode("utf-8", "surrogateescape") + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def absolute(program: str) -> str:
    """A program that is found from any folder; a link stays one, since it makes the venv."""
    return os.path.abspath(program) if os.sep in program else program


def _where(bug: Bug) -> str:
    return f"{bug.project} | {bug.split} | {bug.commit[:10]} | `{bug.function}`"


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "surrogateescape")


def _put(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8", "surrogateescape"))


def _revision() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where the repositories are")
    parser.add_argument("--list", type=Path, default=LIST)
    parser.add_argument("--only", nargs="+", metavar="OWNER/NAME", help="these projects")
    parser.add_argument("--python", type=absolute, default=sys.executable,
                        help="interpreter for the tests")  # fmt: skip
    parser.add_argument("--time-budget", default="60", help="of repair, for one bug")
    parser.add_argument(
        "--timeout", type=float, default=120, help="seconds of one run of the tests"
    )
    parser.add_argument("--check-only", action="store_true", help="run the tests, not repair")
    parser.add_argument("--install", action="store_true", help="print the pip line and stop")
    return parser.parse_args()


if __name__ == "__main__":
    script(main)
