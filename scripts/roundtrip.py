"""Parse every Python file of some folders; nothing may crash, get lost or break.

    python scripts/roundtrip.py [FOLDER...] [--edits 2] [--seed 0] [--processes 2]

For each file: text -> tree -> text is identical, definitions, contexts, lexical views and
candidate edits are made without an error, and a sample of those edits is applied and verified.
Without folders, the standard library and the installed packages are taken. Exit code 1 if
anything failed.
"""

from __future__ import annotations

import argparse
import random
import sys
import sysconfig
import time
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from codemtl.errors import EditError, SourceError
from codemtl.scripting import argument_parser, script
from codemtl.syntax.context import FileFacts
from codemtl.syntax.edits import Edit
from codemtl.syntax.files import SourceFile
from codemtl.syntax.lexical import lexical_tokens
from codemtl.syntax.scopes import analyze
from codemtl.syntax.sites import Site, edit_for, edit_for_name, enumerate_sites
from codemtl.syntax.tree import SourceTree, parse, reassemble
from codemtl.syntax.verify import verify

Report = tuple[Counter[str], list[str]]  # counts, and what went wrong


def main() -> int:
    arguments = _arguments()
    folders = arguments.folders or [
        Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib")
    ]
    for folder in folders:
        if not folder.is_dir():
            print(f"{folder}: no such folder")
            return 2
    files = sorted({path for folder in folders for path in folder.rglob("*.py") if path.is_file()})
    check = partial(check_file, edits=arguments.edits, seed=arguments.seed)
    start = time.perf_counter()
    counts: Counter[str] = Counter()
    problems: list[str] = []
    with ProcessPoolExecutor(arguments.processes) as pool:
        for done, (found, wrong) in enumerate(pool.map(check, files, chunksize=16), 1):
            counts += found
            problems += wrong
            if done % 500 == 0:
                seconds = time.perf_counter() - start
                print(f"{done} of {len(files)} files in {seconds:.0f} s", file=sys.stderr)
    for problem in problems[: arguments.show]:
        print(problem)
    print(f"command: {' '.join(sys.argv)}; seed: {arguments.seed}")
    print(f"seconds: {time.perf_counter() - start:.1f}")
    for name in COUNTS:
        print(f"{name}: {counts[name]}")
    if not files:
        print("there was no file to look at")
    return 1 if problems or not files else 0


COUNTS = (
    "files", "bytes", "not Python source", "with syntax errors", "functions", "context snippets",
    "sites", "edits", "crashes", "texts not identical", "edits that break the file",
)  # fmt: skip


def check_file(path: Path, edits: int, seed: int) -> Report:
    """All checks of one file; an exception becomes a problem with its traceback."""
    counts: Counter[str] = Counter(files=1)
    problems: list[str] = []
    try:
        raw = path.read_bytes()
        counts["bytes"] = len(raw)
        if reassemble(parse(raw)) != raw:
            counts["texts not identical"] += 1
            problems.append(f"{path}: tree -> text is not identical")
        try:
            source = SourceFile.from_bytes(raw, path)
        except SourceError:
            counts["not Python source"] += 1
            return counts, problems
        _check_source(
            path, parse(source.data), edits, random.Random(f"{seed} {path.name}"), counts, problems
        )
    except Exception:
        counts["crashes"] += 1
        problems.append(f"{path}: {traceback.format_exc()}")
    return counts, problems


def _check_source(
    path: Path, tree: SourceTree, edits: int, generator: random.Random,
    counts: Counter[str], problems: list[str],
) -> None:  # fmt: skip
    counts["with syntax errors"] += tree.root.has_error
    facts = FileFacts(tree)
    for definition in facts.definitions:
        counts["functions"] += definition.kind == "function"
        counts["context snippets"] += len(facts.context(definition))
        lexical_tokens(tree, definition.node)
    scopes = analyze(tree)
    sites = [
        (site, found.groups)
        for definition in facts.definitions
        if definition.kind == "function"
        for found in [enumerate_sites(tree, definition.node, scopes)]
        for site in found.sites
    ]
    counts["sites"] += len(sites)
    for site, groups in generator.sample(sites, min(edits, len(sites))):
        edit = _any_edit(tree, site, groups, generator)
        if edit is None:
            continue
        counts["edits"] += 1
        try:
            verify(tree, [edit])
        except EditError as error:
            counts["edits that break the file"] += 1
            old = tree.data[edit.start : edit.end].decode()
            line = tree.data.count(b"\n", 0, edit.start) + 1
            problems.append(f"{path}:{line}: {old!r} -> {edit.replacement!r}: {error}")


def _any_edit(
    tree: SourceTree, site: Site, groups: list[tuple[str, ...]], generator: random.Random
) -> Edit | None:
    """One of the edits that the site allows, or None if it allows none."""
    names = groups[site.candidates] if site.candidates >= 0 else ()
    others = [name for name in names if name != site.state]
    if others:
        return edit_for_name(tree, site, generator.choice(others))
    return edit_for(tree, site, generator.choice(site.options)) if site.options else None


def _arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--edits", type=int, default=2, help="edits tried in each file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--show", type=int, default=20, help="problems printed")
    return parser.parse_args()


if __name__ == "__main__":
    script(main)
