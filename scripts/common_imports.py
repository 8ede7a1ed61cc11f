"""The imports that programs at large have for a name: writes ``codemtl/syntax/common_imports.txt``.

    python scripts/common_imports.py --repositories FOLDER [--out FILE]

Counted in the Python files of each training project (`data/sources.tsv`, `data/sources_real.tsv`)
in FOLDER at its last commit, in no function and under no condition. Kept is, for each name, the
import that it has in most projects, by the one that is commonest in each: those of at least 10
projects and six in ten of all that import the name. What a project imports of itself does not
count.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from codemtl.corpus import git
from codemtl.evaluation.repositories import Repositories, python_files
from codemtl.scripting import argument_parser, print_command, script
from codemtl.syntax.imports import Import, imports_of

PROJECTS, SHARE = 10, 0.6
LARGEST, MOST_FILES = 300_000, 3_000  # bytes of a file, files of a project
ROOT = Path(__file__).parent.parent


def main() -> None:
    options = _arguments()
    training, projects = _training(), 0
    counts: dict[str, Counter[Import]] = defaultdict(Counter)
    for project, folder in sorted(Repositories.at(options.repositories).git.items()):
        if project.casefold() not in training:
            continue
        projects += 1
        found: dict[str, Counter[Import]] = defaultdict(Counter)
        for one in _imports(folder):
            found[one.name][one] += 1
        for name, ways in found.items():
            counts[name][_commonest(ways)] += 1
    kept = [
        best for ways in counts.values()
        if ways[best := _commonest(ways)] >= max(PROJECTS, SHARE * ways.total())
    ]  # fmt: skip
    lines = sorted(one.statement for one in kept)
    options.out.write_text("\n".join(lines) + "\n", "utf-8")
    print_command()
    print(f"{len(lines)} imports from {projects} projects")


def _imports(folder: str) -> Iterator[Import]:
    """The absolute imports of the files of a repository, but for its own modules."""
    files = python_files(folder, "HEAD", "-r")
    own = {part.removesuffix(".py") for path in files for part in path.split("/")[:2]}
    with git.reader(folder) as read:
        for size, blob in [*files.values()][:MOST_FILES]:
            for one in imports_of(read(blob) or b"", top=True) if size <= LARGEST else ():
                root = one.module.partition(".")[0]
                if root and root not in own and root != "__future__" and one.name.isidentifier():
                    yield one


def _commonest(ways: Counter[Import]) -> Import:
    return min(ways, key=lambda one: (-ways[one], one.statement))


def _training() -> set[str]:
    """The repositories of training projects."""
    found: dict[str, bool] = {}
    for name in ("sources_real.tsv", "sources.tsv"):
        with (ROOT / "data" / name).open(encoding="utf-8") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                found[row["repository"].casefold()] = row.get("split", "train") == "train"
    return {repository for repository, trains in found.items() if trains}


def _arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--repositories", type=Path, required=True, help="where the corpus was mined"
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "codemtl" / "syntax" / "common_imports.txt"
    )
    return parser.parse_args()


if __name__ == "__main__":
    script(main)
