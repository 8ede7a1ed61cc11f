"""Names that a file used and did not import: how often the import is what the project wrote then.

    python scripts/missing_imports.py --repositories FOLDER [--split validation] [--jobs N]

The bugs come from the last 3,000 commits of each project of the split (`data/sources.tsv`) in
FOLDER: what a commit does to a file where nothing but imports changes, and a name that was
undefined is imported then. Scope analysis must say so first; what it does not see is not counted.
`codemtl repair` is asked as in a work tree at the commit before, and as of a file without a name.
No model takes part.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np

from codemtl.corpus.import_fixes import ImportFix, import_fixes
from codemtl.evaluation.cases import Origin
from codemtl.evaluation.repositories import Repositories
from codemtl.evaluation.results import percent
from codemtl.evaluation.workers import run
from codemtl.inference.missing_imports import same_source
from codemtl.inference.predictor import Calibration
from codemtl.inference.project import Project
from codemtl.inference.undefined import undefined_findings
from codemtl.scripting import argument_parser, print_command, script
from codemtl.syntax.results import has_fix
from codemtl.syntax.scopes import analyze
from codemtl.syntax.tree import parse
from codemtl.tasks.metrics import grouped_share

MOST_COMMITS = 3_000
RIGHT, ATTRIBUTE = "the import that the project wrote", "module.name, of a module imported already"
OTHER, RENAMED, SILENT = "another import", "another name", "no repair"
SOURCES = Path(__file__).parent.parent / "data" / "sources.tsv"


class Told(NamedTuple):
    """What is said of one missing import, in its project and without."""

    project: str
    path: str
    wanted: str
    inside: str
    alone: str


def main() -> None:
    options = _arguments()
    repositories = Repositories.at(options.repositories)
    with SOURCES.open(encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t")
        projects = sorted(
            (row["repository"], repositories.git[row["repository"]]) for row in rows
            if row["split"] == options.split and row["repository"] in repositories.git
        )  # fmt: skip
    found = run(_told, projects, _nothing, options.jobs, "missing imports")
    told = [one for rows in found for one in rows]
    groups = np.unique([one.project for one in told], return_inverse=True)[1]
    print_command()
    print(f"{len(told)} missing imports of {len(set(groups))} projects, of {len(projects)}")
    for title, answers in (
        ("in the project", [one.inside for one in told]),
        ("a file without a name", [one.alone for one in told]),
    ):
        print(title)
        for answer in (RIGHT, ATTRIBUTE, OTHER, RENAMED, SILENT):
            hits = np.array([one == answer for one in answers], float)
            print(f"  {answer}: {percent(grouped_share(hits, groups))}")
    if options.show:
        for one in told:
            print(*one, sep="\t")


def _nothing() -> None:
    """A process needs nothing to begin."""


def _told(_: None, source: tuple[str, str]) -> list[Told]:
    name, folder = source
    repositories, told = Repositories({name: folder}), []
    for one in import_fixes(folder, MOST_COMMITS):
        project = repositories.around(Origin(name, one.commit, one.path, parent=one.parent))
        answers = _answer(one, project), _answer(one, None)
        told.append(Told(name, one.path, one.wanted.statement, *answers))
    return told


def _answer(fix: ImportFix, project: Project | None) -> str:
    scopes = analyze(parse(fix.before))
    found = undefined_findings(scopes, {}, Calibration(), project)
    said = next(one for one in found if one.original == fix.wanted.name)
    if said.missing is None:
        in_place = said.replacement.endswith(f".{said.original}")
        return (ATTRIBUTE if in_place else RENAMED) if has_fix(said) else SILENT
    files = project.files if project is not None else ()
    return RIGHT if same_source(said.missing, fix.wanted, fix.path, files) else OTHER


def _arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--repositories", type=Path, required=True, help="where the corpus was mined"
    )
    parser.add_argument("--split", default="validation")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes")
    parser.add_argument("--show", action="store_true", help="what is said of each")
    return parser.parse_args()


if __name__ == "__main__":
    script(main)
