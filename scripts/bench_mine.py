"""How fast a history is mined for fixes: the whole of it, and against PyDriller side by side.

    python scripts/bench_mine.py REPO [--commits N] [--skip-whole]

The first row is the whole history of REPO as ``codemtl mine`` walks it. The others are the newest N
commits that are no merges (and what was merged between them), in one run:

- walk: both versions of the Python files of each commit whose message says fix
- mine: the same, and the test whether one function was repaired
- read all: as mine, but the files of every commit are read, whatever its message (PyDriller only:
  the loop over ``modified_files`` that its documentation shows)

PyDriller gets the same test of messages, before it reads any file, and the same test of functions.
It is needed here only:

    pip install --target FOLDER pydriller && PYTHONPATH=FOLDER python scripts/bench_mine.py REPO
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from codemtl.corpus import git, history, messages
from codemtl.corpus.exclusions import Exclusions
from codemtl.corpus.fixes import find_fix, mine_fixes
from codemtl.scripting import argument_parser, print_command, script

_STATUS = {"ADD": "A", "DELETE": "D", "MODIFY": "M", "RENAME": "R", "COPY": "C"}
Walk = tuple[int, set[str]]  # commits, the names of those that are fixes (mine) or may be (walk)


class Measured(NamedTuple):
    """One walk: seconds on the clock, and of processor time with that of git's processes."""

    wall: float
    processor: float
    commits: int
    found: set[str]


def main() -> int:
    options = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        # PyDriller wants a configuration that says "bare"; the clone shares all objects.
        clone = str(Path(folder, "repository.git"))
        command = ["git", "clone", "-q", "--bare", "--shared", str(options.repository), clone]
        subprocess.run(command, check=True)
        return _compare(clone, options)


def _compare(repository: str, options: argparse.Namespace) -> int:
    print_command()
    print(f"HEAD: {git.output(repository, 'rev-parse', 'HEAD')}")
    print("| walk | commits | found | wall s | commits/s | processor s | commits/processor s |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    if not options.skip_whole:
        _measure("codemtl mine, whole history", lambda: _mine(repository, "HEAD"))
    listed = git.output(repository, "rev-list", "--no-merges", f"-n{options.commits}", "HEAD")
    first = next(
        name
        for name in reversed(listed.split())
        if git.output(repository, "rev-parse", "-q", "--verify", f"{name}^")
    )
    new = f"{first}^..HEAD"
    walk = _measure("codemtl walk", lambda: _walk(repository, new))
    mine = _measure("codemtl mine", lambda: _mine(repository, new))
    try:
        import pydriller  # type: ignore[import-not-found]
    except ImportError:
        print("\nPyDriller is not installed; run: pip install --target FOLDER pydriller, then"
              " call this with PYTHONPATH=FOLDER")  # fmt: skip
        return 2
    driller = []
    for name, how in (("walk", (True, False)), ("mine", (True, True)), ("read all", (False, True))):
        run = partial(_pydriller, pydriller, repository, first, *how)
        driller.append(_measure(f"PyDriller {name}", run))
    print("\n| PyDriller : codemtl | on the clock | processor time |\n| --- | --- | --- |")
    pairs = (("walk : walk", driller[0], walk), ("mine : mine", driller[1], mine),
             ("read all : mine", driller[2], mine))  # fmt: skip
    for label, theirs, ours in pairs:
        ratios = theirs.wall / ours.wall, theirs.processor / ours.processor
        print(f"| {label} | {ratios[0]:.1f} | {ratios[1]:.1f} |")
    print(f"\nfixes found by both: {len(mine.found & driller[1].found)}, by codemtl alone: "
          f"{len(mine.found - driller[1].found)}, by PyDriller alone: "
          f"{len(driller[1].found - mine.found)}")  # fmt: skip
    return 0


def _walk(repository: str, revisions: str) -> Walk:
    walked: Counter[str] = Counter()
    found = set()
    with git.reader(repository) as read:
        for one in history.candidates(repository, revisions, walked, Counter()):
            if read(one.before) is not None and read(one.after) is not None:
                found.add(one.commit.name)
    return walked["commits"] - walked["merges"], found


def _mine(repository: str, revisions: str) -> Walk:
    walked: Counter[str] = Counter()
    rows = mine_fixes(repository, revisions, "", Exclusions(), walked, Counter())
    found = {row["commit"] for row in rows}
    return walked["commits"] - walked["merges"], found


def _pydriller(
    pydriller: Any, repository: str, first: str, messages_first: bool, test: bool
) -> Walk:
    commits = 0
    found = set()
    walk = pydriller.Repository(repository, only_no_merge=True, from_commit=first)
    for commit in walk.traverse_commits():
        commits += 1
        if messages_first and messages.rejection(commit.msg) is not None:
            continue
        files = {}
        for one in commit.modified_files:
            path = one.new_path or one.old_path
            is_python = path.endswith(".py")  # it cannot read the content of a submodule
            sources = (one.source_code_before, one.source_code) if is_python else (None, None)
            files[path] = (one.change_type.name, *sources)
        if not messages_first and messages.rejection(commit.msg) is not None:
            continue
        main = history.only_program_file([
            history.PathChange("100644", "", "", _STATUS.get(files[path][0], "T"), path)
            for path in files
        ])  # fmt: skip
        if isinstance(main, str):
            continue
        _, old, new = files[main.path]
        if old is None or new is None:
            continue
        if not test or not isinstance(find_fix(old.encode(), new.encode(), "", main.path), str):
            found.add(commit.hash)
    return commits, found


def _measure(label: str, walk: Callable[[], Walk]) -> Measured:
    start, used = time.perf_counter(), _processor()
    commits, names = walk()
    found = Measured(time.perf_counter() - start, _processor() - used, commits, names)
    print(f"| {label} | {found.commits} | {len(found.found)} | {found.wall:.1f} | "
          f"{found.commits / found.wall:.0f} | {found.processor:.1f} | "
          f"{found.commits / found.processor:.0f} |", flush=True)  # fmt: skip
    return found


def _processor() -> float:
    """Seconds of processor time of this process and of the git processes that have ended."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("repository", type=Path, metavar="REPO", help="a git repository")
    parser.add_argument("--commits", type=int, default=2000, help="for both, newest first")
    parser.add_argument("--skip-whole", action="store_true", help="only the side by side part")
    return parser.parse_args()


if __name__ == "__main__":
    script(main)
