"""The HTTP server: the documents of ``--format json`` for source that is sent.

    POST /repair     {"source": "...", "path": "a.py", "function": "f", "min-confidence": 0.5}
    POST /summarize  {"source": "...", "path": "a.py", "style": "google", "insert": true}
    POST /generate   {"text": "parse an ISO date"} or {"source": "...", "line": 3}
    GET  /info

What a request leaves open is as in the pyproject.toml of the folder where the server starts.
Nothing is read from the disk or written to it; ``path`` is only a name. It answers to addresses and
its own names and takes JSON alone, so that no web page can make a browser talk to it.
"""

from __future__ import annotations

import json
import time
from asyncio import CancelledError, create_task, get_running_loop
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple, get_args

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from codemtl.errors import CodemtlError, UsageError
from codemtl.inference.generate import generate_body, generate_line, generate_text
from codemtl.inference.predictor import Predictor
from codemtl.inference.project import NAMELESS
from codemtl.inference.repair import RepairOptions, repair_source
from codemtl.inference.sources import internal_error
from codemtl.inference.summarize import SummarizeOptions, summarize_source
from codemtl.serving.turns import Abandoned, Turns
from codemtl.syntax.files import SIZE_LIMIT, SourceFile
from codemtl.syntax.results import FileResult, Generated, Style

LONGEST = 2 * SIZE_LIMIT  # bytes of a request: JSON writes some characters as six
AT_ONCE = 16  # requests; others wait
Values = dict[str, Any]  # of a request or an answer


class Wording(NamedTuple):
    """How results are said, and what settings are: the parts of other rooms that it needs."""

    repaired: Callable[[FileResult, float], Values]  # and the seconds that it took
    summarized: Callable[[FileResult, float], Values]
    generated: Callable[[Generated], Values]
    info: Callable[[], Values]
    options: Callable[[Mapping[str, Any]], RepairOptions]  # of repair; raises UsageError
    style: Style  # of docstrings, where a request names none
    candidates: int  # to generate, the same


def make_app(predictor: Predictor, wording: Wording, hosts: Collection[str]) -> Starlette:
    """The application; ``hosts`` are the names besides addresses under which it may be called.

    Errors are ``{"version": 1, "error": "..."}`` with status 400 (a mistake of the request, or
    source that cannot be read), 404, 405, 413, 415, 421, 500, or 503 (stopped).
    """
    turns, threads = Turns(predictor), ThreadPoolExecutor(AT_ONCE)

    def route(path: str, answer: Callable[[_Answers, Values], Values]) -> Route:
        async def endpoint(request: Request) -> Response:
            _check_host(request, hosts)
            gone = Event()
            answers = _Answers(turns.until(gone.is_set), wording)
            try:
                body = await _body(request)
                watch = create_task(_hung_up(request, gone))
                loop = get_running_loop()
                try:
                    return _json(
                        *await loop.run_in_executor(
                            threads, _answered, partial(answer, answers), body
                        )
                    )
                finally:
                    watch.cancel()
            except (ClientDisconnect, Abandoned):
                return Response()  # nobody reads it
            except CancelledError:  # by a second Ctrl-C
                gone.set()
                return _json(503, _error("the server was stopped"))

        return Route(path, endpoint, methods=["POST"])

    async def info(request: Request) -> Response:
        _check_host(request, hosts)
        return _json(200, wording.info())

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        message, headers = error.detail, error.headers or {}
        if error.status_code == 404:
            message += "; there are /repair, /summarize, /generate and /info"
        if "Allow" in headers:
            message += f"; {request.url.path} takes {headers['Allow']}"
        answer = _json(error.status_code, _error(message))
        answer.headers.update(headers)
        return answer

    app = Starlette(
        routes=[
            route("/repair", _Answers.repair),
            route("/summarize", _Answers.summarize),
            route("/generate", _Answers.generate),
            Route("/info", info),
        ],
        exception_handlers={HTTPException: refused},
    )
    app.router.redirect_slashes = False
    return app


def _check_host(request: Request, hosts: Collection[str]) -> None:
    """A page of another site that points its name at this machine is refused; HTTPException.

    An address is no name that anybody could point somewhere.
    """
    name = request.headers.get("host", "").lower()
    name = name[: name.find("]") + 1] if name.startswith("[") else name.partition(":")[0]
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        if name not in hosts:
            message = f"{name or 'nothing'} is no name of this server; call it by its address"
            raise HTTPException(421, message) from None


async def _body(request: Request) -> bytes:
    """The body of a request. Raises HTTPException."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, "send JSON, with Content-Type: application/json")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST:
            raise HTTPException(413, f"the request is longer than {LONGEST // 2**20} MB")
    return bytes(body)


async def _hung_up(request: Request, gone: Event) -> None:
    """Wait until the caller is gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    gone.set()


def _answered(answer: Callable[[Values], Values], text: bytes) -> tuple[int, Values]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        return 400, _error(f"this is no JSON: {error}")
    try:
        if not isinstance(values, dict):
            raise UsageError("send a JSON object")
        return 200, answer(values)
    except CodemtlError as error:
        return 400, _error(str(error))
    except Abandoned:
        raise
    except Exception as error:
        return 500, _error(internal_error(error))


def _json(status: int, document: Values) -> Response:
    return Response(json.dumps(document), status, media_type="application/json")  # in ASCII


def _error(message: str) -> Values:
    return {"version": 1, "error": message}


class _Answers:
    """What is done with the values of a request."""

    def __init__(self, predictor: Predictor, wording: Wording) -> None:
        self.predictor, self.wording = predictor, wording

    def repair(self, values: Values) -> Values:
        """As `codemtl repair`; other keys are settings as in pyproject.toml."""
        source, path = _source(values)
        function = _take(values, "function", str, None)
        options = self.wording.options(values)
        chosen = [function] if function else []
        start = time.monotonic()
        result = repair_source(source, self.predictor, options, chosen)
        result.path = path
        return self.wording.repaired(result, time.monotonic() - start)

    def summarize(self, values: Values) -> Values:
        """As `codemtl summarize`; with ``insert`` there are docstrings, and the diff to them."""
        source, path = _source(values)
        function = _take(values, "function", str, None)
        style = _take(values, "style", str, self.wording.style)
        if style not in get_args(Style):
            raise UsageError(f"style must be one of {', '.join(get_args(Style))}, not {style!r}")
        options = SummarizeOptions(
            style=style,
            missing_only=_take(values, "missing-only", bool, False),
            insert=_take(values, "insert", bool, False),
            replace=_take(values, "replace", bool, False),
        )
        _nothing_else(values)
        if options.missing_only and options.replace:
            raise UsageError("missing-only and replace exclude each other; drop one of them")
        if options.replace and not options.insert:
            raise UsageError("replace says what to do with insert; add it")
        start, chosen = time.monotonic(), [function] if function else []
        result = summarize_source(source, self.predictor, options, chosen)
        result.path = _plain_name(path)
        document = self.wording.summarized(result, time.monotonic() - start)
        document["files"][0]["path"] = path
        return document

    def generate(self, values: Values) -> Values:
        """As `codemtl generate`: a text, a line of a source, or the body of a function of it."""
        candidates = _take(values, "candidates", int, self.wording.candidates)
        if candidates < 1:
            raise UsageError("candidates must be at least 1")
        if "text" in values:
            if "source" in values:
                raise UsageError("send a text or a source, not both")
            text = _take(values, "text", str)
            _nothing_else(values)
            return self.wording.generated(generate_text(text, self.predictor, candidates))
        source, path = _source(values)
        source = replace(source, path=Path(_plain_name(path)))
        line, function = _take(values, "line", int, None), _take(values, "function", str, None)
        _nothing_else(values)
        if line is not None:
            made = generate_line(source, self.predictor, line, function or "", candidates)
        elif function:
            made = generate_body(source, self.predictor, function, candidates)
        else:
            raise UsageError("say what to write: a text, or a line or function of the source")
        return {**self.wording.generated(made), "path": path}


_MISSING = object()


def _take(values: Values, name: str, kind: type, default: Any = _MISSING) -> Any:
    """A value of the request, taken out of it. Raises UsageError."""
    value = values.pop(name, default)
    if value is _MISSING:
        raise UsageError(f"{name} is missing")
    if value is not default and type(value) is not kind:  # True is no number
        raise UsageError(f"{name} must be of type {kind.__name__}, not {value!r:.40}")
    return value


def _source(values: Values) -> tuple[SourceFile, str]:
    """The source that was sent, without a name, so that no files are looked for; and its name."""
    path = _take(values, "path", str, "-")
    if "\0" in path:
        raise UsageError("path must not hold a null character")
    return SourceFile.from_text(_take(values, "source", str), NAMELESS), path


def _plain_name(path: str) -> str:
    """For a diff that is made without a look at the disk."""
    name = Path(path).name.encode("utf-8", "replace").decode()  # halves of characters
    return "source.py" if name in ("", "..", "-") else name


def _nothing_else(values: Values) -> None:
    if values:
        raise UsageError(f"there is no {', '.join(sorted(values))}")
