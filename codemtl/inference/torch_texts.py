"""What the torch runtime writes: summaries, lines and bodies, and whole functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch

from codemtl.errors import UsageError
from codemtl.inference.line_choice import Proposal, worth
from codemtl.inference.predictor import GenerationRequest
from codemtl.inference.prompts import Line, dedented, header, lines_of_the_file, with_hole
from codemtl.inference.reading import by_length, read
from codemtl.inference.rewording import borrowed, reworded
from codemtl.inference.sentences import is_summary
from codemtl.model.decoding import LENGTH_PENALTY, beam_search, log_probabilities
from codemtl.model.network import Network
from codemtl.model.respelling import Respelling
from codemtl.model.tokenizer import CodeTokenizer, piece_layout, special_ids
from codemtl.syntax.definitions import Definition
from codemtl.syntax.definitions import functions as definitions
from codemtl.syntax.docstrings import summary_of
from codemtl.syntax.lexical import docstring_node
from codemtl.syntax.missing_line import MissingLine, packed
from codemtl.syntax.sites import FunctionSites
from codemtl.syntax.tree import SourceTree, parse
from codemtl.tasks.batches import Arrays, encoder_input, text_inputs
from codemtl.tasks.building import (
    HOLE,
    build_example,
    siblings,
    text_pieces,
    with_mask,
)
from codemtl.tasks.example import Example, Ints, piece_ids, window_around
from codemtl.tasks.generate import Generate, prompt
from codemtl.tasks.registry import TASKS
from codemtl.tasks.similar import Places, most_similar
from codemtl.tasks.summarize import Summarize
from codemtl.tasks.task import FunctionToText, TextTask, Vocabulary

NO_SITES = FunctionSites([], [])
SUMMARIES = 12  # of similar functions that a summary is compared to
SAID = 1.5  # nats a piece that a similar function's summary, reworded, may be worse
_INSIDE = ("return", "yield", "await")  # what no statement outside of a function begins with
MOST_LINES = 16  # of the file that are tried in the place of a masked one


class _Asked(NamedTuple):
    """What is asked of the decoder of code."""

    ids: Ints  # the encoder input, with <mask> where text is wanted
    level: int  # spaces that the line of the mask begins with
    lines: Sequence[Line] = ()  # of the file that may stand there, the likeliest first
    place: MissingLine | None = None  # of a line in a function


class Written(NamedTuple):
    """A hypothesis of a decoder."""

    text: str
    score: float  # as `decoding.beam_search` has it
    pieces: int  # its end included

    @property
    def total(self) -> float:
        """The log-probability."""
        return self.score * float(self.pieces**LENGTH_PENALTY)

    @property
    def mean(self) -> float:
        """The log-probability of a piece."""
        return self.total / self.pieces


class TextRuntime:
    """The half of `torch_runtime.TorchPredictor` that writes texts."""

    def __init__(
        self, network: Network, tokenizer: CodeTokenizer, respelling: Respelling | None = None
    ) -> None:
        """``respelling`` of a network whose encoder is a trunk."""
        self.network, self.tokenizer, self.respelling = network, tokenizer, respelling
        self.vocabulary = Vocabulary(special_ids(tokenizer), piece_layout(tokenizer))
        self.specials, self.layout = self.vocabulary

    def _first(self, tree: SourceTree, function: Definition) -> Example:
        """The first window of a function."""
        found = read(tree, function, NO_SITES, self.tokenizer, self.layout, self.network.config)
        return found[0]

    def _read(self, tree: SourceTree, function: Definition) -> Example:
        """A function as the text tasks read it, a long one by its beginning."""
        found = self._first(tree, function)
        if self.network.config.siblings:
            found.siblings = siblings(tree, function, self.tokenizer)
        return found

    def summarize(self, tree: SourceTree, functions: Sequence[Definition]) -> list[str]:
        """One sentence for each function: the decoder's own, or a similar function's, reworded."""
        examples = [self._read(tree, one) for one in functions]
        written = self._written(_SUMMARIZE, examples)
        codes = [_without_docstring(tree, one) for one in functions]
        for found, example, one, code in zip(written, examples, functions, codes, strict=True):
            found[:] = self._own(found, example, one.name, code)
        lost = [index for index, found in enumerate(written) if not found]
        alone = [replace(examples[index], siblings=None) for index in lost]
        for index, found in zip(lost, self._written(_SUMMARIZE, alone), strict=True):
            written[index] = [one for one in found if is_summary(one.text, codes[index])]
        return [
            self._said(example, one.name, found, code)
            for example, one, found, code in zip(examples, functions, written, codes, strict=True)
        ]

    def _own(
        self, written: Sequence[Written], example: Example, name: str, code: str
    ) -> list[Written]:
        """The summaries among hypotheses that do not only say what is said of another function.

        ``code`` is the file without the function's docstring.
        """
        others = [
            (summary, other) for summary, other in self._told(example) if other != name
        ]  # fmt: skip
        return [
            one for one in written
            if not any(borrowed(one.text, name, summary, other) for summary, other in others)
            and is_summary(one.text, code)
        ]  # fmt: skip

    def _said(self, example: Example, name: str, written: Sequence[Written], code: str) -> str:
        """What the decoder finds likely enough, by the piece."""
        best = max(written, key=lambda one: one.mean, default=None)
        found = next(self._told(example), None)
        told = found and reworded(*found, name)
        if told and is_summary(told, code):
            ids = _SUMMARIZE.prompt(example, self.vocabulary)
            pieces = self.tokenizer.encode(told)[: _SUMMARIZE.limit - 1]
            (total,) = self._log_probabilities(_SUMMARIZE, ids, [pieces])
            if best is None or total / (len(pieces) + 1) + SAID > best.mean:
                return told
        return "" if best is None else _SUMMARIZE.text(best.text)

    def _told(self, example: Example) -> Iterator[tuple[str, str]]:
        """Summaries of the functions that are most similar, and the functions' names."""
        for row in most_similar(example)[:SUMMARIES]:
            assert example.siblings is not None
            code = self.tokenizer.decode(piece_ids(example.siblings.functions[row]))
            name = code.partition("(")[0].removeprefix("async").removeprefix("def")
            yield self.tokenizer.decode(example.siblings.summaries[row]), name

    def write(self, name: str, tree: SourceTree, functions: Sequence[Definition]) -> list[str]:
        """What a task with a function as input writes of each; long functions by their beginning.

        Raises UsageError if there is no such task, ModelError if the model has no head for it.
        """
        task = TASKS.get(name)
        if not isinstance(task, FunctionToText):
            known = [one for one, kind in TASKS.items() if isinstance(kind, FunctionToText)]
            raise UsageError(
                f"{name} is no task that writes a text of a function; known: {', '.join(known)}"
            )
        written = self._written(task, [self._read(tree, one) for one in functions])
        return [task.text(found[0].text) if found else "" for found in written]

    def _written(self, task: FunctionToText, examples: Sequence[Example]) -> list[list[Written]]:
        """Hypotheses for each function, best first."""
        inputs = [task.prompt(one, self.vocabulary) for one in examples]
        written: list[list[Written]] = [[] for _ in examples]
        for batch in by_length(list(enumerate(inputs)), [len(ids) for ids in inputs]):
            found = self._hypotheses(task, [ids for _, ids in batch], task.beams)
            for (index, _), hypotheses in zip(batch, found, strict=True):
                written[index] = hypotheses
        return written

    def generate(self, request: GenerationRequest) -> list[str]:
        """See ``inference.predictor.Predictor``."""
        if request.kind == "line":
            proposals, place, level = self.proposals(request)
            proposals.sort(key=lambda one: -worth(one, place))
            few = max(_GENERATE.beams, 2 * request.candidates)  # some may not compile
            return [dedented(one.text, level) for one in proposals[:few]]
        asked = self._asked(request)
        beams = max(_GENERATE.beams, request.candidates)
        written = self._hypotheses(_GENERATE, [asked.ids], beams)[0]
        texts = list(dict.fromkeys(one.text.rstrip() for one in written if one.text.strip()))
        if request.kind == "text":
            return [f"{header(request.text)}\n    {text}" for text in texts]
        return [dedented(text, asked.level) for text in texts]

    def likelihoods(self, request: GenerationRequest, texts: Sequence[str]) -> list[float]:
        """See ``inference.predictor.Predictor``."""
        ids, limit = self._asked(request).ids, _GENERATE.limit - 1
        pieces = [text_pieces(one, self.tokenizer, self.layout.space)[:limit] for one in texts]
        sums = self._log_probabilities(_GENERATE, ids, pieces)
        return [total / (len(one) + 1) for one, total in zip(pieces, sums, strict=True)]

    def proposals(
        self, request: GenerationRequest
    ) -> tuple[list[Proposal], MissingLine | None, int]:
        """What may stand in the place of a line, the place, and the spaces that it begins with.

        Hypotheses of the decoder, those that bind a name that is wanted, and lines of the file at
        similar places.
        """
        asked = self._asked(request)
        beams = max(_GENERATE.beams, request.candidates)
        never = [] if request.function else [self.tokenizer.encode(one)[0] for one in _INSIDE]
        found: dict[str, Proposal] = {}
        (written,) = self._hypotheses(_GENERATE, [asked.ids], beams, never=never)
        for beam, one in enumerate(written):
            made = Proposal(one.text.rstrip(), one.total, one.pieces, beam)
            found.setdefault(packed(one.text), made)
        space, limit = self.layout.space, _GENERATE.limit - 1
        for name in () if asked.place is None else asked.place.wanted_below():
            begin = text_pieces(f"{name} = 0", self.tokenizer, space)[:-1]
            if len(begin) >= limit:
                continue
            (written,) = self._hypotheses(_GENERATE, [asked.ids], _GENERATE.beams // 2, begin)
            for beam, one in enumerate(written):
                made = Proposal(one.text.rstrip(), one.total, one.pieces, beam, begun=True)
                found.setdefault(packed(one.text), made)
        pieces = [text_pieces(one.text, self.tokenizer, space)[:limit] for one in asked.lines]
        sums = self._log_probabilities(_GENERATE, asked.ids, pieces) if pieces else []
        for rank, (line, text, total) in enumerate(zip(asked.lines, pieces, sums, strict=True)):
            made = Proposal(line.text, total, len(text) + 1)
            made = found.get(packed(line.text), made)._replace(text=line.text)
            found[packed(line.text)] = made._replace(
                rank=rank, alike=line.score, adapted=line.adapted
            )
        found.pop("", None)
        return [*found.values()], asked.place, asked.level

    def _asked(self, request: GenerationRequest) -> _Asked:
        if request.kind == "text" or request.tree is None or request.function is None:
            source, summary = f"{header(request.text)}\n    {HOLE}\n", request.text
            tree = parse(source.encode())
            if request.kind == "line" and request.tree is not None:
                tree, summary = with_hole(request), ""
            pieces, level = self._masked(self._node_pieces(tree))
            prefix = np.array(self.tokenizer.encode(summary)[:64] if summary else [], np.int32)
            none = np.zeros(0, np.int32)
            return _Asked(encoder_input(self.specials, none, pieces, prefix)[0], level)
        tree = with_hole(request)
        start = request.function.node.start_byte
        function = next((one for one in definitions(tree) if one.node.start_byte == start), None)
        example = self._first(request.tree, request.function)
        if function is not None and self.network.config.siblings:
            example.siblings = siblings(tree, function, self.tokenizer)
        says = request.text
        if not says and request.kind == "body":  # a line is no better for it (data/LOG.md)
            says = summary_of(request.tree, request.function.node)
        told = np.array(self.tokenizer.encode(says)[:64] if says else [], np.int32)
        pieces, level = self._masked(self._node_pieces(tree, function and function.node))
        if request.kind == "body":
            return _Asked(prompt(example, pieces, told, self.vocabulary, "body"), level)
        found = Places.around_mask(example, pieces, self.specials.mask, self.layout)
        similar = () if found is None else found[0].similar(found[1])
        name = "" if function is None else function.name
        lines = lines_of_the_file(tree, name, similar, self.tokenizer, MOST_LINES)
        place = None
        if function is not None:
            at = tree.data.index(HOLE.encode(), request.start)
            place = MissingLine(tree, function, at, HOLE)
        return _Asked(prompt(example, pieces, told, self.vocabulary, "line"), level, lines, place)

    def _masked(self, pieces: Any) -> tuple[Any, int]:
        """The lines around the hole with <mask> in its place, and the spaces that they begin with.

        The view sets each level of a function four spaces deeper, whatever the file does.
        """
        masked, at = with_mask(pieces, self.tokenizer, self.specials.mask)
        line = self.tokenizer.decode(piece_ids(masked[:at])).rpartition("\n")[2]
        around = window_around(masked, at, self.network.config.window, self.layout)
        return around, len(line) - len(line.lstrip(" "))

    def _node_pieces(self, tree: SourceTree, node: Any = None) -> Any:
        example = build_example(
            tree, tree.root if node is None else node, NO_SITES, [], self.tokenizer
        )
        return example.pieces

    def _hypotheses(
        self, task: TextTask, inputs: Sequence[Any], beams: int, begin: Sequence[int] = (),
        never: Sequence[int] = (),
    ) -> list[list[Written]]:  # fmt: skip
        """For each encoder input, best first; ``begin`` and ``never`` as in `beam_search`."""
        arrays = text_inputs(self.specials, inputs)
        found = beam_search(
            self.network, task.name, self._tensors(arrays),
            bos=self.specials.bos, eos=self.specials.eos, beams=beams, limit=task.limit,
            no_repeat=task.no_repeat, begin=begin, never=never,
        )  # fmt: skip
        return [
            [Written(self.tokenizer.decode(ids), score, len(ids) + 1) for ids, score in row]
            for row in found
        ]

    def _log_probabilities(
        self, task: TextTask, ids: Ints, texts: Sequence[Sequence[int]]
    ) -> list[float]:
        """Of the pieces of each text, given one encoder input."""
        arrays = self._tensors(text_inputs(self.specials, [ids]))
        bos, eos = self.specials.bos, self.specials.eos
        return log_probabilities(self.network, task.name, arrays, texts, bos=bos, eos=eos)

    def _tensors(self, arrays: Arrays) -> dict[str, torch.Tensor]:
        if self.respelling is not None:
            arrays = {**arrays, **self.respelling.arrays(arrays)}
        return {key: torch.from_numpy(value) for key, value in arrays.items()}


_GENERATE, _SUMMARIZE = Generate(), Summarize()


def _without_docstring(tree: SourceTree, definition: Definition) -> str:
    """The file without the docstring of one function."""
    found = docstring_node(definition.node)
    start, end = (0, 0) if found is None else (found.start_byte, found.end_byte)
    return (tree.data[:start] + tree.data[end:]).decode("utf-8", "replace")
