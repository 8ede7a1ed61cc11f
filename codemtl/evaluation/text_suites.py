"""The suites of texts from held-out projects: summaries of functions, and masked lines.

Rivals: the answer of the most similar training function (see `retrieval`), the most similar place
of the file, or of its folder (see `file_rivals`), and for summaries the words of the function's
name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from codemtl.evaluation.cases import TextCase, TextCases, line_request
from codemtl.evaluation.corpus import Corpus
from codemtl.evaluation.file_rivals import FileRival
from codemtl.evaluation.line_rivals import FUNCTIONS, Place, line_rivals
from codemtl.evaluation.repositories import Repositories, beside_case
from codemtl.evaluation.results import (
    Example,
    SuiteResult,
    Table,
    as_json,
    marked,
    percent,
    points,
)
from codemtl.evaluation.retrieval import Retrieval, words
from codemtl.evaluation.synthetic import function_at
from codemtl.evaluation.workers import run
from codemtl.inference.generate import placed
from codemtl.inference.predictor import Predictor
from codemtl.syntax.lexical import lexical_tokens
from codemtl.syntax.positions import Positions
from codemtl.syntax.tree import error_count, parse
from codemtl.tasks.metrics import Interval, bleu, chrf, edit_similarity, same_code, share

BATCH = 16  # functions that are looked at together
MOST = 200  # examples

MakePredictor = Callable[[], Predictor]


def summaries_suite(
    cases: TextCases,
    corpus: Corpus,
    make: MakePredictor,
    jobs: int,
    seed: int,
    repositories: Repositories | None = None,
) -> SuiteResult:
    """BLEU and chrF of one-line summaries; files beside are read from ``repositories``."""
    references = [one.reference for one in cases.cases]
    write = partial(summarize_batch, repositories=repositories)
    systems = {"model": written(write, cases.cases, make, jobs, "summarizing")}
    rows = list(corpus.training_rows("pairs", FUNCTIONS, seed))
    if rows:
        index = Retrieval([words(row["source"]) for row in rows])
        answers = [row["summary"] for row in rows]
        systems["retrieval"] = [_answer(index, answers, words(_view(one))) for one in cases.cases]
    for name, rival in _file_rivals(repositories).items():
        systems[name] = [*map(rival.summary, cases.cases)]
    systems["name in words"] = [_name_in_words(one.qualname) for one in cases.cases]
    result = SuiteResult("summaries", _facts(cases, len(rows), repositories))
    table: list[list[str]] = []
    for name, texts in systems.items():
        values = {"BLEU": bleu(texts, references), "chrF": chrf(texts, references)}
        _add(result, table, name, values, points)
    title = f"Summaries, n = {len(references)} (95% interval)"
    result.tables.append(Table(title, ["system", "BLEU", "chrF"], table))
    result.misses = _misses(cases.cases, systems["model"])
    return result


def lines_suite(
    cases: TextCases,
    corpus: Corpus,
    make: MakePredictor,
    jobs: int,
    seed: int,
    repositories: Repositories | None = None,
) -> SuiteResult:
    """Exact match and edit similarity of one line of a function; see `summaries_suite`."""
    references = [one.reference for one in cases.cases]
    write = partial(line_batch, repositories=repositories)
    systems = {"model": written(write, cases.cases, make, jobs, "writing lines")}
    rivals, functions = line_rivals([_place(one) for one in cases.cases], corpus, seed)
    near = {name: one.line for name, one in _file_rivals(repositories).items()}
    rivals = {name: [*map(line, cases.cases)] for name, line in near.items()} | rivals
    result = SuiteResult("masked-lines", _facts(cases, functions, repositories))
    table: list[list[str]] = []
    for name, texts in (systems | rivals).items():
        pairs = list(zip(texts, references, strict=True))
        values = {
            "exact match": share(np.array([same_code(*pair) for pair in pairs]), seed=seed),
            "edit similarity": share(np.array([edit_similarity(*p) for p in pairs]), seed=seed),
            "parses": share(np.array([*map(_parses, cases.cases, texts)]), seed=seed),
        }
        _add(result, table, name, values, percent)
    title = f"Masked lines, n = {len(references)} (95% interval)"
    result.tables.append(
        Table(title, ["system", "exact match", "edit similarity", "parses"], table)
    )
    result.misses = _misses(cases.cases, systems["model"])
    return result


def written(
    task: Callable[[Predictor, list[TextCase]], list[str]],
    cases: Sequence[TextCase],
    make: MakePredictor,
    jobs: int,
    label: str,
) -> list[str]:
    """One text for each case."""
    batches = [list(cases[start : start + BATCH]) for start in range(0, len(cases), BATCH)]
    return [text for batch in run(task, batches, make, jobs, label) for text in batch]


def summarize_batch(
    predictor: Predictor, cases: list[TextCase], repositories: Repositories | None = None
) -> list[str]:
    """A summary for each case."""
    texts = []
    for case in cases:
        tree = parse(case.data, beside_case(case.origin, repositories))
        function = function_at(tree, case.start)
        texts.append(predictor.summarize(tree, [function])[0] if function else "")
    return texts


def line_batch(
    predictor: Predictor, cases: list[TextCase], repositories: Repositories | None = None
) -> list[str]:
    """The masked line of each case, "" where there is no answer."""
    return [_line(predictor, case, beside_case(case.origin, repositories)) for case in cases]


def _line(predictor: Predictor, case: TextCase, beside: tuple[bytes, ...]) -> str:
    request = line_request(case, beside)
    start = request.start
    line = case.data[case.data.rfind(b"\n", 0, start) + 1 : start].decode("utf-8", "replace")
    found = placed(predictor, request, line[: len(line) - len(line.lstrip())])
    return found[0][0].strip() if found else ""


def _parses(case: TextCase, text: str) -> bool:
    """Whether the file has no more syntax errors with the text in place of the line."""
    assert case.mask is not None
    new = case.data[: case.mask[0]] + text.encode() + case.data[case.mask[1] :]
    return bool(text) and error_count(parse(new)) <= error_count(parse(case.data))


def _file_rivals(repositories: Repositories | None) -> dict[str, FileRival]:
    known = {"file": FileRival()}
    return known if repositories is None else {**known, "folder": FileRival(repositories)}


def _facts(cases: TextCases, rival: int, repositories: Repositories | None) -> dict[str, Any]:
    facts = {
        "list": cases.frozen.name,
        "sha256": cases.frozen.sha256,
        "functions": len(cases.cases),
        "projects": len({one.origin.project for one in cases.cases}),
        "unresolved cases": cases.unresolved,
        "rivals": f"from {rival} training functions" if rival else "no training functions",
    }
    if repositories is not None:
        known = sum(repositories.around(one.origin) is not None for one in cases.cases)
        facts["projects around"] = f"known for {known} of {len(cases.cases)}"
    return facts


def _add(
    result: SuiteResult,
    table: list[list[str]],
    name: str,
    values: dict[str, Interval],
    show: Callable[[Interval], str],
) -> None:
    result.metrics[name] = {key: as_json(value) for key, value in values.items()}
    table.append([name, *(show(value) for value in values.values())])


def _answer(index: Retrieval, answers: Sequence[str], query: list[str]) -> str:
    nearest = index.nearest(query)
    return "" if nearest is None else answers[nearest]


def _view(case: TextCase) -> str:
    """The function as the model sees it: without docstring and comments."""
    tree = parse(case.data)
    function = function_at(tree, case.start)
    if function is None:
        return ""
    return " ".join(token.text for token in lexical_tokens(tree, function.node))


def _name_in_words(qualname: str) -> str:
    text = " ".join(words(qualname.rpartition(".")[2].strip("_"))).capitalize()
    return f"{text}."


def _place(case: TextCase) -> Place:
    assert case.mask is not None
    function = function_at(parse(case.data), case.start)
    end = case.mask[1] if function is None else function.node.end_byte
    before, after = case.data[case.start : case.mask[0]], case.data[case.mask[1] : end]
    return Place(before.decode("utf-8", "replace"), after.decode("utf-8", "replace"))


def _misses(cases: Sequence[TextCase], texts: Sequence[str]) -> list[Example]:
    """What is least like its reference first."""
    found = []
    for case, text in zip(cases, texts, strict=True):
        if same_code(text, case.reference):
            continue
        found.append((1 - edit_similarity(text, case.reference), case, text))
    found.sort(key=lambda one: -one[0])
    return [_miss(rank, case, text) for rank, case, text in found[:MOST]]


def _miss(rank: float, case: TextCase, text: str) -> Example:
    positions = Positions(case.data)
    function = function_at(parse(case.data), case.start)
    end = function.node.end_byte if function else case.start
    spans = [] if case.mask is None else [(*case.mask, "masked")]
    line = positions.line_column(case.start)[0]
    return Example(
        f"{case.origin.project}: {case.origin.path}:{line}",
        [("commit", case.origin.commit), ("wanted", case.reference), ("written", text)],
        marked(case.data, case.start, end, spans, positions),
        rank,
    )
