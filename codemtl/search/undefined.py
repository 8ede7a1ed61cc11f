"""What cannot work, mended: undefined names, imports that lead nowhere, calls that do not fit.

A test that reaches one cannot pass.
"""

from __future__ import annotations

from collections.abc import Sequence

from codemtl.inference.predictor import Calibration
from codemtl.inference.project import Projects
from codemtl.inference.scope_findings import scope_findings
from codemtl.search.candidates import Candidate
from codemtl.search.localization import Suspicion
from codemtl.search.outcomes import Baseline
from codemtl.search.queue import Item
from codemtl.search.singles import SearchFile
from codemtl.syntax.actions import CALL, UNDEFINED
from codemtl.syntax.findings import Finding
from codemtl.syntax.imports import Import
from codemtl.syntax.results import edits_of, has_fix

DEFINED = 0.5  # probability that one of them is the repair
UNRUN = 0.05  # suspicion of a name that no failing test runs
RULE = "undefined-name"


def undefined(files: Sequence[SearchFile], baseline: Baseline) -> list[Item]:
    """Candidates whose weights sum up to ``DEFINED``: each repair, and all of a file together."""
    found: list[Item] = []
    projects = Projects()
    for file in files:
        project = projects.around(file.source)
        said = [
            one for one in scope_findings(file.scopes, {}, Calibration(), project)
            if one.kind in (UNDEFINED, CALL) and has_fix(one) and _is_chosen(one, file)
        ]  # fmt: skip
        places: dict[Import | int, list[Finding]] = {}
        for one in said:
            places.setdefault(one.missing or one.start, []).append(one)
        repairs = [*places.values()]
        suspicion = Suspicion(file.tree, file.path, baseline)
        for group in (*repairs, said) if len(repairs) > 1 else repairs:
            edits, name = edits_of(file.tree.data, group), group[0].function
            weight = max(_suspicion(one, file, suspicion) for one in group)
            found.append(Item(file.path, Candidate((*edits,), weight, RULE, group[0].kind, name)))
    total = sum(item.candidate.weight for item in found)
    return [
        item._replace(candidate=item.candidate.weighing(DEFINED * item.candidate.weight / total))
        for item in found
    ]


def _is_chosen(one: Finding, file: SearchFile) -> bool:
    inside = any(function.start <= one.start < function.end for function in file.functions)
    return inside or (file.outside and one.function is None)


def _suspicion(one: Finding, file: SearchFile, suspicion: Suspicion) -> float:
    line = file.tree.data.count(b"\n", 0, one.start) + 1
    return max(suspicion.lines.get(line, 0.0), UNRUN) if suspicion.known else 1.0
