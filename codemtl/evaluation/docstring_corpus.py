"""The code-docstring corpus, both ways: a description of code, and code from a description.

Scored as the paper did: Moses' tokenizer on both sides, then BLEU as ``multi-bleu.perl`` counts it,
cased. By this recipe the outputs that the authors published reach 13.83 (code to docstring), 10.24
and 10.90 (docstring to code, without and with back-translation) on the test split; the paper says
13.84, 10.24 and 10.90. References are the whole docstring and the body as the corpus prints them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from codemtl.corpus.exclusions import restore_source
from codemtl.errors import MissingExtraError
from codemtl.evaluation.benchmarks import DocstringTask, docstring_text, print_code
from codemtl.evaluation.results import Example, SuiteResult, Table, as_json, points
from codemtl.evaluation.workers import run
from codemtl.inference.docstrings import body_bounds
from codemtl.inference.predictor import GenerationRequest, Predictor
from codemtl.syntax.definitions import functions
from codemtl.syntax.tree import parse
from codemtl.tasks.metrics import bleu, edit_similarity

BATCH = 16
MOST = 100  # examples
PUBLISHED = {"code to docstring": 13.84, "docstring to code": 10.24}
_TASK = {"code to docstring": "summarize", "docstring to code": "generate"}


def docstring_suite(
    tasks: Sequence[DocstringTask],
    make: Callable[[], Predictor],
    jobs: int,
    split: str,
    wanted: frozenset[str],
) -> SuiteResult:
    """BLEU of the directions whose task is wanted."""
    facts: dict[str, Any] = {
        "list": f"code-docstring corpus, {split} split, canonical",
        "functions": len(tasks),
        "BLEU": "Moses tokenizer, multi-bleu: cased, no smoothing",
    }
    result = SuiteResult("docstring-corpus", facts)
    rows = []
    batches = [list(tasks[start : start + BATCH]) for start in range(0, len(tasks), BATCH)]
    for name, task in _TASK.items():
        if task not in wanted:
            continue
        work = describe_batch if task == "summarize" else implement_batch
        texts = [text for batch in run(work, batches, make, jobs, name) for text in batch]
        references = [one.description if task == "summarize" else one.body for one in tasks]
        found = bleu(moses(texts), moses(references), moses=True)
        result.metrics[name] = {"BLEU": as_json(found), "published": PUBLISHED[name]}
        rows.append([name, points(found), f"{PUBLISHED[name]}"])
        result.misses += _misses(name, tasks, texts, references)
    title = f"Code-docstring corpus, {split} split, n = {len(tasks)}: BLEU (95% interval)"
    note = "published: Barone & Sennrich 2017, a translation model, on the test split"
    result.tables.append(Table(title, ["direction", "model", "published"], rows, note))
    return result


def moses(texts: Sequence[str]) -> list[str]:
    """Texts as Moses' tokenizer leaves them. Raises MissingExtraError without sacremoses."""
    try:
        from sacremoses import MosesTokenizer
    except ImportError as error:
        raise MissingExtraError("sacremoses", "evaluate") from error
    tokenize = partial(MosesTokenizer(lang="en").tokenize, return_str=True, escape=True)
    return [tokenize(text) for text in texts]


def describe_batch(predictor: Predictor, tasks: list[DocstringTask]) -> list[str]:
    """A description of each function, in quotes as the corpus has them."""
    texts = []
    for task in tasks:
        tree = parse(restore_source(task.code).encode("utf-8", "replace"))
        found = functions(tree)[:1]
        text = predictor.summarize(tree, found)[0] if found else ""
        texts.append(f"'{text}'")
    return texts


def implement_batch(predictor: Predictor, tasks: list[DocstringTask]) -> list[str]:
    """A body for each declaration and description, as the corpus prints one."""
    texts = []
    for task in tasks:
        source = restore_source(task.declaration).rstrip() + "\n    pass\n"
        tree = parse(source.encode("utf-8", "replace"))
        found = functions(tree)
        if not found:
            texts.append("")
            continue
        _, start = body_bounds(found[0])
        begin = found[0].node.end_byte if start is None else start
        request = GenerationRequest(
            "body", text=docstring_text(task.description), tree=tree, function=found[0],
            start=begin, end=found[0].node.end_byte,
        )  # fmt: skip
        written = predictor.generate(request)
        texts.append(print_code(written[0]) if written else "")
    return texts


def _misses(
    name: str, tasks: Sequence[DocstringTask], texts: Sequence[str], references: Sequence[str]
) -> list[Example]:
    """What is least like its reference first."""
    pairs = zip(tasks, texts, references, strict=True)
    ranked = [
        (1 - edit_similarity(text[:400], one[:400]), task, text, one) for task, text, one in pairs
    ]
    ranked.sort(key=lambda one: -one[0])
    return [
        Example(
            f"{name}: {task.declaration}",
            [("wanted", reference), ("written", text)],
            restore_source(task.code if name == "code to docstring" else task.declaration),
            rank,
        )
        for rank, task, text, reference in ranked[:MOST]
    ]
