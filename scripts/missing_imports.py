"""Imports that are missing or lead nowhere: how often the repair is what the project wrote then.

    python scripts/missing_imports.py --repositories FOLDER [--split validation] [--jobs N]

The bugs come from the last 3,000 commits of each project of the split (`data/sources.tsv`) in
FOLDER: what a commit does to a file where nothing but imports changes, and a name that was
undefined is imported then. Scope analysis must say so first; what it does not see is not counted.
`codemtl repair` is asked as in a work tree at the commit before, and as of a file without a name.
Then the imports of own modules that lead nowhere before the commit, and no more after it. No model
takes part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from codemtl.corpus.import_fixes import ImportChange, ImportFix, import_changes, import_fixes
from codemtl.evaluation.cases import Origin
from codemtl.evaluation.histories import history_arguments
from codemtl.evaluation.repositories import Repositories
from codemtl.evaluation.results import percent
from codemtl.evaluation.workers import run
from codemtl.inference.missing_imports import same_source
from codemtl.inference.predictor import Calibration
from codemtl.inference.project import Project
from codemtl.inference.scope_findings import scope_findings
from codemtl.inference.stale_imports import stale_imports
from codemtl.scripting import argument_parser, print_command, script
from codemtl.syntax.imports import Import, imports_of
from codemtl.syntax.results import has_fix
from codemtl.syntax.scopes import analyze
from codemtl.syntax.tree import parse
from codemtl.tasks.metrics import grouped_share

MOST_COMMITS = 3_000
RIGHT, ATTRIBUTE = "the import that the project wrote", "module.name, of a module imported already"
OTHER, RENAMED, SILENT = "another import", "another name", "no repair"
SOURCES = Path(__file__).parent.parent / "data" / "sources.tsv"


class Told(NamedTuple):
    """What is said of one import that is missing or leads nowhere, in its project and without."""

    project: str
    path: str
    wanted: str
    inside: str
    alone: str | None = None  # of one that leads nowhere: nothing


def main() -> None:
    options = history_arguments(argument_parser(__doc__))
    projects = Repositories.at(options.repositories).of_split(options.split, SOURCES)
    found = run(_told, projects, _nothing, options.jobs, "missing imports")
    told = [one for rows in found for one in rows]
    missing = [one for one in told if one.alone is not None]
    stale = [one for one in told if one.alone is None]
    print_command()
    print(f"{len(projects)} projects of the {options.split} split")
    _print("missing imports, in the project", missing, [one.inside for one in missing])
    _print("missing imports, a file without a name", missing, [one.alone for one in missing])
    _print("imports that lead nowhere", stale, [one.inside for one in stale])
    if options.show:
        for one in told:
            print(*one, sep="\t")


def _print(title: str, told: Sequence[Told], answers: Sequence[str | None]) -> None:
    groups = np.unique([one.project for one in told], return_inverse=True)[1]
    print(f"{title}: {len(told)} of {len(set(groups))} projects")
    for answer in (RIGHT, ATTRIBUTE, OTHER, RENAMED, SILENT):
        hits = np.array([one == answer for one in answers], float)
        if hits.any():
            print(f"  {answer}: {percent(grouped_share(hits, groups))}")


def _nothing() -> None:
    """A process needs nothing to begin."""


def _told(_: None, source: tuple[str, str]) -> list[Told]:
    name, folder = source
    repositories, told = Repositories({name: folder}), []
    for one in import_changes(folder, MOST_COMMITS):
        project = repositories.around(Origin(name, one.commit, one.path, parent=one.parent))
        for fix in import_fixes(one):
            answers = _answer(fix, project), _answer(fix, None)
            told.append(Told(name, one.path, fix.wanted.statement, *answers))
        later = repositories.around(Origin(name, one.commit, one.path))
        if project is not None and later is not None:
            told += _stale(name, one, project, later)
    return told


def _stale(name: str, change: ImportChange, before: Project, after: Project) -> Iterator[Told]:
    """What is said of imports that the commit mends, or takes away."""
    stale = stale_imports(analyze(parse(change.before)), before)
    if not stale:
        return
    left = {one.module for one in stale_imports(analyze(parse(change.after)), after)}
    now = [*imports_of(change.after)]
    for one in stale:
        if one.module in left or one.module in (new.module for new in now):
            continue
        instead = Import("x", one.instead, "x") if one.instead else None
        written = [
            Import("x", new.module, "x") for new in now if new not in imports_of(change.before)
        ]
        right = instead is not None and any(
            same_source(instead, new, change.path, before.files) for new in written
        )
        answer = SILENT if instead is None else RIGHT if right else OTHER
        yield Told(name, change.path, one.module, answer)


def _answer(fix: ImportFix, project: Project | None) -> str:
    path = fix.change.path
    scopes = analyze(parse(fix.change.before))
    found = scope_findings(scopes, {}, Calibration(), project)
    said = next(one for one in found if one.original == fix.wanted.name)
    if said.missing is None:
        in_place = said.replacement.endswith(f".{said.original}")
        return (ATTRIBUTE if in_place else RENAMED) if has_fix(said) else SILENT
    files = project.files if project is not None else ()
    return RIGHT if same_source(said.missing, fix.wanted, path, files) else OTHER


if __name__ == "__main__":
    script(main)
