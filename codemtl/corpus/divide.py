"""Projects divided among the splits by time, for training on one's own history.

The main line of a repository is cut at two commits:

    … ── train ── … ── validation ── … ── HEAD
         │             │                  └ test: functions that differ from both commits before,
         │             │                          fixes since the second one
         │             └ validation: functions that differ from the first one, fixes since it
         └ train: the code as it was then, the fixes until then

What stayed the same since ``train`` is training data, and never judged by. Earlier versions of what
a later split holds are taken out, by path and name, by name and docstring, and by similarity (see
`join`). So nothing that is trained on was written after the first cut, and nothing that is judged
by has been seen in another version.

A folder without git, or a history that is too short, is divided by files instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from codemtl.corpus import git
from codemtl.corpus.exclusions import Exclusions
from codemtl.corpus.filters import reject_path
from codemtl.corpus.join import join
from codemtl.corpus.parts import Part, Settings, Share, mine_part
from codemtl.corpus.place import check_tables, locked
from codemtl.corpus.reserved import is_reserved
from codemtl.corpus.splits import SPLITS
from codemtl.corpus.summary import BuildSummary
from codemtl.corpus.tables import StoredRows
from codemtl.corpus.trees import Source
from codemtl.errors import DataError

COMMITS = 2000  # of the main line that are looked at, the newest
TEST, VALIDATION = (0.2, 8000), (0.15, 4000)  # share of the added lines of Python, and the most
LEAST = {"train": 40, "validation": 10, "test": 10}  # functions, to go by time
FILES: dict[str, tuple[int, int]] = {"train": (0, 6), "validation": (6, 8), "test": (8, 10)}
_HISTORY = "--format=%x01%H %cI"


class Cut(NamedTuple):
    """Where a history is cut: commits of its main line, and the dates of three of them."""

    floor: str  # fixes are looked for from here on; "" for the whole history
    train: str
    validation: str
    test: str
    dates: tuple[str, str, str]  # ISO 8601, of the committers, of the last commit of each split


@dataclass(frozen=True, slots=True)
class Divided:
    """How one project was divided."""

    project: str
    location: str
    by: str  # time or file
    reason: str  # why not by time
    commits: tuple[str, ...]  # last of each split; () by file
    dates: tuple[str, ...]
    functions: dict[str, int]  # by split, before near-duplicates are taken out
    fixes: dict[str, int]

    def document(self) -> dict[str, Any]:
        """For machines."""
        return {key: value for key, value in asdict(self).items() if key != "location"}


def build_divided(
    sources: Sequence[Source], out: Path, *, max_bytes: int | None = None
) -> tuple[list[Divided], BuildSummary]:
    """Mine projects of the user's own into the corpus ``out``, each divided among the splits.

    Finished parts are kept, so that a build can be called again. Raises DataError for a reserved
    project, and where too little code is left to learn from and be judged by.
    """
    for source in sources:
        if is_reserved(source.project):
            raise DataError(
                f"{source.project} ({source.location}) is one of the projects that are kept for"
                " benchmarks, or is named like one; no model may learn from it, so leave it out"
            )
    check_tables(out)
    with locked(out) as folder:
        return _build(sources, out, folder, max_bytes)


def _build(
    sources: Sequence[Source], out: Path, folder: Path, max_bytes: int | None
) -> tuple[list[Divided], BuildSummary]:
    settings = Settings(max_bytes, 0, True, Exclusions())
    found: list[Divided] = []
    parts: list[tuple[Path, Part]] = []
    old: dict[Path, set[int]] = {}
    for source in sources:
        divided, own = divide(source, folder, settings)
        found.append(divided)
        parts += own
        if divided.by == "time":
            old |= superseded(own)
    summary = BuildSummary()
    join(parts, out, summary, _check_counts, old)
    return found, summary


def _check_counts(summary: BuildSummary) -> None:
    """Raise DataError where a split has no function."""
    least = {split: summary.functions[split] for split in SPLITS}
    if not all(least.values()):
        counts = ", ".join(f"{number} for {split}" for split, number in least.items())
        raise DataError(
            f"too little Python to learn from and be judged by: functions {counts}; tests,"
            " generated and vendored files do not count; name more repositories"
        )


def divide(
    source: Source, folder: Path, settings: Settings
) -> tuple[Divided, list[tuple[Path, Part]]]:
    """Mine one project into parts below ``folder``: by time if its history will do."""
    cut = cut_of(source)
    if isinstance(cut, Cut):
        parts = _by_time(source, cut, folder, settings)
        short = [f"{part.functions} for {part.split}" for _, part in parts
                 if part.functions < LEAST[part.split]]  # fmt: skip
        if not short:
            commits = (cut.train, cut.validation, cut.test)
            return _divided(source, "time", "", commits, cut.dates, parts), parts
        cut = f"its history leaves too few functions: {', '.join(short)}"
    parts = []
    for split in SPLITS:
        share = Share(split, tenths=FILES[split])
        place = folder / settings.key(source, share)
        parts.append((place, mine_part(source, place, settings, share)))
    return _divided(source, "file", cut, (), (), parts), parts


def _divided(
    source: Source,
    by: str,
    reason: str,
    commits: tuple[str, ...],
    dates: tuple[str, ...],
    parts: Sequence[tuple[Path, Part]],
) -> Divided:
    functions = {part.split: part.functions for _, part in parts}
    fixes = {part.split: part.fixes for _, part in parts}
    return Divided(source.project, source.location, by, reason, commits, dates, functions, fixes)


def cut_of(source: Source) -> Cut | str:
    """Where to cut a project's history, or why it cannot be cut.

    By lines of Python that the commits of the main line add, so that a quiet year is no test. The
    oldest commit in sight, the first or a shallow clone's boundary, counts as training data.
    """
    if source.kind != "git":
        return "it is no git repository"
    log = git.output(
        source.location, "log", "--first-parent", "-m", "--no-renames", "--numstat",
        "--no-show-signature", f"-n{COMMITS}", _HISTORY, source.commit, "--", "*.py",
    )  # fmt: skip
    commits = [_added(record) for record in log.split("\x01") if record.strip()]
    if len(commits) < len(SPLITS):
        return f"its history has {len(commits)} commits that change Python, of at least 3"
    later = [lines for _, _, lines in commits[:-1]]
    test = _reach(later, 0, *TEST)
    validation = _reach(later, test, *VALIDATION)
    if not test < validation < len(commits):
        return "its history is too short to be cut in three"
    whole = len(commits) < COMMITS
    names = [commits[row] for row in (validation, test, 0)]
    return Cut(
        "" if whole else commits[-1][0], names[0][0], names[1][0], source.commit,
        (names[0][1], names[1][1], names[2][1]),
    )  # fmt: skip


def _added(record: str) -> tuple[str, str, int]:
    """(commit, date, lines that it adds to Python files of the program)."""
    head, *rows = record.strip().split("\n")
    name, _, date = head.partition(" ")
    lines = 0
    for row in rows:
        added, _, rest = row.partition("\t")
        path = rest.partition("\t")[2]
        if added.isdigit() and reject_path(path) is None:
            lines += int(added)
    return name, date, lines


def _reach(lines: Sequence[int], start: int, part: float, most: int) -> int:
    """The first row so that those from ``start`` to it add the wanted part of all lines."""
    wanted = min(max(part * sum(lines), 1), most)
    row, seen = start, 0
    while row < len(lines) and seen < wanted:
        seen += lines[row]
        row += 1
    return row


def _by_time(source: Source, cut: Cut, folder: Path, settings: Settings) -> list[tuple[Path, Part]]:
    """The parts of the three splits; later ones leave out what stayed as it was."""
    start = f"{cut.floor}..{cut.train}" if cut.floor else cut.train
    shares = {
        cut.train: Share("train", fixes=start, first=cut.test),
        cut.validation: Share(
            "validation", since=cut.train, fixes=f"{cut.train}..{cut.validation}"
        ),
        cut.test: Share("test", since=cut.validation, fixes=f"{cut.validation}..{cut.test}"),
    }
    known: set[int] = set()
    parts = []
    for commit, share in shares.items():
        then = replace(source, commit=commit)
        place = folder / settings.key(then, share)
        part = mine_part(then, place, settings, share, frozenset(known))
        parts.append((place, part))
        known.update(StoredRows(place / "functions.arrow").column("hash"))
    return parts


def superseded(parts: Sequence[tuple[Path, Part]]) -> dict[Path, set[int]]:
    """Rows of a project's tables, by file, of which a later part holds another version.

    The parts are in the order of time. Two versions have the same path and name, or (where a
    function was moved) the same name and docstring.
    """
    later: set[tuple[str, str]] = set()
    found: dict[Path, set[int]] = {}
    for folder, _ in reversed(parts):
        own: set[tuple[str, str]] = set()
        files = StoredRows(folder / "files.arrow")
        paths = dict(zip(files.column("file"), files.column("path"), strict=True))
        table = StoredRows(folder / "functions.arrow")
        columns = [table.column(name) for name in ("file", "qualname", "docstring")]
        keys = [
            {(paths[file], name), *([(text, name)] if text else [])}
            for file, name, text in zip(*columns, strict=True)
        ]
        fixes = StoredRows(folder / "fixes.arrow")
        fixed = [{key} for key in zip(fixes.column("path"), fixes.column("qualname"), strict=True)]
        for file, rows in (("functions.arrow", keys), ("fixes.arrow", fixed)):
            found[folder / file] = {row for row, one in enumerate(rows) if one & later}
            own = own.union(*rows)
        later |= own
    return found


def shared_functions(corpus: Path) -> Counter[tuple[str, str]]:
    """How many functions (or versions of a fixed one) two splits of a corpus have in common.

    By normalised-token hash; empty unless something is wrong. The corpus is what `build_divided`
    wrote. Near-duplicates are looked for by ``scripts/check_leaks.py``.
    """
    from datasets import load_from_disk

    owners: dict[int, set[str]] = {}
    for table, columns in (("functions", ("hash",)), ("fixes", ("hash_before", "hash_after"))):
        rows = load_from_disk(str(corpus / table)).select_columns([*columns, "split"])
        for row in rows:
            for column in columns:
                owners.setdefault(row[column], set()).add(row["split"])
    found: Counter[tuple[str, str]] = Counter()
    for splits in owners.values():
        ordered = sorted(splits, key=SPLITS.index)
        found.update((a, b) for i, a in enumerate(ordered) for b in ordered[i + 1 :])
    return found
