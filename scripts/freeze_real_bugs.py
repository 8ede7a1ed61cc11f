"""Freeze ten real bugs with their tests: the list that ``bench_real_bugs.py`` reads.

    python scripts/freeze_real_bugs.py FOLDER --python VENV/bin/python [--out FILE]

FOLDER holds clones of the projects named below: well-known small libraries, pure Python, nearly
without dependencies, chosen by their names before any commit was looked at. The rule, fixed before
the repair command had been run on any of them:

1. Projects in alphabetical order of their canonical names, but for those that are reserved, that
   lie in the training part of the corpus, or whose licence is not recognised as permissive.
2. Commits from HEAD backwards, newest first (git log's order). The first that passes the steps
   below is taken; one a project; if that leaves fewer than ten, a second one from each in turn.
3. The corpus's own rules say that it is a repair: the message says fix (``corpus/messages.py``),
   one program file changes beside tests and documentation (``corpus/history.py``), and in it the
   body of one function (``corpus/fixes.py``, which leaves out changes of messages, imports,
   parameters and names throughout).
4. At most five lines of code are added and at most five removed; it adds or changes a test file.
5. The changed test files, run by the command below on the parent with those files put over it,
   fail (pytest's exit code 1: the tests ran and some failed), and with the commit's version of
   the one file they pass (exit code 0), each within 60 seconds.

The command is ``python -m pytest -q -o addopts= TESTFILES``, with ``-o pythonpath=src`` where the
program lies in ``src``. Nothing is edited to make an old commit run: what does not run is left out
and counted. Whether the tool can repair a bug plays no part. This runs the code of those projects.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import shlex
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path, PurePosixPath

import bench_real_bugs as bench

from codemtl.corpus import git, history
from codemtl.corpus.fixes import find_fix
from codemtl.corpus.reserved import is_reserved
from codemtl.corpus.splits import canonical_name
from codemtl.corpus.trees import Source, find_sources, licence_of
from codemtl.errors import DataError
from codemtl.scripting import argument_parser, print_command, script

WANTED = 10
ROUNDS = 2  # bugs a project, at most
MAX_LINES = 5
SECONDS = 60

# What the tests of each project need beside pytest.
PROJECTS = {
    "SethMMorton/natsort": ["hypothesis", "pytest-mock"],
    "Suor/funcy": ["whatever"],
    "alecthomas/voluptuous": [],
    "astanin/python-tabulate": [],
    "dateutil/dateutil": ["six", "freezegun", "hypothesis"],
    "executablebooks/markdown-it-py": ["mdurl"],
    "grantjenks/python-sortedcontainers": [],
    "h2non/jsonpath-ng": ["ply", "hypothesis"],
    "jaraco/inflect": ["more-itertools", "typeguard"],
    "jmespath/jmespath.py": ["hypothesis"],
    "jquast/wcwidth": [],
    "keleshev/schema": [],
    "kiorky/croniter": ["python-dateutil", "pytz", "tzlocal"],
    "life4/textdistance": ["hypothesis"],
    "mahmoud/glom": ["attrs", "boltons", "face"],
    "martinblech/xmltodict": [],
    "more-itertools/more-itertools": [],
    "msiemens/tinydb": ["pyyaml"],
    "prettytable/prettytable": ["wcwidth", "pytest-lazy-fixtures"],
    "pypa/packaging": ["pretend"],
    "python-humanize/humanize": ["freezegun"],
    "python-hyper/hyperlink": ["idna"],
    "python-semver/python-semver": [],
    "pytoolz/toolz": [],
    "r1chardj0n3s/parse": [],
    "rr-/docstring_parser": [],
    "sdispater/tomlkit": ["pyyaml"],
    "seperman/deepdiff": ["orderly-set"],
    "theskumar/python-dotenv": ["click"],
    "tkem/cachetools": [],
    "tobgu/pyrsistent": ["hypothesis"],
    "un33k/python-slugify": ["text-unidecode"],
}


def main() -> int:
    options = _arguments()
    if options.install:
        needed = sorted({name for names in PROJECTS.values() for name in names})
        print(shlex.join([options.python, "-m", "pip", "install", "pytest", *needed]))
        return 0
    if options.out.exists() and not options.force:
        sys.exit(f"{options.out} is frozen; --force writes over it")
    print_command()
    walked: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    walks = _walks(options, walked, dropped)
    found: list[bench.Bug] = []
    for _ in range(ROUNDS):
        for name, walk in walks.items():
            if len(found) == WANTED:
                break
            before = Counter(dropped)
            bug = next(walk, None)
            reasons = ", ".join(f"{n} {reason}" for reason, n in (dropped - before).most_common())
            taken = f"{bug.commit[:10]} {bug.function}" if bug else "nothing"
            print(f"{name}: {taken}; dropped: {reasons or 'none'}", flush=True)
            if bug is not None:
                found.append(bug)
    print(f"walked: {dict(walked.most_common())}\ndropped: {dict(dropped.most_common())}")
    text = "".join(json.dumps(asdict(bug)) + "\n" for bug in found)
    options.out.write_text(text, "utf-8")
    print(f"{options.out.name}: {len(found)}, SHA-256 {hashlib.sha256(text.encode()).hexdigest()}")
    return 0 if len(found) == WANTED else 1


def _walks(
    options: argparse.Namespace, walked: Counter[str], dropped: Counter[str]
) -> dict[str, Iterator[bench.Bug]]:
    """For each project that the rule admits, in its order, the bugs that its history yields."""
    splits = _splits(options.sources)
    known = {
        source.project.casefold(): source
        for source in find_sources(options.folder)
        if source.kind == "git"
    }
    walks = {}
    for project in sorted(PROJECTS, key=canonical_name):
        source = known.get(project.casefold())
        split = splits.get(canonical_name(project), "none")
        if source is None:
            reason = "not in the folder"
        elif is_reserved(project):
            reason = "reserved"
        elif split == "train":
            reason = "in the training part"
        elif licence_of(source) is None:
            reason = "licence"
        else:
            walks[project] = _bugs(project, split, source, options.python, walked, dropped)
            continue
        print(f"{project}: left out, {reason}")
        walked["projects left out"] += 1
    return walks


def _bugs(
    project: str,
    split: str,
    source: Source,
    python: str,
    walked: Counter[str],
    dropped: Counter[str],
) -> Iterator[bench.Bug]:
    """The bugs of one project that pass every step, newest first."""
    walked["projects"] += 1
    with git.reader(source.location) as read:
        for one in history.candidates(source.location, source.commit, walked, dropped):
            if not one.tests:
                dropped["no test changed"] += 1
                continue
            old, new = read(one.before), read(one.after)
            fix = (
                "unreadable"
                if old is None or new is None
                else find_fix(old, new, project, one.path)
            )
            if isinstance(fix, str):
                dropped[fix] += 1
                continue
            tests, run = _tests(source.location, one.commit)
            if not run:
                dropped["no test file to run"] += 1
                continue
            bug = bench.Bug(
                project, split, one.commit.name, one.commit.parent, one.path, fix.qualname,
                tests, _command(one.path, run), PROJECTS[project],
            )  # fmt: skip
            reason = _unfit(bug, source.location, python)
            walked["run"] += reason != _TOO_LONG
            if reason is None:
                yield bug
            else:
                dropped[reason] += 1


_TOO_LONG = f"more than {MAX_LINES} lines"


def _unfit(bug: bench.Bug, repository: str, python: str) -> str | None:
    """Why a bug fails the last two steps, or None."""
    try:
        with bench.checkout(bug, repository) as (folder, texts):
            if max(_lines(texts)) > MAX_LINES:
                return _TOO_LONG
            before, after = bench.run_both(bug, folder, texts, python, SECONDS)
    except DataError:
        return "cannot be checked out"
    if after.code != bench.PASSES:
        return f"tests after the repair: {after.word}"
    return None if before.code == bench.FAILS else f"tests before the repair: {before.word}"


def _lines(texts: bench.Texts) -> tuple[int, int]:
    """Lines of code added and removed; comments and blank lines do not count."""
    changed = [(line[0], line[1:].strip()) for line in bench.diff(*texts, "").splitlines()[2:]]
    code = [sign for sign, text in changed if text and not text.startswith("#")]
    return code.count("+"), code.count("-")


def _tests(repository: str, commit: history.Commit) -> tuple[list[str], list[str]]:
    """Test files that a commit adds or changes, and those of them that pytest can run."""
    listed = git.output(
        repository, "diff-tree", "-r", "-z", "--no-renames", "--name-only", "--diff-filter=AM",
        commit.parent, commit.name,
    )  # fmt: skip
    tests = [path for path in listed.split("\0") if path and history.is_test(path)]
    return tests, [path for path in tests if _runs(PurePosixPath(path))]


def _runs(path: PurePosixPath) -> bool:
    stem = path.stem
    named = stem.startswith("test_") or stem.endswith("_test") or stem in ("test", "tests")
    return path.suffix == ".py" and named


def _command(path: str, tests: list[str]) -> str:
    source = ["-o", "pythonpath=src"] if path.startswith("src/") else []
    return shlex.join(["python", "-m", "pytest", "-q", "-o", "addopts=", *source, *tests])


def _splits(sources: Path) -> dict[str, str]:
    """Split of each project of the corpus, by canonical name."""
    with sources.open(encoding="utf-8", newline="") as stream:
        return {row["project"]: row["split"] for row in csv.DictReader(stream, delimiter="\t")}


def _arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("folder", type=Path, help="where the repositories are")
    parser.add_argument("--python", type=bench.absolute, default=sys.executable,
                        help="interpreter for the tests")  # fmt: skip
    parser.add_argument("--sources", type=Path, default=bench.ROOT / "data" / "sources.tsv")
    parser.add_argument("--out", type=Path, default=bench.LIST)
    parser.add_argument("--force", action="store_true", help="write over a list that is there")
    parser.add_argument("--install", action="store_true", help="print the pip line and stop")
    return parser.parse_args()


if __name__ == "__main__":
    script(main)
