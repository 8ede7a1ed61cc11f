"""Functions of public benchmarks, so that none of them is ever trained on.

A function is excluded when its normalised-token hash is in a benchmark, when a looser hash is
(brackets, quotes and commas dropped, because the code-docstring corpus was printed from syntax
trees), or when the benchmark names its repository, file and function.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import string
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from codemtl.corpus.hashing import function_tokens, token_hash
from codemtl.corpus.splits import canonical_name
from codemtl.errors import DataError
from codemtl.syntax.definitions import functions
from codemtl.syntax.tree import parse

_QUOTES = re.compile(r"""[a-zA-Z]{0,2}(\"""|'''|"|')""")
_LAYOUT = str.maketrans("", "", string.whitespace + "()[]{},;\"'\\")
_COMBINATIONS = (
    ("prompt", "canonical_solution", "suffix"),
    ("prompt", "canonical_solution"),
    ("prompt", "buggy_solution"),
    ("declaration", "canonical_solution"),
    ("declaration", "buggy_solution"),
    ("code",),
)


@dataclass(frozen=True)
class Exclusions:
    """What must not enter a corpus. Immutable, so that it can be sent to worker processes."""

    exact: frozenset[int] = frozenset()
    loose: frozenset[int] = frozenset()
    pointers: frozenset[tuple[str, str, str]] = frozenset()  # canonical project, path, function

    def reason(self, project: str, path: str, name: str, texts: Sequence[str]) -> str | None:
        """Why a function with these token texts is excluded, or None."""
        if self.exact and token_hash(texts) in self.exact:
            return "benchmark"
        if self.loose and loose_hash(texts) in self.loose:
            return "benchmark-loose"
        if self.pointers and (canonical_name(project), path, name) in self.pointers:
            return "benchmark-pointer"
        return None

    @property
    def checksum(self) -> str:
        """SHA-256 over all entries; equal sets have equal checksums."""
        entries = (sorted(self.exact), sorted(self.loose), sorted(self.pointers))
        return hashlib.sha256(json.dumps(entries).encode()).hexdigest()


def loose_hash(texts: Iterable[str]) -> int:
    """Hash of token texts without layout, brackets, commas, quotes and string prefixes."""
    kept = (text for text in texts if not _QUOTES.fullmatch(text))
    return token_hash(["".join(kept).translate(_LAYOUT)])


def load_exclusions(paths: Sequence[Path]) -> Exclusions:
    """Read benchmarks: ``.jsonl`` and ``.jsonl.gz`` files, code-docstring corpora, folders of them.

    Raises DataError for a missing path, a file that is not what its name says, and for files in
    which no program is found.
    """
    exact: set[int] = set()
    loose: set[int] = set()
    pointers: set[tuple[str, str, str]] = set()
    for file in _files(paths):
        if ".declbodies." in file.name:
            lines = _lines(file)
            for line in lines:
                loose.update(
                    loose_hash(texts) for _, texts in _function_texts(restore_source(line))
                )
            metadata = file.with_name(file.name.replace(".declbodies.", ".metadata."))
            if metadata.is_file():
                pointers.update(_pointers(lines, _lines(metadata)))
        elif file.name.endswith((".jsonl", ".jsonl.gz")):
            for source in _record_sources(file):
                for _, texts in _function_texts(source):
                    exact.add(token_hash(texts))
                    loose.add(loose_hash(texts))
    if paths and not (exact or loose or pointers):
        raise DataError(
            f"no benchmark's programs were found in {', '.join(map(str, paths))}; give .jsonl "
            "files (also .gz), code-docstring corpora, or folders of them"
        )
    return Exclusions(frozenset(exact), frozenset(loose), frozenset(pointers))


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(found for found in path.rglob("*") if found.is_file())
        elif path.is_file():
            yield path
        else:
            raise DataError(f"benchmark {path} does not exist; give the folder that holds it")


def _lines(file: Path) -> list[str]:
    return file.read_text("utf-8", "replace").split("\n")


def _record_sources(file: Path) -> Iterator[str]:
    """The programs that the records of a JSON-lines file hold, as far as its fields are known."""
    try:
        data = file.read_bytes()
        for line in (gzip.decompress(data) if file.suffix == ".gz" else data).splitlines():
            record = json.loads(line) if line.strip() else {}
            for names in _COMBINATIONS:
                if all(isinstance(record.get(name), str) for name in names):
                    yield "".join(record[name] for name in names)
    except (OSError, EOFError, ValueError, AttributeError) as error:
        raise DataError(f"{file} is not a readable JSON-lines file: {error}") from error


def restore_source(line: str) -> str:
    """Source of a line of the code-docstring corpus.

    DCNL stands for a line break there, DCSP for a step of indentation.
    """
    rows = []
    for row in line.split("DCNL"):
        depth = re.match(r"(\s*DCSP)*", row)
        steps = depth.group().count("DCSP") if depth else 0
        rows.append("    " * steps + row[depth.end() if depth else 0 :].replace("DCSP", "").strip())
    return "\n".join(rows) + "\n"


def _function_texts(source: str) -> Iterator[tuple[str, list[str]]]:
    tree = parse(source.encode("utf-8", "replace"))
    for found in functions(tree):
        yield found.name, [token.text for token in function_tokens(tree, found.node)]


def _pointers(bodies: list[str], metadata: list[str]) -> Iterator[tuple[str, str, str]]:
    for body, meta in zip(bodies, metadata, strict=False):
        parts = meta.rsplit(" ", 1)[0].split("/", 3)  # github/owner/name/path line
        name = re.search(r"\bdef\s+(\w+)", body)
        if len(parts) == 4 and name is not None:
            yield canonical_name(parts[2]), parts[3], name.group(1)
