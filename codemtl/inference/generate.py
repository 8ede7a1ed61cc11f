"""Generation of code: a function from a description, one line, or the body of a function.

    codemtl generate "parse an ISO date"          a whole function
    codemtl generate a.py --line 12               what could stand in line 12
    codemtl generate a.py::Scraper.parse          its statements, docstring kept

Candidates that would not parse where they go are dropped; those that use what nothing defines,
leave out what is used after them, or do nothing but call themselves come last. A whole function of
the last kind is no candidate.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress

from codemtl.errors import EditError, SourceError, UsageError
from codemtl.inference.docstrings import body_bounds, body_indent, line_ending
from codemtl.inference.places import line_place
from codemtl.inference.predictor import GenerationRequest, Predictor
from codemtl.inference.project import Projects
from codemtl.inference.sources import STDIN, Target, read_target, split_argument
from codemtl.syntax.definitions import Definition, find, functions
from codemtl.syntax.edits import Edit
from codemtl.syntax.files import SourceFile
from codemtl.syntax.lexical import docstring_node
from codemtl.syntax.positions import Positions
from codemtl.syntax.results import Candidate, Generated
from codemtl.syntax.scopes import analyze
from codemtl.syntax.tree import SourceTree, parse
from codemtl.syntax.undefined import unresolved_names
from codemtl.syntax.verify import compile_error, verify


def is_place(argument: str) -> bool:
    """Whether an argument of ``generate`` means a file, or - for one, and not a description."""
    path, qualname = split_argument(argument)
    looks_like_file = path.endswith((".py", ".pyi")) and not any(map(str.isspace, path))
    return (
        path == STDIN
        or looks_like_file
        or os.path.isfile(path)  # a long description is no error
        or bool(qualname and os.path.isdir(path))
    )


def generate(
    argument: str,
    predictor: Predictor,
    *,
    line: int | None = None,
    candidates: int = 1,
    stdin_filename: str | None = None,
) -> Generated:
    """Candidates for a description, a ``PATH::QUALNAME``, or a ``PATH`` and line (from 1).

    ``-`` is a description from standard input; with ``line``, the text of a file. Raises
    SourceError if the place cannot be read or found, and UsageError if it is not said.
    """
    path, qualname = split_argument(argument)
    if path == STDIN and (line is not None or qualname):
        target = Target(stdin_filename or STDIN, stdin=True)
    elif path == STDIN or not is_place(argument):
        if line is not None:
            raise UsageError(f"--line {line} needs a file, and {argument!r} is none")
        if os.path.isdir(argument):
            raise UsageError(f"{argument} is a folder; name a file, or describe in more words")
        text = read_target(Target(STDIN, stdin=True)).data.decode() if path == STDIN else argument
        return generate_text(text, predictor, candidates)
    else:
        target = Target(path)
    source = read_target(target)
    beside = Projects().beside(source)
    if line is not None:
        return generate_line(source, predictor, line, qualname, candidates, beside)
    if not qualname:
        raise UsageError(f"{path}: say what to write: {path}::FUNCTION for a body, or --line N")
    return generate_body(source, predictor, qualname, candidates, beside)


def generate_text(text: str, predictor: Predictor, candidates: int = 1) -> Generated:
    """Write a function from its description."""
    if not text.strip():
        raise UsageError("the description is empty; say what the function shall do")
    written = predictor.generate(GenerationRequest("text", candidates, text=text.strip()))
    sound = [one for one in written if one.strip() and compile_error(one.encode()) is None]
    dropped = len(written) - len(sound)
    sound = [one for one in sound if not any(map(_is_endless, functions(parse(one.encode()))))]
    sound.sort(key=lambda one: _faults(one.encode()))
    return Generated([Candidate(one) for one in sound[:candidates]], dropped=dropped)


def generate_line(
    source: SourceFile,
    predictor: Predictor,
    line: int,
    qualname: str = "",
    candidates: int = 1,
    beside: tuple[bytes, ...] = (),
) -> Generated:
    """Write what could stand in ``line`` (from 1) instead of what stands there.

    A statement over several lines is written anew as a whole. ``beside`` are texts of files of the
    same folder.
    """
    tree = parse(source.data, beside)
    positions = Positions(source.data)
    if not 1 <= line <= positions.line_count:
        raise SourceError(
            f"{source.path} has no line {line}; its lines are 1 to {positions.line_count}"
        )
    if qualname:
        named = _find(source, tree, qualname)
        if not named.start <= positions.offset(line, 0) < named.end:
            raise SourceError(f"line {line} of {source.path} is not in {qualname}")
    try:
        place = line_place(tree, positions, line)
    except SourceError as error:
        raise SourceError(f"{source.path}: {error}") from error
    missing = "" if place.written else place.indent
    request = GenerationRequest(
        "line", candidates, tree=tree, function=place.function,
        start=place.start, end=place.end, indent=missing,
    )  # fmt: skip
    return _in_place(source, predictor, request, place.indent, missing, line)


def generate_body(
    source: SourceFile,
    predictor: Predictor,
    qualname: str,
    candidates: int = 1,
    beside: tuple[bytes, ...] = (),
) -> Generated:
    """Write the statements of a function; its docstring stays. ``beside`` as in `generate_line`."""
    tree = parse(source.data, beside)
    function = _find(source, tree, qualname)
    if function.kind != "function":
        raise SourceError(f"{source.path}: {qualname} is a class; name one of its functions")
    header_end, statement = body_bounds(function)
    docstring = docstring_node(function.node)
    indent = body_indent(tree, function)
    prefix = line_ending(source.data) + indent
    body = function.node.child_by_field_name("body")
    end = body.end_byte if body is not None and statement is not None else header_end
    if docstring is not None and set(b"\r\n") & set(source.data[header_end : docstring.start_byte]):
        start = docstring.end_byte
        if re.match(rb"[ \t]*#", source.data[start:end]):  # what is said of it stays beside it
            start = min(end, start + len(re.split(rb"[\r\n]", source.data[start:end])[0]))
    elif docstring is not None:  # it moves from the line of the header to one of its own
        start, prefix = header_end, prefix + tree.text(docstring) + prefix
    elif statement is not None and re.match(rb"[ \t]*[#\r\n]", source.data[header_end:statement]):
        start, prefix = statement, ""  # comments between header and body stay
    else:
        start = header_end
    request = GenerationRequest(
        "body", candidates, tree=tree, function=function, start=start, end=end, indent=indent
    )
    line, _ = Positions(source.data).line_column(function.node.start_byte)
    return _in_place(source, predictor, request, indent, prefix, line)


def _find(source: SourceFile, tree: SourceTree, qualname: str) -> Definition:
    """A definition by name; SourceError that names the file."""
    try:
        return find(tree, qualname)
    except SourceError as error:
        raise SourceError(f"{source.path}: {error}") from error


def _in_place(
    source: SourceFile,
    predictor: Predictor,
    request: GenerationRequest,
    indent: str,
    prefix: str,
    line: int,
) -> Generated:
    """Ask the predictor, put each candidate where it goes, and keep those that are sound."""
    assert request.tree is not None
    line_end = line_ending(source.data)
    result = Generated(
        [],
        path=str(source.path),
        function=request.function.qualname if request.function else None,
        line=line,
        data=source.data,
        bom=source.bom,
    )
    found = placed(predictor, request, indent, prefix, line_end)
    sound = [(text, patched) for text, patched in found if patched is not None]
    result.dropped = len(found) - len(sound)
    result.candidates = [
        Candidate(text.rstrip(), patched) for text, patched in sound[: request.candidates]
    ]
    return result


def placed(
    predictor: Predictor,
    request: GenerationRequest,
    indent: str = "",
    prefix: str = "",
    line_end: str = "\n",
) -> list[tuple[str, bytes | None]]:
    """What the predictor writes, best first, and the file with it: None if that is not sound.

    Files that compile come first, and of these the ones in which the fewest names are undefined.
    ``prefix`` comes before the text, ``indent`` before each further line.
    """
    found = []
    for text in predictor.generate(request):
        lines = text.rstrip().split("\n")
        whole = line_end.join([lines[0], *(indent + one if one else "" for one in lines[1:])])
        patched = _patched(request, prefix + whole)
        found.append((text, patched, _faults(patched)))
    found.sort(key=lambda one: one[2])
    return [(text, patched) for text, patched, _ in found]


def _faults(data: bytes | None) -> tuple[bool, bool, int, int]:
    """What speaks against a file: broken, does not compile, endless functions, undefined names."""
    if data is None:
        return True, True, 0, 0
    tree = parse(data)
    endless = sum(map(_is_endless, functions(tree)))
    return False, compile_error(data) is not None, endless, len(unresolved_names(analyze(tree)))


def _is_endless(function: Definition) -> bool:
    """Whether all that a function does is to call itself."""
    body, says = function.node.child_by_field_name("body"), docstring_node(function.node)
    if body is None:
        return False
    last = [one for one in body.named_children if one.type != "comment"]
    if says is not None and last and last[0].start_byte == says.start_byte:
        last = last[1:]
    if len(last) != 1 or last[0].type not in ("return_statement", "expression_statement"):
        return False
    call = next((one for one in last[0].named_children if one.type == "call"), None)
    called = None if call is None else call.child_by_field_name("function")
    if called is None or called.text is None:
        return False
    name = function.name.encode()
    return called.text in (name, b"self." + name, b"cls." + name)


def _patched(request: GenerationRequest, text: str) -> bytes | None:
    assert request.tree is not None
    data = request.tree.data
    if data[request.start : request.end] == text.encode():
        return data  # what stands there already is an answer too
    with suppress(EditError):
        return verify(request.tree, [Edit(request.start, request.end, text)])
    return None
