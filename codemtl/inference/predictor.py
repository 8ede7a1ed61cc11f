"""The one interface behind which a model predicts, so that all else works without torch.

The runtimes of ONNX and torch, and the public ``FakePredictor`` implement it; repair,
summarize, generate, the command line and the servers know nothing more of a model than this.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, runtime_checkable

from codemtl.errors import UsageError

if TYPE_CHECKING:  # training from prepared shards needs no tree-sitter
    from codemtl.inference.evidence import Evidence
    from codemtl.syntax.definitions import Definition
    from codemtl.syntax.findings import Finding
    from codemtl.syntax.scopes import Scopes
    from codemtl.syntax.tree import SourceTree
    from codemtl.tasks.repair import ScoredEdit


TOP_EDITS = 60  # of a window of a function, unless the caller wants more
MOST_CANDIDATES = 100  # of generated texts
LEAST = 1e-6  # a smaller probability is taken for this one


@dataclass(frozen=True, slots=True)
class Calibration:
    """What is stored with the weights to turn scores into decisions."""

    threshold: float = 0.5  # findings below are not shown, unless the user says otherwise
    bias: float = 0.0  # of the log-odds that an edit repairs a bug; what follows is added to it
    slope: float = 1.0  # times the log-odds that the function has a bug
    site: float = 1.0  # times ln p(site | bug)
    edit: float = 1.0  # times ln p(edit | site, bug)
    renames: float = 0.0  # times that part of the edit's `Evidence`, as all that follow
    alike: float = 0.0
    once: float = 0.0
    habit: float = 0.0
    new_habit: float = 0.0
    target: float = 0.0
    renamed: float = 0.0
    parallel: float = 0.0
    new_parallel: float = 0.0
    age: float = 0.0
    undefined_name: float = 0.8  # an undefined name with a suggestion: the suggestion is right
    undefined_name_agreed: float = 0.95  # the same, if file and model suggest the same
    undefined_name_guessed: float = 0.4  # one of which the model is not sure: the guess is right
    undefined_name_alone: float = 0.6  # an undefined name without either: it is a bug
    missing_import: float = 0.9  # an undefined name that other files import: so must this one
    stale_import: float = 0.8  # an import of an own module that is not there: so it is
    broken_call: float = 0.7  # a call that does not fit its definition: so should it read
    broken_call_alone: float = 0.9  # the same, if nobody knows how it should read: it cannot work
    undefined_attribute: float = 0.5  # an attribute that nothing defines: the suggestion is right
    undefined_attribute_alone: float = (
        0.9  # one without a suggestion, of a class known whole: a bug
    )

    def confidence(
        self, bug_logit: float, p_site: float, p_edit: float, evidence: Evidence
    ) -> float:
        """The probability that an edit repairs a bug, where bugs are as rare as in use."""
        logit = self.bias + self.slope * bug_logit
        logit += self.site * log(p_site) + self.edit * log(p_edit)
        logit += sum(getattr(self, name) * v for name, v in evidence._asdict().items())
        return 1 / (1 + math.exp(-max(-700.0, min(700.0, logit))))


def log(probability: float) -> float:
    """ln, of what is next to nothing too."""
    return math.log(max(probability, LEAST))


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """What to write.

    ``text``: a whole function from the description ``text``; nothing else is set.
    ``line``: one logical line in place of the bytes ``start:end`` of ``tree``.
    ``body``: the statements of ``function`` in place of the bytes ``start:end`` of ``tree``.

    For a line or a body, ``text`` may say what ``function`` does, for a body else its docstring
    does, and ``indent`` is the white space that belongs before the text where the file has none.
    More than `MOST_CANDIDATES` are a UsageError.
    """

    kind: Literal["text", "line", "body"]
    candidates: int = 1  # that are sound, if it can be
    text: str = ""
    tree: SourceTree | None = None
    function: Definition | None = None  # the innermost around ``start``; None at module level
    start: int = 0
    end: int = 0
    indent: str = ""

    def __post_init__(self) -> None:
        """Refuse what would not fit into memory: each candidate is a beam of its own."""
        if self.candidates > MOST_CANDIDATES:
            raise UsageError(
                f"{self.candidates} candidates are too many; ask for at most {MOST_CANDIDATES}"
            )


class RepairRequest(NamedTuple):
    """Functions of one file, to be looked at for bugs."""

    tree: SourceTree
    functions: Sequence[Definition]
    scopes: Scopes


class WeighedEdit(NamedTuple):
    """What the model and the text say of an edit."""

    scored: ScoredEdit
    evidence: Evidence


class Predictor(Protocol):
    """A loaded model. Spans are byte offsets into ``tree.data``."""

    name: str
    revision: str
    device: str
    calibration: Calibration

    def repair(
        self,
        tree: SourceTree,
        functions: Sequence[Definition],
        scopes: Scopes,
        limit: int = TOP_EDITS,
    ) -> list[list[Finding]]:
        """For each function its findings, best first, with calibrated confidences, unverified.

        At most ``limit`` for each window of a function that the model sees at once.
        """
        ...

    def remember(self, windows: int) -> None:
        """Keep what was said of so many windows of functions, for texts that come again.

        A window of ordinary size takes some thirty kilobytes.
        """
        ...

    def summarize(self, tree: SourceTree, functions: Sequence[Definition]) -> list[str]:
        """One summary for each function: a line of prose, or "" where there is nothing to say."""
        ...

    def generate(self, request: GenerationRequest) -> list[str]:
        """Texts, best first: more than ``request.candidates`` where they cost nothing.

        Lines end in a line feed; nested blocks are indented by four spaces a level, and the first
        level is not indented: where the text goes, and how that place is indented, is the
        caller's part.
        """
        ...

    def likelihoods(self, request: GenerationRequest, texts: Sequence[str]) -> list[float]:
        """How probable each text is in the place of a line: the mean of ln p over its pieces."""
        ...


@runtime_checkable
class BatchPredictor(Protocol):
    """A predictor that looks at functions of many files at once, for who has thousands of them."""

    def scored_edits(
        self, requests: Sequence[RepairRequest]
    ) -> Iterator[tuple[int, int, list[WeighedEdit]]]:
        """(request, index of the function, its most probable edits) for each window of each."""
        ...

    def confidence(self, one: WeighedEdit) -> float:
        """The calibrated confidence of an edit."""
        ...
