"""What the generation head would write in the most suspicious lines."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from codemtl.errors import CodemtlError
from codemtl.inference.generate import generate_line
from codemtl.inference.predictor import Predictor
from codemtl.search.candidates import Candidate
from codemtl.search.localization import Suspicion
from codemtl.search.outcomes import Baseline
from codemtl.search.priors import RULES
from codemtl.search.queue import Item
from codemtl.search.singles import SearchFile
from codemtl.syntax.edits import difference

LINES, EACH = 3, 24  # lines that are written anew, and how often
WRITING = 5.0  # seconds that a line is thought to take before one has been written


def written(
    files: Sequence[SearchFile], baseline: Baseline, predictor: Predictor, deadline: float
) -> Iterator[list[Item]]:
    """Candidates, a line at a time; none that would not be there before the deadline."""
    lines = []
    for file in files:
        suspicion = Suspicion(file.tree, file.path, baseline)
        spans = [(one.node.start_point[0] + 2, one.node.end_point[0] + 1) for one in file.functions]
        for line, weight in suspicion.lines.items():
            if any(first <= line <= last for first, last in spans):
                lines.append((weight, -line, file))
    lines.sort(key=lambda row: row[:2], reverse=True)
    takes = min(WRITING, max(0.0, deadline - time.monotonic()) / 4)
    for weight, negative, file in lines[:LINES]:
        began = time.monotonic()
        if began + takes >= deadline:
            return
        yield _line(file, predictor, -negative, weight)
        takes = max(takes, time.monotonic() - began)


def _line(file: SearchFile, predictor: Predictor, line: int, weight: float) -> list[Item]:
    try:
        texts = generate_line(
            file.source, predictor, line, candidates=EACH, beside=file.tree.beside
        ).candidates
    except CodemtlError:
        return []
    items = []
    for rank, one in enumerate(texts):
        if one.patched is not None and one.patched != file.source.data:
            edit = difference(file.source.data, one.patched)
            share = RULES["written"].weight * weight / (1 + rank) / 1e4
            kind = RULES["written"].kind
            items.append(Item(file.path, Candidate((edit,), share, "written", kind, None)))
    return items
