"""Summaries of functions, and docstrings made of them, inserted losslessly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from codemtl.inference.docstrings import docstring_edit
from codemtl.inference.predictor import Predictor
from codemtl.inference.repair import syntax_trouble
from codemtl.inference.sources import Target, apply_verified, each_file, select_functions
from codemtl.syntax.edits import Edit
from codemtl.syntax.files import SourceFile
from codemtl.syntax.lexical import docstring_node
from codemtl.syntax.positions import Positions
from codemtl.syntax.results import FileResult, Style, Summary
from codemtl.syntax.tree import parse


@dataclass(frozen=True, slots=True)
class SummarizeOptions:
    """Which functions to summarize, and what becomes of their docstrings."""

    style: Style = "plain"
    missing_only: bool = False  # leave documented functions out
    insert: bool = False  # make a patch with docstrings
    replace: bool = False  # also in place of docstrings that are there


def summarize_paths(
    targets: Iterable[Target | FileResult],
    predictor: Predictor,
    options: SummarizeOptions,
    *,
    write: bool = False,
) -> Iterator[FileResult]:
    """Summarize files one after the other; with ``write`` each patch goes to disk at once."""

    def process(source: SourceFile, qualnames: Sequence[str]) -> FileResult:
        return summarize_source(source, predictor, options, qualnames)

    return each_file(targets, process, write=write)


def summarize_source(
    source: SourceFile,
    predictor: Predictor,
    options: SummarizeOptions | None = None,
    qualnames: Sequence[str] = (),
) -> FileResult:
    """Summaries of one file and the patch that inserts them; nothing is written.

    Raises SourceError if one of ``qualnames`` is not in the file.
    """
    options = options or SummarizeOptions()
    tree = parse(source.data)
    trouble = syntax_trouble(tree)
    positions = Positions(source.data)
    keep_documented = options.replace or not (options.missing_only or options.insert)
    chosen = [
        one
        for one in select_functions(tree, qualnames)
        if not trouble.touches(one) and (keep_documented or docstring_node(one.node) is None)
    ]
    texts = predictor.summarize(tree, chosen) if chosen else []
    edits: list[Edit | None] = [
        docstring_edit(tree, one, text, options.style) if options.insert and text else None
        for one, text in zip(chosen, texts, strict=True)
    ]
    patched, applied = apply_verified(tree, [edit for edit in edits if edit is not None])
    summaries = [
        Summary(
            function=one.qualname,
            line=positions.line_column(one.node.start_byte)[0],
            text=text,
            docstring=edit.replacement.strip() if edit in applied and edit else None,
            documented=docstring_node(one.node) is not None,
        )
        for one, text, edit in zip(chosen, texts, edits, strict=True)
    ]
    return FileResult(
        path=str(source.path),
        status=trouble.status,
        message=trouble.message,
        data=source.data,
        encoding=source.encoding,
        bom=source.bom,
        summaries=summaries,
        patched=patched,
    )
