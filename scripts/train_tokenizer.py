"""Train the tokenizer on the training split of a mined corpus.

    python scripts/train_tokenizer.py CORPUS OUT [--vocab-size 8192]

Lexical runs are counted per project and damped (count ** 0.7), so that what many projects write
outweighs what one project repeats. Summaries count twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from datasets import Dataset

from codemtl.corpus.hashing import function_tokens, view_text
from codemtl.model.tokenizer import CodeTokenizer
from codemtl.scripting import argument_parser, script
from codemtl.syntax.tree import parse

PROJECT_CHARACTERS = 300_000  # of the lexical view; more of one project adds little
DAMPING = 0.7


def damped(counts: Counter[str], weight: float) -> Iterator[tuple[str, float]]:
    """Counts of one project as weights; spaces alone are pieces without learning."""
    for run, count in counts.items():
        if not run.isspace() or "\n" in run:
            yield run, weight * count**DAMPING


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--vocab-size", type=int, default=8192)
    options = parser.parse_args()
    cut = CodeTokenizer.train(["x"], 300).runs
    code: dict[str, Counter[str]] = {}
    prose: dict[str, Counter[str]] = {}
    for row in Dataset.load_from_disk(str(options.corpus / "files")).shuffle(seed=0):
        counts = code.setdefault(row["project"], Counter())
        if row["split"] == "train" and counts.total() < PROJECT_CHARACTERS // 3:
            tree = parse(row["text"].encode())
            counts.update(cut(view_text(function_tokens(tree, tree.root))))
    for row in Dataset.load_from_disk(str(options.corpus / "functions")):
        if row["split"] == "train" and row["summary"]:
            prose.setdefault(row["project"], Counter()).update(cut(row["summary"]))
    total: Counter[str] = Counter()
    for projects, weight in ((code, 1.0), (prose, 2.0)):
        for counts in projects.values():
            for run, value in damped(counts, weight):
                total[run] += value  # type: ignore[assignment]  # fractions until the end
    texts = (run for run, value in sorted(total.items()) for _ in range(int(value)))
    tokenizer = CodeTokenizer.train(texts, options.vocab_size)
    file = tokenizer.save(options.out)
    print(f"{len(code)} projects, {len(total)} runs, {tokenizer.vocab_size} pieces: {file}")


if __name__ == "__main__":
    script(main)
