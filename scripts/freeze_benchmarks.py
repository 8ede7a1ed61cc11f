"""Freeze the cases of every suite: lists of pointers into a corpus, with their checksums.

    python scripts/freeze_benchmarks.py CORPUS --out data/benchmarks

CORPUS is what `codemtl mine` wrote. The lists hold no source text; equal corpora and seeds give
equal lists. What is frozen is not written again unless --force says so: figures that were measured
on the old list cannot be compared with later ones.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from codemtl.errors import CodemtlError
from codemtl.evaluation.corpus import Corpus
from codemtl.evaluation.frozen import CleanFile, list_name, write_list
from codemtl.evaluation.sampling import SAMPLERS, Sizes
from codemtl.scripting import argument_parser, print_command, script

SPLITS = ("validation", "test")


def main() -> None:
    options = _arguments()
    print_command()
    print(f"seed: {options.seed}")
    for split in options.splits:
        corpus = Corpus(options.corpus, split)
        for suite in options.suites:
            name = list_name(suite, split)
            if (options.out / name).exists() and not options.force:
                print(f"{name}: frozen before, left as it is")
                continue
            try:
                found = write_list(
                    options.out, name, SAMPLERS[suite](corpus, Sizes(), options.seed)
                )
            except CodemtlError as error:
                sys.exit(f"{name}: {error}")
            clean = [one for one in found.pointers if isinstance(one, CleanFile)]
            cases, functions = len(found.pointers) - len(clean), sum(len(c.starts) for c in clean)
            print(f"{name}: {cases} cases, {functions} clean functions, SHA-256 {found.sha256}")


def _arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--out", type=Path, default=Path("data/benchmarks"))
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=SPLITS)
    parser.add_argument("--suites", nargs="+", choices=SAMPLERS, default=tuple(SAMPLERS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--force", action="store_true", help="write over lists that are there")
    return parser.parse_args()


if __name__ == "__main__":
    script(main)
