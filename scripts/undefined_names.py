"""Real fixes of undefined names and attributes: how often the suggestion is what the project wrote.

    python scripts/undefined_names.py --corpus CORPUS [--split validation] [--model DIR]
        [--repositories FOLDER]

Each fix of the kind in the split is asked for the suggestion of the scope analysis, for what
changes of the file put in the place of the name, for the model's guess, and for what the name is
elsewhere in the project (`codemtl.inference.scope_findings` chooses between them; that an import is
missing is wrong here: `scripts/missing_imports.py` asks where it was right). The constants of a
model's calibration whose names begin with ``undefined_name`` are what comes out on validation; the
probability from which a guess is sure was chosen on training projects. Then the fixes of attributes
and calls: in how many nothing defines the attribute, what of these is right, and in how many clean
functions that is said too. With ``--repositories``, where the corpus was mined, changes are known
and the other files of a project are asked, as `codemtl repair` asks them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from codemtl import inference
from codemtl.evaluation.cases import Origin, repair_cases
from codemtl.evaluation.corpus import Corpus
from codemtl.evaluation.frozen import list_name, read_list
from codemtl.evaluation.repositories import Repositories
from codemtl.evaluation.synthetic import function_at
from codemtl.inference.predictor import BatchPredictor, Calibration, RepairRequest
from codemtl.inference.scope_findings import scope_findings
from codemtl.scripting import argument_parser, print_command, script
from codemtl.syntax.actions import UNDEFINED
from codemtl.syntax.definitions import functions
from codemtl.syntax.findings import Finding
from codemtl.syntax.scopes import analyze
from codemtl.syntax.tree import parse
from codemtl.syntax.undefined import UndefinedName

ATTRIBUTES = ("attribute-misuse", "call-misuse")
LISTS = Path(__file__).parent.parent / "data" / "benchmarks"
GROUPS = (
    "agreed: two of file, changes and model suggest the same",
    "suggested by the file or its changes, or the model is sure",
    "guessed by the model",
    "nobody suggests anything",
    "elsewhere the name is imported, or a module of the file has it",
)
MARKS = Calibration(  # tell the groups apart
    undefined_name_agreed=0, undefined_name=1, undefined_name_guessed=2, undefined_name_alone=3,
    missing_import=4,
)  # fmt: skip


def main() -> None:
    options = _arguments()
    predictor = inference.load_predictor(options.model)
    assert isinstance(predictor, BatchPredictor)
    corpus = Corpus(options.corpus, options.split)
    where = options.repositories
    repositories = Repositories({}) if where is None else Repositories.at(where)
    found: dict[str, list[bool]] = {group: [] for group in GROUPS}
    cases = 0
    for row in _fixes(corpus, (UNDEFINED,)):
        cases += 1
        tree = parse(row["file"].encode(), history=repositories.history(_origin(row)))
        scopes, function = analyze(tree), function_at(tree, row["start"])
        name = _at(scopes.undefined_names, row)
        if name is None or function is None:
            continue
        guesses = {}
        for _, _, scored in predictor.scored_edits([RepairRequest(tree, [function], scopes)]):
            guesses |= {
                one.edit.start: (one.edit.replacement, one.p_edit)
                for one, _ in scored if one.kind == UNDEFINED
            }  # fmt: skip
        project = repositories.around(_origin(row))
        (said,) = (
            one for one in scope_findings(scopes, guesses, MARKS, project)
            if one.start == name.start
        )  # fmt: skip
        group = GROUPS[round(said.confidence)]
        found[group].append(said.replacement == row["edit_replacement"])
    print_command()
    print(
        f"model: {predictor.name} {predictor.revision}; {cases} fixes of the {options.split} split"
    )
    for group, right in found.items():
        print(f"{group}: {_share(right)}")
    everything = [one for right in found.values() for one in right]
    print(f"in all: {_share(everything)}")
    _attributes(corpus, options.split, repositories)


def _attributes(corpus: Corpus, split: str, repositories: Repositories) -> None:
    """Undefined attributes in the fixes that changed one, and in clean functions."""

    def said(data: bytes, origin: Origin) -> list[Finding]:
        scopes = analyze(parse(data))
        found = scope_findings(scopes, {}, Calibration(), repositories.around(origin))
        return [one for one in found if one.kind != UNDEFINED]

    slips, fixes = [], 0
    for row in _fixes(corpus, ATTRIBUTES):
        fixes += 1
        for one in said(row["file"].encode(), _origin(row)):
            if one.start == row["edit_start"]:
                slips.append(one.replacement == row["edit_replacement"])
    cases = repair_cases(corpus, read_list(LISTS, list_name("real-bugs", split)))
    flagged = 0
    for case in cases.clean:
        starts = [one.start for one in said(case.data, case.origin)]
        for function in functions(parse(case.data)):
            if function.node.start_byte in case.starts:
                flagged += any(function.start <= at < function.end for at in starts)
    print(
        f"attributes: {len(slips)} of {fixes} fixes of attributes and calls, {_share(slips)}; "
        f"{flagged} of {cases.clean_functions} clean functions"
    )


def _fixes(corpus: Corpus, wanted: Sequence[str]) -> Iterator[dict[str, Any]]:
    table = corpus.table("fixes")
    (kinds,) = table.columns(["kind"])
    for index in corpus.rows("fixes"):
        if kinds[index] in wanted:
            yield table.row(index)


def _origin(row: dict[str, Any]) -> Origin:
    return Origin(row["project"], row["commit"], row["path"], parent=row["parent"])


def _at(names: Sequence[UndefinedName], row: dict[str, Any]) -> UndefinedName | None:
    return next((one for one in names if one.start == row["edit_start"]), None)


def _share(right: list[bool]) -> str:
    return f"{sum(right)} of {len(right)} right" + (
        f" ({sum(right) / len(right):.0%})" if right else ""
    )


def _arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--split", default="validation")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--repositories", type=Path, help="where the corpus was mined")
    return parser.parse_args()


if __name__ == "__main__":
    script(main)
