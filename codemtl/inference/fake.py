"""A predictor without weights, for tests of anything that stands on the interface.

FakePredictor({"leng": "len"})       takes every name or attribute ``leng`` for a bug
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from codemtl.inference.predictor import TOP_EDITS, Calibration, GenerationRequest
from codemtl.syntax.definitions import Definition
from codemtl.syntax.findings import Finding
from codemtl.syntax.scopes import Scopes
from codemtl.syntax.tree import SourceTree, tokens


class FakePredictor:
    """Rule-based stand-in for a model.

    Args:
        replacements: what to write instead of each leaf of the syntax tree (a name, an operator).
        confidence: of the first finding in a function; each further one is surer by 1%.
        summary: said of every function.
        generated: the candidates of every generation request.
    """

    name = "fake"
    revision = "0"
    device = "none"

    def __init__(
        self,
        replacements: Mapping[str, str] | None = None,
        *,
        confidence: float = 0.8,
        kind: str = "variable-misuse",
        summary: str = "Do what the name says.",
        generated: Sequence[str] = ("pass",),
        calibration: Calibration | None = None,
    ) -> None:
        self.replacements = dict(replacements or {})
        self.confidence = confidence
        self.kind = kind
        self.summary = summary
        self.generated = list(generated)
        self.calibration = calibration or Calibration()

    def repair(
        self,
        tree: SourceTree,
        functions: Sequence[Definition],
        scopes: Scopes,
        limit: int = TOP_EDITS,
    ) -> list[list[Finding]]:
        """One finding for each leaf that has a replacement, best first."""
        return [self._findings(tree, function)[:limit] for function in functions]

    def remember(self, windows: int) -> None:
        """Nothing is slow enough to be remembered."""

    def summarize(self, tree: SourceTree, functions: Sequence[Definition]) -> list[str]:
        """The same summary for each function."""
        return [self.summary for _ in functions]

    def generate(self, request: GenerationRequest) -> list[str]:
        """The given candidates."""
        return list(self.generated)

    def likelihoods(self, request: GenerationRequest, texts: Sequence[str]) -> list[float]:
        """What it would write is probable, all else is not."""
        return [0.0 if text in self.generated else -5.0 for text in texts]

    def _findings(self, tree: SourceTree, function: Definition) -> list[Finding]:
        found: list[Finding] = []
        for leaf in tokens(function.node):
            original = tree.data[leaf.start : leaf.end].decode()
            if original not in self.replacements:
                continue
            replacement = self.replacements[original]
            found.append(
                Finding(
                    function=function.qualname,
                    kind=self.kind,
                    start=leaf.start,
                    end=leaf.end,
                    original=original,
                    replacement=replacement,
                    confidence=min(0.99, self.confidence + 0.01 * len(found)),
                    message=f"{original!r} should be {replacement!r}",
                )
            )
        return found[::-1]
