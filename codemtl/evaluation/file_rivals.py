"""Rivals that know the file, or its folder, as the model does: what the most similar place has.

They say what the model is told first (`tasks.similar`), so what the model is better by is its own.
"""

from __future__ import annotations

import numpy as np

from codemtl.evaluation.cases import TextCase, line_request
from codemtl.evaluation.repositories import Repositories, beside_case
from codemtl.evaluation.synthetic import function_at
from codemtl.inference import SHIPPED_MODEL
from codemtl.inference.prompts import lines_as_they_stand, with_hole
from codemtl.model.tokenizer import CodeTokenizer, piece_layout, special_ids
from codemtl.syntax.actions import FunctionSites
from codemtl.syntax.tree import SourceTree, parse
from codemtl.tasks.building import build_example, siblings, with_mask
from codemtl.tasks.example import Example, piece_ids
from codemtl.tasks.similar import similar_lines, similar_summaries


class FileRival:
    """The most similar line or summary of the same file, by the shipped vocabulary.

    With repositories, of the files beside it too.
    """

    def __init__(self, repositories: Repositories | None = None) -> None:
        self.repositories = repositories
        self.tokenizer = CodeTokenizer.load(SHIPPED_MODEL)
        self.layout = piece_layout(self.tokenizer)
        self.mask = special_ids(self.tokenizer).mask

    def summary(self, case: TextCase) -> str:
        """The summary of the function of the file that is most like this one, "" without any."""
        tree = parse(case.data, beside_case(case.origin, self.repositories))
        example = self._example(case, tree)
        if example is None or example.siblings is None:
            return ""
        told = self._first(similar_summaries(example, self.layout))
        known = example.siblings.summaries
        texts = [self.tokenizer.decode(known[row]) for row in range(len(known))]
        return max((text for text in texts if told.endswith(text)), key=len, default="")

    def line(self, case: TextCase) -> str:
        """The line of the file around which it is most like around the masked one, or ""."""
        tree = with_hole(line_request(case, beside_case(case.origin, self.repositories)))
        example = self._example(case, tree)
        if example is None:
            return ""
        pieces, _ = with_mask(example.pieces, self.tokenizer, self.mask)
        told = self._first(similar_lines(example, pieces, self.mask, self.layout))
        return lines_as_they_stand(tree).get("".join(told.split()), told)

    def _example(self, case: TextCase, tree: SourceTree) -> Example | None:
        function = function_at(tree, case.start)
        if function is None:
            return None
        found = build_example(tree, function.node, FunctionSites([], []), [], self.tokenizer)
        found.siblings = siblings(tree, function, self.tokenizer)
        return found

    def _first(self, told: np.ndarray) -> str:
        """The first of what is told, without the spaces of code."""
        return self.tokenizer.decode(piece_ids(told)).partition("\n")[0]
