"""Cases with their text: what a frozen list becomes beside a corpus.

A pointer whose text the corpus lacks, or has in another version, yields no case; how many there
are is part of every report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from codemtl.errors import DataError
from codemtl.evaluation.corpus import Corpus, digest
from codemtl.evaluation.frozen import (
    CleanFile,
    FixPointer,
    FrozenList,
    FunctionPointer,
    MadeBug,
    fix_digest,
)
from codemtl.evaluation.judging import REWRITE, Truth, truth_of_edit, truth_of_rewrite
from codemtl.evaluation.synthetic import Made, function_at, mutated
from codemtl.inference.predictor import GenerationRequest
from codemtl.inference.prompts import stand_in
from codemtl.syntax.definitions import functions
from codemtl.syntax.edits import Edit, apply
from codemtl.syntax.tree import parse
from codemtl.tasks.metrics import same_code

CLEAN_PER_BUG = 5  # how many clean functions belong to a bug where the number is limited


class Origin(NamedTuple):
    """Where a case comes from."""

    project: str
    commit: str
    path: str
    message: str = ""  # of the commit that fixes a real bug
    parent: str = ""  # the commit before that one

    @property
    def tree(self) -> str:
        """The commit whose files stand beside the case's."""
        return self.parent or self.commit


@dataclass(frozen=True, slots=True)
class RepairCase:
    """A file, and those of its functions that count: one with a bug, or some without."""

    origin: Origin
    data: bytes
    starts: tuple[int, ...]  # bytes at which the ``def`` of each stands
    truth: Truth | None  # of the only function; None for clean ones

    @property
    def fixed(self) -> bytes:
        """The file without the bug."""
        if self.truth is None:
            return self.data
        return apply(self.data, [Edit(self.truth.start, self.truth.end, self.truth.after)])


@dataclass(frozen=True, slots=True)
class TextCase:
    """A function of a file and what is to be written: its summary, or a line of it."""

    origin: Origin
    data: bytes
    start: int
    qualname: str
    mask: tuple[int, int] | None  # bytes of the file
    reference: str


@dataclass(slots=True)
class RepairCases:
    """The cases of a repair suite."""

    frozen: FrozenList
    bugs: list[RepairCase] = field(default_factory=list)
    clean: list[RepairCase] = field(default_factory=list)
    unresolved: int = 0

    @property
    def clean_functions(self) -> int:
        """How many functions count as clean."""
        return sum(len(one.starts) for one in self.clean)


@dataclass(slots=True)
class TextCases:
    """The cases of a suite of texts."""

    frozen: FrozenList
    cases: list[TextCase] = field(default_factory=list)
    unresolved: int = 0


def repair_cases(
    corpus: Corpus, frozen: FrozenList, limit: int | None = None, *, one_edit: bool = False
) -> RepairCases:
    """The bugs and clean files of a list; with ``limit`` so many bugs at most, and their share
    of clean functions; with ``one_edit`` only bugs that one edit of our kinds repairs. Raises
    DataError if nothing at all can be resolved.
    """
    found = RepairCases(frozen)
    bugs = [one for one in frozen.pointers if isinstance(one, FixPointer | MadeBug)]
    bugs = [one for one in bugs if not (one_edit and one.kind == REWRITE)]
    clean = [one for one in frozen.pointers if isinstance(one, CleanFile)]
    fixes = _fixes(corpus, bugs)
    for bug in bugs:
        if limit is not None and len(found.bugs) >= limit:
            break
        made = _made_bug(corpus, bug) if isinstance(bug, MadeBug) else fixes(bug)
        found.unresolved += made is None
        found.bugs += [made] if made is not None else []
    room = len(frozen.pointers) * 1000 if limit is None else CLEAN_PER_BUG * limit
    for file in clean:
        if room <= 0:
            break
        data = _verified(corpus, file)
        if data is None:
            found.unresolved += 1
            continue
        starts = tuple(sorted(file.starts[:room]))
        room -= len(starts)
        found.clean.append(RepairCase(_origin(file), data, starts, None))
    _check(corpus, frozen, bool(found.bugs and found.clean))
    return found


def text_cases(corpus: Corpus, frozen: FrozenList, limit: int | None = None) -> TextCases:
    """The functions of a list. Raises DataError if nothing at all can be resolved."""
    found = TextCases(frozen)
    known = {(one.file, one.start): one.summary for one in corpus.functions}
    for one in frozen.pointers:
        if limit is not None and len(found.cases) >= limit:
            break
        assert isinstance(one, FunctionPointer)
        data = _verified(corpus, one)
        if data is None:
            found.unresolved += 1
            continue
        if one.mask is None:
            reference = known.get((corpus.places[one.project, one.path], one.start), "")
        else:
            reference = data[slice(*one.mask)].decode("utf-8", "replace")
        if digest(reference.encode()) != one.check:
            found.unresolved += 1
            continue
        found.cases.append(
            TextCase(_origin(one), data, one.start, one.qualname, one.mask, reference)
        )
    _check(corpus, frozen, bool(found.cases))
    return found


def _check(corpus: Corpus, frozen: FrozenList, resolved: bool) -> None:
    if not resolved:
        raise DataError(
            f"the text of {frozen.name} is not in {corpus.folder}: build the corpus from the"
            " commits that the list names, or freeze lists of your own with"
            " scripts/freeze_benchmarks.py"
        )


def _origin(pointer: CleanFile | MadeBug | FunctionPointer) -> Origin:
    return Origin(pointer.project, pointer.commit, pointer.path)


def _verified(corpus: Corpus, pointer: CleanFile | MadeBug | FunctionPointer) -> bytes | None:
    """The file of a pointer if it is the version that the pointer means."""
    data = corpus.at(pointer.project, pointer.path)
    return data if data is not None and digest(data) == pointer.digest else None


def _made_bug(corpus: Corpus, pointer: MadeBug) -> RepairCase | None:
    data = _verified(corpus, pointer)
    if data is None:
        return None
    made = Made(pointer.qualname, pointer.kind, pointer.bug, pointer.fix)
    return with_bug(_origin(pointer), data, pointer.start, made)


def with_bug(origin: Origin, data: bytes, start: int, made: Made) -> RepairCase | None:
    """The file with a bug made in the function at ``start``; None where no function is left."""
    new = mutated(data, made.bug)
    function = function_at(parse(new), start)  # the mutation lies after the start
    if function is None:
        return None
    truth = truth_of_edit(new, start, function.node.end_byte, Edit(*made.fix), made.kind)
    return RepairCase(origin, new, (start,), truth)


def _fixes(
    corpus: Corpus, pointers: Iterable[FixPointer | MadeBug]
) -> Callable[[FixPointer], RepairCase | None]:
    """A function that finds the fix of a pointer; the table is read only if one is wanted."""
    if not any(isinstance(one, FixPointer) for one in pointers):
        return lambda pointer: None
    table = corpus.table("fixes")
    rows = corpus.rows("fixes")
    names = ["project", "commit", "path", "qualname", "hash_before"]
    keys = zip(*table.columns(names, rows), strict=True)
    known: dict[Any, list[int]] = {}
    for key, row in zip(keys, rows, strict=True):
        known.setdefault(key, []).append(row)

    def find(pointer: FixPointer) -> RepairCase | None:
        for row in known.get(pointer.key, []):
            one = table.row(row)
            if fix_digest(one["file"], one["before"], one["after"]) == pointer.digest:
                return real_bug(one)
        return None

    return find


def real_bug(row: dict[str, Any]) -> RepairCase | None:
    """The case of a row of fixes; None where its offsets do not hold."""
    data, start, end = row["file"].encode(), row["start"], row["end"]
    if data[start:end] != row["before"].encode():
        return None
    starts = [one.node.start_byte for one in functions(parse(data))]
    first = next((at for at in starts if start <= at < end), None)  # decorators stand before it
    if first is None:
        return None
    truth = truth_of_rewrite(data, start, end, row["after"])
    if row["kind"] != REWRITE:
        edit = _single_edit(row, data)
        if edit is None:
            return None
        truth = truth_of_edit(data, start, end, edit, row["kind"])
    message = (row.get("message") or "").strip().partition("\n")[0]
    origin = Origin(row["project"], row["commit"], row["path"], message, row.get("parent") or "")
    return RepairCase(origin, data, (first,), truth)


def _single_edit(row: dict[str, Any], data: bytes) -> Edit | None:
    """The edit of the file that is the fix; its offsets may be those of the function."""
    found = []
    for shift in (0, row["start"]):
        low, high = row["edit_start"] + shift, row["edit_end"] + shift
        if not row["start"] <= low <= high <= row["end"]:
            continue
        if data[low:high].decode("utf-8", "replace") != row["edit_original"]:
            continue
        inside = Edit(low - row["start"], high - row["start"], row["edit_replacement"])
        made = apply(row["before"].encode(), [inside]).decode("utf-8", "replace")
        found.append((same_code(made, row["after"]), Edit(low, high, row["edit_replacement"])))
    return max(found, key=lambda one: one[0])[1] if found else None


def line_request(case: TextCase, beside: tuple[bytes, ...] = ()) -> GenerationRequest:
    """What is asked for the masked line of a case, which the predictor cannot see."""
    assert case.mask is not None
    stand_in, start = hidden(case.data, case.mask), case.mask[0]
    tree = parse(case.data[:start] + stand_in + case.data[case.mask[1] :], beside)
    return GenerationRequest(
        "line", tree=tree, function=function_at(tree, case.start),
        start=start, end=start + len(stand_in),
    )  # fmt: skip


def hidden(data: bytes, mask: tuple[int, int]) -> bytes:
    """What stands in place of a masked line, so that no predictor can see it."""
    found = stand_in(data, *mask, b"True")
    return b"pass" if found == b"True" else found
