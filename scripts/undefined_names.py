"""Real fixes of undefined names and attributes: how often the suggestion is what the project wrote.

    python scripts/undefined_names.py --corpus CORPUS [--split validation] [--model DIR]

Each fix of the kind in the split is asked: first for the suggestion of the scope analysis; where
it has none, for the model's guess, by the probability that the model gives to it (from
``codemtl.tasks.repair.GUESS`` on it is shown). The constants ``undefined_name`` and
``undefined_name_guessed`` of a model's calibration are what comes out on validation. Then the fixes
of attributes and calls: how many are slips in attributes of ``self``, and what of these is right.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from codemtl import inference
from codemtl.evaluation.corpus import Corpus
from codemtl.evaluation.synthetic import function_at
from codemtl.inference.predictor import BatchPredictor, RepairRequest
from codemtl.syntax.actions import UNDEFINED
from codemtl.syntax.scopes import analyze
from codemtl.syntax.tree import parse
from codemtl.syntax.undefined import UndefinedName
from codemtl.tasks.repair import GUESS

ATTRIBUTES = ("attribute-misuse", "call-misuse")
STEPS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def main() -> None:
    options = _arguments()
    predictor = inference.load_predictor(options.model)
    assert isinstance(predictor, BatchPredictor)
    corpus = Corpus(options.corpus, options.split)
    suggested, guessed, cases = [], [], 0
    for row in _fixes(corpus, (UNDEFINED,)):
        cases += 1
        tree = parse(row["file"].encode())
        scopes, function = analyze(tree), function_at(tree, row["start"])
        name = _at(scopes.undefined_names, row)
        if name is None or function is None:
            continue
        if name.suggestions:
            suggested.append(name.suggestions[0] == row["edit_replacement"])
            continue
        for _, _, scored in predictor.scored_edits([RepairRequest(tree, [function], scopes)]):
            guessed += [
                (one.p_edit, one.edit.replacement == row["edit_replacement"])
                for one in scored
                if one.kind == UNDEFINED and one.edit.start == name.start
            ]
    print(f"command: {shlex.join(['python', *sys.argv])}")
    print(
        f"model: {predictor.name} {predictor.revision}; {cases} fixes of the {options.split} split"
    )
    print(f"suggested by the file: {_share(suggested)}")
    print(f"guessed by the model, from {GUESS}: {_share([right for _, right in guessed])}")
    for step in STEPS:
        print(f"    from {step}: {_share([right for chance, right in guessed if chance > step])}")
    right = sum(suggested) + sum(right for _, right in guessed)
    print(f"right in all: {sum(suggested)} with suggestions alone, {right} with guesses")
    slips, attributes = [], 0
    for row in _fixes(corpus, ATTRIBUTES):
        attributes += 1
        slip = _at(analyze(parse(row["file"].encode())).undefined_attributes, row)
        if slip is not None:
            slips.append(slip.suggestions[0] == row["edit_replacement"])
    print(f"attributes of self: {len(slips)} of {attributes} fixes of attributes and calls, "
          f"{_share(slips)}")  # fmt: skip


def _fixes(corpus: Corpus, wanted: Sequence[str]) -> Iterator[dict[str, Any]]:
    table = corpus.table("fixes")
    (kinds,) = table.columns(["kind"])
    for index in corpus.rows("fixes"):
        if kinds[index] in wanted:
            yield table.row(index)


def _at(names: Sequence[UndefinedName], row: dict[str, Any]) -> UndefinedName | None:
    return next((one for one in names if one.start == row["edit_start"]), None)


def _share(right: list[bool]) -> str:
    return f"{sum(right)} of {len(right)} right" + (
        f" ({sum(right) / len(right):.0%})" if right else ""
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--split", default="validation")
    parser.add_argument("--model", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
