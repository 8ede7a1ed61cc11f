"""HumanEval single-line infilling: functions with one line written anew, run with their tests.

The model is not told how far the line is indented; `indentation` concludes it from the lines
around. Beside it stand the line ``pass``, as some lines are not needed by any test, the rivals
of `line_rivals` where a corpus is given, and as the ceiling the solution's own line, put where that
rule says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from codemtl.evaluation.benchmarks import InfillingTask
from codemtl.evaluation.cases import hidden
from codemtl.evaluation.corpus import Corpus
from codemtl.evaluation.execution import isolation, passes
from codemtl.evaluation.line_rivals import Place, line_rivals
from codemtl.evaluation.results import Example, SuiteResult, Table, as_json, percent
from codemtl.evaluation.workers import run
from codemtl.inference.generate import placed as in_place
from codemtl.inference.predictor import GenerationRequest, Predictor
from codemtl.syntax.definitions import functions
from codemtl.syntax.tree import parse
from codemtl.syntax.verify import compile_error
from codemtl.tasks.metrics import edit_similarity, same_code, share

BATCH = 8
MOST = 200  # examples
_STEP = "    "
_LEAVES = ("return", "break", "continue", "raise", "pass")
_CLAUSE = re.compile(r"(else|elif|except|finally)\b")


def infilling_suite(
    tasks: Sequence[InfillingTask],
    corpus: Corpus | None,
    make: Callable[[], Predictor],
    jobs: int,
    seed: int,
) -> SuiteResult:
    """pass@1 of the first candidate, and exact match up to whitespace."""
    batches = [list(tasks[start : start + BATCH]) for start in range(0, len(tasks), BATCH)]
    found = run(write_batch, batches, make, jobs, "writing lines")
    rivals, functions = ({}, 0) if corpus is None else line_rivals(
        [_place(task) for task in tasks], corpus, seed
    )  # fmt: skip
    systems = {
        "model": [text for batch in found for text in batch],
        **{name: [*map(placed, tasks, texts)] for name, texts in rivals.items()},
        "the line `pass`": [placed(task, "pass") for task in tasks],
        "the solution's line": [placed(task, task.solution) for task in tasks],
    }
    facts = {
        "list": "HumanEval-SingleLineInfilling",
        "tasks": len(tasks),
        "rivals": f"from {functions} training functions" if functions else "no training functions",
        "isolation": isolation().protects,
    }
    result = SuiteResult("humaneval-infilling", facts)
    rows = []
    passed: dict[str, np.ndarray] = {}
    for name, texts in systems.items():
        programs = [program(task, text) for task, text in zip(tasks, texts, strict=True)]
        verdicts = run(_passes, programs, _nothing, jobs, f"running programs: {name}")
        passed[name] = np.array(verdicts, bool)
        exact = [same_code(text, one.solution) for text, one in zip(texts, tasks, strict=True)]
        values = {
            "pass@1": share(passed[name], seed=seed),
            "exact match": share(np.array(exact), seed=seed),
        }
        result.metrics[name] = {key: as_json(value) for key, value in values.items()}
        rows.append([name, *(percent(value) for value in values.values())])
    title = f"HumanEval single-line infilling, n = {len(tasks)} (95% interval)"
    result.tables.append(Table(title, ["system", "pass@1", "exact match"], rows))
    result.misses = _misses(tasks, systems["model"], passed["model"])
    return result


def write_batch(predictor: Predictor, tasks: list[InfillingTask]) -> list[str]:
    """The line of each task, with its indentation and line break."""
    texts = []
    for task in tasks:
        indent = indentation(task.prompt, task.suffix)
        head = (task.prompt + indent).encode()
        tail = b"\n" + task.suffix.encode()
        stand_in = hidden(head + tail, (len(head), len(head)))
        tree = parse(head + stand_in + tail)
        around = [one for one in functions(tree) if one.start <= len(head) <= one.end]
        request = GenerationRequest(
            "line", tree=tree, function=around[-1] if around else None,
            start=len(head), end=len(head) + len(stand_in),
        )  # fmt: skip
        lines = [placed(task, text) for text, _ in in_place(predictor, request, indent)]
        texts.append(next((line for line in lines if _compiles(task, line)), [*lines, ""][0]))
    return texts


def _compiles(task: InfillingTask, line: str) -> bool:
    return compile_error((task.prompt + line + task.suffix).encode()) is None


def placed(task: InfillingTask, text: str) -> str:
    """A candidate as the line of its task; a clause such as ``else:`` stands a step further out."""
    indent = indentation(task.prompt, task.suffix)
    if _CLAUSE.match(text.strip()):
        indent = indent[: -len(_STEP)]
    return "".join(f"{indent}{line}\n" for line in text.strip().split("\n"))


def _place(task: InfillingTask) -> Place:
    return Place(task.prompt + indentation(task.prompt, task.suffix), "\n" + task.suffix)


def indentation(prompt: str, suffix: str) -> str:
    """How far a line between the two must be indented, unless it is a clause of a statement."""
    before = [line for line in prompt.split("\n") if line.strip()]
    after = [line for line in suffix.split("\n") if line.strip()]
    above = before[-1] if before else ""
    here = _indent(above)
    if above.split("#")[0].rstrip().endswith(":"):
        return here + _STEP
    if not after:  # the last line of the function
        heads = [_indent(line) for line in before if line.lstrip().startswith("def ")]
        return min(heads, key=len, default="") + _STEP
    below = _indent(after[0])
    if len(below) > len(here):  # the line opens the block that follows
        return below[: -len(_STEP)]
    left = above.split("#")[0].split()[:1]
    return below if left and left[0] in _LEAVES else here


def program(task: InfillingTask, text: str) -> str:
    """The function with its tests."""
    return f"{task.prompt}{text}{task.suffix}\n{task.test}\ncheck({task.entry_point})\n"


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" "))]


def _nothing() -> None:
    """What a process needs that only runs programs."""


def _passes(_: None, text: str) -> bool:
    return passes(text)


def _misses(
    tasks: Sequence[InfillingTask], texts: Sequence[str], passed: np.ndarray
) -> list[Example]:
    """Lines that failed, those most like the solution first."""
    found = []
    for task, text, good in zip(tasks, texts, passed.tolist(), strict=True):
        if not good:
            rank = edit_similarity(text.strip(), task.solution.strip())
            facts = [("wanted", task.solution.strip()), ("written", text.strip())]
            code = f"{task.prompt}{_STEP}# ← here\n{task.suffix}"
            found.append(Example(task.name, facts, code, rank))
    return sorted(found, key=lambda one: -one.rank)[:MOST]
