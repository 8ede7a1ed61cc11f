"""Summaries of functions, and docstrings made of them, inserted losslessly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from codemtl.errors import EditError
from codemtl.inference.docstrings import docstring_edit
from codemtl.inference.predictor import Predictor
from codemtl.inference.project import Projects
from codemtl.inference.repair import SyntaxTrouble, syntax_trouble
from codemtl.inference.sources import Target, apply_verified, each_file, select_functions
from codemtl.syntax.definitions import Definition
from codemtl.syntax.edits import Edit
from codemtl.syntax.files import SourceFile
from codemtl.syntax.lexical import docstring_node
from codemtl.syntax.positions import Positions
from codemtl.syntax.results import FileResult, Status, Style, Summary
from codemtl.syntax.tree import SourceTree, parse
from codemtl.syntax.verify import verify

_STUB = "a stub file gets no docstrings; name a function by PATH::NAME to give it one"


@dataclass(frozen=True, slots=True)
class SummarizeOptions:
    """Which functions to summarize, and what becomes of their docstrings."""

    style: Style = "plain"
    missing_only: bool = False  # leave documented functions out
    insert: bool = False  # make a patch with docstrings; overloads and whole stubs are left out
    replace: bool = False  # also in place of docstrings that are there


def summarize_paths(
    targets: Iterable[Target | FileResult],
    predictor: Predictor,
    options: SummarizeOptions,
    *,
    write: bool = False,
) -> Iterator[FileResult]:
    """Summarize files one after the other; with ``write`` each patch goes to disk at once."""
    projects = Projects()

    def process(source: SourceFile, qualnames: Sequence[str]) -> FileResult:
        return summarize_source(source, predictor, options, qualnames, projects)

    return each_file(targets, process, write=write)


def summarize_source(
    source: SourceFile,
    predictor: Predictor,
    options: SummarizeOptions | None = None,
    qualnames: Sequence[str] = (),
    projects: Projects | None = None,
) -> FileResult:
    """Summaries of one file and the patch that inserts them; nothing is written.

    ``projects`` remembers what stands in the files of its folder, for calls one after another.

    A docstring that cannot be placed makes the status ``error``, whatever becomes of the others.
    Raises SourceError if one of ``qualnames`` is not in the file.
    """
    options = options or SummarizeOptions()
    tree = parse(source.data, (projects or Projects()).beside(source))
    trouble = syntax_trouble(tree)
    positions = Positions(source.data)
    chosen = _choose(tree, options, qualnames, trouble)
    result = FileResult(
        path=str(source.path),
        status=trouble.status,
        message=trouble.message,
        data=source.data,
        encoding=source.encoding,
        bom=source.bom,
    )
    if chosen and options.insert and source.path.suffix == ".pyi" and not qualnames:
        _tell(result, "skipped", [_STUB])
        return result
    _tell(result, result.status if chosen else "skipped", _documented(tree, options, qualnames))
    texts = predictor.summarize(tree, chosen) if chosen else []
    said = list(zip(chosen, texts, strict=True))
    edits, refused = _insert(tree, said if options.insert else [], options.style)
    result.patched, applied = apply_verified(tree, list(edits.values()))
    placed = set(applied)
    for one in [one for one, edit in edits.items() if edit not in placed]:
        refused.append(_refusal(one, _reason(tree, edits.pop(one))))
    _tell(result, "error", refused)
    result.summaries = [
        Summary(
            function=one.qualname,
            line=positions.line_column(one.node.start_byte)[0],
            text=text,
            docstring=edits[one].replacement.strip() if one in edits else None,
            documented=docstring_node(one.node) is not None,
        )
        for one, text in said
    ]
    return result


def _choose(
    tree: SourceTree, options: SummarizeOptions, qualnames: Sequence[str], trouble: SyntaxTrouble
) -> list[Definition]:
    """The functions to summarize, in source order."""
    return [
        one
        for one in select_functions(tree, qualnames)
        if not trouble.touches(one)
        and (_keeps_documented(options) or docstring_node(one.node) is None)
        and not (options.insert and _is_overload(tree, one))
    ]


def _keeps_documented(options: SummarizeOptions) -> bool:
    return options.replace or not (options.missing_only or options.insert)


def _documented(tree: SourceTree, options: SummarizeOptions, qualnames: Sequence[str]) -> list[str]:
    """Which of the names are left out, as all that they mean has docstrings, and the way out."""
    if _keeps_documented(options):
        return []
    instead = " instead of --missing-only" if options.missing_only else ""
    way = f"give --replace{instead} to write over that"
    if not options.insert:
        way = "leave out --missing-only to have a summary"
    named = [(name, select_functions(tree, [name])) for name in qualnames]
    return [
        f"{name} is documented already; {way}"
        for name, found in named
        if found and all(docstring_node(one.node) is not None for one in found)
    ]


def _is_overload(tree: SourceTree, function: Definition) -> bool:
    """Whether a function is a mere signature: ``@overload``, ``@typing.overload`` and the like."""
    names = [
        tree.text(name)
        for decorator in function.outer.children if decorator.type == "decorator"
        for name in decorator.named_children if name.type in ("identifier", "attribute")
    ]  # fmt: skip
    return any(name.rpartition(".")[2].strip() == "overload" for name in names)


def _insert(
    tree: SourceTree, said: Iterable[tuple[Definition, str]], style: Style
) -> tuple[dict[Definition, Edit], list[str]]:
    """The edits that insert docstrings and change something, and why others are not possible."""
    edits: dict[Definition, Edit] = {}
    refused: list[str] = []
    for one, text in said:
        if not text:
            continue
        try:
            edit = docstring_edit(tree, one, text, style)
        except EditError as error:
            refused.append(_refusal(one, str(error)))
            continue
        if tree.data[edit.start : edit.end].decode() != edit.replacement:
            edits[one] = edit
    return edits, refused


def _reason(tree: SourceTree, edit: Edit) -> str:
    """Why an edit was not accepted."""
    try:
        verify(tree, [edit])
    except EditError as error:
        return str(error)
    return "it does not go with the others"


def _refusal(function: Definition, reason: str) -> str:
    return f"the docstring of {function.qualname} could not be placed: {reason}"


def _tell(result: FileResult, status: Status, messages: Sequence[str]) -> None:
    """Add ``messages``, if there are any, to a result; a status ``error`` stays."""
    if messages:
        result.status = result.status if result.status == "error" else status
        result.message = "; ".join(filter(None, [result.message, *messages]))
