"""Fit how programmers confuse names, from the real fixes of training projects.

    python scripts/fit_plausibility.py --corpus CORPUS [--limit 3000]

For each fix by one name the place is looked at as it is after the repair, and the question is which
of the names that fit there stood in the bug: a conditional logit (McFadden 1974) over
`name_features` and whether the name stands for another kind of thing. Prints the coefficients for
``codemtl.corpus.plausibility`` and the mean log-likelihood of the wrong name, on training and
validation projects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from datasets import load_from_disk
from numpy.typing import NDArray

from codemtl.corpus.plausibility import (
    NAME_COEFFICIENTS,
    OTHER_CATEGORY,
    is_same_but_underscores,
    name_features,
)
from codemtl.evaluation.conditional_logit import fit_choice
from codemtl.scripting import argument_parser, script
from codemtl.syntax.actions import NAME
from codemtl.syntax.definitions import functions
from codemtl.syntax.edits import Edit, apply
from codemtl.syntax.scopes import analyze
from codemtl.syntax.sites import enumerate_sites
from codemtl.syntax.tree import parse

KINDS = ("variable-misuse", "call-misuse", "attribute-misuse")
RIDGE = 0.5


class Choice(NamedTuple):
    """Features [K, F] of the names that could have stood there, and which of them did."""

    features: NDArray[np.float64]
    wrong: int


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=3000, help="fixes of a split, at most")
    options = parser.parse_args()
    found = {
        split: list(choices(options.corpus, split, options.limit))
        for split in ("train", "validation")
    }
    rows = [(one.features, np.eye(len(one.features))[one.wrong]) for one in found["train"]]
    fitted = fit_choice(rows, RIDGE)
    now = np.array([*NAME_COEFFICIENTS, np.log(OTHER_CATEGORY)])
    print(f"coefficients of distance, case, words, ends: {fitted[:-1].round(2).tolist()}")
    print(f"factor of another kind of thing: {np.exp(fitted[-1]):.3f}")
    print("\n| split | fixes | any name | as it is | fitted |\n| --- | --- | --- | --- | --- |")
    for split, rows in found.items():
        values = (likelihood(rows, one) for one in (np.zeros(len(now)), now, fitted))
        print(f"| {split} | {len(rows)} | " + " | ".join(f"{value:.3f}" for value in values) + " |")


def choices(corpus: Path, split: str, limit: int) -> Iterator[Choice]:
    """The places of real bugs, as far as the wrong name is among those that fit."""
    table = load_from_disk(str(corpus / "fixes"))
    kinds, splits = np.array(table["kind"]), np.array(table["split"])
    for index in np.flatnonzero(np.isin(kinds, KINDS) & (splits == split))[:limit].tolist():
        made = _choice(table[index])
        if made is not None:
            yield made


def _choice(row: dict[str, Any]) -> Choice | None:
    start, wrong, right = row["edit_start"], row["edit_original"], row["edit_replacement"]
    tree = parse(apply(row["file"].encode(), [Edit(start, row["edit_end"], right)]))
    scopes = analyze(tree)
    for function in functions(tree):
        if function.qualname != row["qualname"]:
            continue
        sites = enumerate_sites(tree, function.node, scopes)
        for site in sites.sites:
            if site.start != start or site.candidates < 0 or site.state != right:
                continue
            found = scopes.occurrence(start) if site.family == NAME else None
            kind = [scopes.category(found.scope, right)] if found else []
            names, features = [], []
            for rank, name in enumerate(sites.groups[site.candidates]):
                if is_same_but_underscores(right, name):
                    continue
                other = found is not None and [scopes.category(found.scope, name)] != kind
                names.append(name)
                features.append([*name_features(right, name, rank), float(other)])
            if wrong in names:
                return Choice(np.array(features), names.index(wrong))
    return None


def likelihood(rows: Sequence[Choice], coefficients: NDArray[np.float64]) -> float:
    """Mean natural logarithm of the chance of the name that stood there."""
    return float(np.mean([_log_chances(f, coefficients)[wrong] for f, wrong in rows]))


def _log_chances(
    features: NDArray[np.float64], coefficients: NDArray[np.float64]
) -> NDArray[np.float64]:
    scores = features @ coefficients
    top = scores.max()
    found: NDArray[np.float64] = scores - top - np.log(np.exp(scores - top).sum())
    return found


if __name__ == "__main__":
    script(main)
