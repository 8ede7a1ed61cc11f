"""The arguments of ``codemtl serve``, and what its servers are told of the rest of the house."""

import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codemtl.cli_options import JobsOption, ModelOption

if TYPE_CHECKING:
    from codemtl.configuration import Settings
    from codemtl.inference import Predictor
    from codemtl.inference.repair import RepairOptions

PATIENCE = 5  # seconds that a stopped server waits for requests under way
REMEMBERED = 2000  # windows of functions, 60 MB: of a text that changes, most stay
_REPAIR = ("min-confidence", "max-findings", "candidates", "select", "ignore")  # of a request


def serve(
    lsp: Annotated[
        bool, typer.Option("--lsp", help="For an editor: on standard input and output.")
    ] = False,
    http: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="For programs, as 127.0.0.1:8000.")
    ] = None,
    jobs: JobsOption = None,
    model: ModelOption = None,
) -> int:
    """Keep the model loaded, for an editor or for other programs."""
    from codemtl import inference, report
    from codemtl.configuration import load_settings
    from codemtl.errors import MissingExtraError, UsageError

    if lsp == (http is not None):
        raise UsageError("say for whom: --lsp for an editor, or --http HOST:PORT")
    if lsp and sys.stdin is None:
        raise UsageError("standard input is closed; --lsp is for an editor, which talks on it")
    for package in ("pygls",) if lsp else ("starlette", "uvicorn"):
        if find_spec(package) is None:
            raise MissingExtraError(package, "serve")
    settings = load_settings([], {"model": model, "jobs": jobs})
    if http is not None:
        with _listen(http) as listening:
            predictor = inference.load_predictor(settings.model, settings.jobs)
            predictor.remember(REMEMBERED)
            _serve_http(listening, http, predictor, settings)
        return report.OK
    from codemtl.inference.sources import DEBUG_VARIABLE
    from codemtl.serving.lsp_server import make_server

    if not os.environ.get(DEBUG_VARIABLE):
        logging.disable()  # the editor is told of its mistakes, and has no use for tracebacks
    predictor = inference.load_predictor(settings.model, settings.jobs)
    predictor.remember(REMEMBERED)
    signal.signal(signal.SIGINT, lambda *_: _interrupted())  # else it waits for the next message
    make_server(predictor, lambda path: _options(load_settings([str(path)], {}))).start_io()
    os._exit(report.OK)  # without waiting for what the model may be at, for nobody


def _options(settings: "Settings") -> "RepairOptions":
    from codemtl.inference.repair import RepairOptions

    return RepairOptions(
        settings.min_confidence, settings.max_findings, settings.candidates, settings.kinds
    )


def _asked(settings: "Settings", values: Mapping[str, Any]) -> "RepairOptions":
    """The settings of a request, which win over those of the server's folder."""
    from codemtl.configuration import changed
    from codemtl.errors import UsageError

    for name in values:
        if name not in _REPAIR:
            raise UsageError(f"there is no {name}; settings are {', '.join(_REPAIR)}")
    return _options(changed(settings, values))


def _listen(place: str) -> socket.socket:
    """A socket that listens at HOST:PORT; port 0 is any that is free. Raises UsageError."""
    from codemtl.errors import UsageError

    host, colon, port = place.rpartition(":")
    host = host.strip("[]")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"--http {place}: give HOST:PORT, as 127.0.0.1:8000")
    try:
        host.encode("idna")
    except UnicodeError as error:
        raise UsageError(f"--http {place}: no host can be called so; name another") from error
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, int(port)), family=family)
    except OSError as error:
        raise UsageError(f"--http {place}: {error.strerror or error}; name another") from error


def _serve_http(
    listening: socket.socket,
    asked: str,
    predictor: "Predictor",
    settings: "Settings",
) -> None:
    import uvicorn

    from codemtl import __version__, report
    from codemtl.ending import tidy
    from codemtl.report import documents
    from codemtl.serving.http_server import Wording, make_app
    from codemtl.syntax.edits import unified_diff

    model = report.Model(predictor.name, predictor.revision)
    wording = Wording(
        repaired=lambda one, seconds: documents.repair_document([one], model, seconds),
        summarized=lambda one, seconds: documents.summarize_document(
            [one], model, seconds, unified_diff
        ),
        generated=lambda made: documents.generate_document(made, model, unified_diff),
        info=lambda: {"version": 1, "codemtl": __version__, "model": model._asdict()},
        options=partial(_asked, settings),
        style=settings.style,
        candidates=settings.candidates,
    )
    host, port = listening.getsockname()[:2]
    open_to = "" if ip_address(host).is_loopback else "; whoever reaches this machine can use it"
    report.complain(f"serving at http://{f'[{host}]' if ':' in host else host}:{port}{open_to}")
    names = {"localhost", asked.rpartition(":")[0].lower(), socket.gethostname().lower()}
    config = uvicorn.Config(
        make_app(predictor, wording, names), log_level="warning", access_log=False, lifespan="off",
        timeout_graceful_shutdown=PATIENCE,
    )  # fmt: skip
    try:
        with tidy():  # else a signal that ends it leaves those who wait without an answer
            uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        _interrupted()  # the second one does not wait for the model
    except SystemExit as ended:
        if isinstance(ended.code, int) and ended.code > 128:
            signal.raise_signal(ended.code - 128)  # nor does this, which means what it did
        raise


def _interrupted() -> None:
    os._exit(128 + signal.SIGINT)
