"""How natural the line is that a patch writes, beside the one that stood there.

The generation head is asked how probable either is in the place of the line. A patch that pleases
the tests and nobody else is as a rule a line that nobody would write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from codemtl.errors import EditError
from codemtl.inference.predictor import GenerationRequest, Predictor
from codemtl.search.patches import Passing
from codemtl.syntax.definitions import functions
from codemtl.syntax.edits import Edit, apply
from codemtl.syntax.tree import SourceTree


def naturalness(
    found: Sequence[Passing], trees: Mapping[Path, SourceTree], predictor: Predictor
) -> list[float]:
    """For each patch the mean ln p of a piece of its line, less that of the line before.

    0 where it takes lines away, adds some, or changes several.
    """
    places: dict[tuple[Path, int, int], list[tuple[int, str]]] = {}
    for number, one in enumerate(found):
        line = _line(one)
        if line is not None:
            start, end, text = line
            places.setdefault((one.path, start, end), []).append((number, text))
    points = [0.0] * len(found)
    for (path, start, end), patches in places.items():
        tree = trees[path]
        around = [
            one
            for one in functions(tree)
            if one.node.start_byte <= start and end <= one.node.end_byte
        ]
        if around:
            inner = max(around, key=lambda one: one.node.start_byte)
            request = GenerationRequest("line", tree=tree, function=inner, start=start, end=end)
            texts = [tree.data[start:end].decode(), *(text for _, text in patches)]
            before, *after = predictor.likelihoods(request, texts)
            for (number, _), value in zip(patches, after, strict=True):
                points[number] = value - before
    return points


def _line(one: Passing) -> tuple[int, int, str] | None:
    """The bytes of the one line that a patch changes, without its margins, and the new text."""
    edits, data = one.candidate.edits, one.data
    start = data.rfind(b"\n", 0, min(e.start for e in edits)) + 1
    end = data.find(b"\n", max(e.end for e in edits))
    end = len(data) if end < 0 else end
    old = data[start:end]
    inner = [Edit(e.start - start, e.end - start, e.replacement) for e in edits]
    try:
        new = apply(old, inner).decode().strip()
    except EditError:
        return None
    if b"\n" in old or "\n" in new or not old.strip() or not new:
        return None
    start += len(old) - len(old.lstrip())
    return start, start + len(old.strip()), new
