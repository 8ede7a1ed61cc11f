"""What both models are asked: functions that were written or changed after the cut.

Every function is asked about once as it stands and, where something plausible can be broken, once
with one bug made in it; functions that a later fix found wrong do not count as clean. They come in
blocks of one file, in random order, so that the first N blocks are a sample whenever time is up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from codemtl.evaluation.cases import Origin, RepairCase, TextCase, real_bug, with_bug
from codemtl.evaluation.corpus import Corpus
from codemtl.evaluation.frozen import FunctionPointer, Pointer
from codemtl.evaluation.sampling import Sizes, masked_lines, summaries
from codemtl.evaluation.synthetic import make_bug

SEED = 0
PER_FILE = 20  # functions of a file, so that no file is the whole sample
TEXTS, REAL = 400, 150  # cases at most


def repair_blocks(corpus: Corpus) -> Iterator[list[RepairCase]]:
    """For each file its clean functions as one case, and a bug in each of them."""
    rng = np.random.default_rng(SEED)
    wrong = set(corpus.table("fixes").columns(["hash_before"], corpus.rows("fixes"))[0])
    starts: dict[int, list[int]] = defaultdict(list)
    for one in corpus.functions:
        if one.hash not in wrong:
            starts[one.file].append(one.start)
    for row in rng.permutation(sorted(starts)).tolist():
        file = corpus.files.row(row)
        origin = Origin(file["project"], file["commit"], file["path"])
        data = corpus.text(row)
        chosen = sorted(rng.permutation(starts[row])[:PER_FILE].tolist())
        block = [RepairCase(origin, data, tuple(chosen), None)]
        for start in chosen:
            made = make_bug(data, start, int(rng.integers(2**31)), uniform=False)
            case = with_bug(origin, data, start, made) if made is not None else None
            block += [case] if case is not None else []
        yield block


def real_bugs(corpus: Corpus) -> list[RepairCase]:
    """Functions as they were before a later commit fixed them."""
    rows = corpus.rows("fixes")
    table = corpus.table("fixes")
    found: list[RepairCase] = []
    for index in np.random.default_rng(SEED).permutation(len(rows)).tolist():
        case = real_bug(table.row(rows[index]))
        found += [case] if case is not None else []
        if len(found) == REAL:
            break
    return found


def summary_cases(corpus: Corpus) -> list[TextCase]:
    """Functions whose docstring begins with a summary."""
    known = {(one.file, one.start): one.summary for one in corpus.functions}
    found = []
    for one in summaries(corpus, Sizes(texts=TEXTS), SEED):
        case = _case(corpus, one)
        reference = known[corpus.places[case.origin.project, case.origin.path], case.start]
        found.append(TextCase(case.origin, case.data, case.start, case.qualname, None, reference))
    return found


def line_cases(corpus: Corpus) -> list[TextCase]:
    """Functions with one line masked."""
    return [_case(corpus, one) for one in masked_lines(corpus, Sizes(texts=TEXTS), SEED)]


def _case(corpus: Corpus, pointer: Pointer) -> TextCase:
    assert isinstance(pointer, FunctionPointer)
    data = corpus.text(corpus.places[pointer.project, pointer.path])
    reference = "" if pointer.mask is None else data[slice(*pointer.mask)].decode()
    origin = Origin(pointer.project, pointer.commit, pointer.path)
    return TextCase(origin, data, pointer.start, pointer.qualname, pointer.mask, reference)
