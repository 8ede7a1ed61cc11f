"""The arguments of the commands, nothing else.

Each command gathers its settings, calls one function of the house, and hands the result to
``report``, which answers with the exit code. Whatever takes time to import is imported inside.
Annotations are no strings in the modules of commands: typer would compile each of them at a start.
"""

import errno
import os
import signal
import sys
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from codemtl.cli_compare import compare
from codemtl.cli_evaluate import evaluate
from codemtl.cli_finetune import finetune
from codemtl.cli_options import (
    DiffFlag,
    FormatOption,
    JobsOption,
    ModelOption,
    Paths,
    StdinName,
    WriteFlag,
    no_effect,
    places_of,
    reads_stdin,
)
from codemtl.cli_search import TestOption
from codemtl.cli_serve import serve
from codemtl.cli_train import mine, train
from codemtl.cli_vision import vision

if TYPE_CHECKING:
    from codemtl.inference import Predictor
    from codemtl.report import Mode

INTERRUPTED, BROKEN_PIPE = 130, 141  # as a shell reports the signals
# of a disk; of a standard output that is open for reading alone, or a terminal that is gone
_FULL = (errno.ENOSPC, errno.EDQUOT)
_UNWRITABLE = (*_FULL, errno.EFBIG, errno.EBADF, errno.EIO)

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Find and fix logic bugs in Python, summarize and write code: offline, on your machine.",
    epilog="Settings may stand in pyproject.toml under [tool.codemtl]; flags win.",
)


def main() -> None:
    """Run the command line; every way out of it ends in an exit code of the contract."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who started us
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a character that a terminal lacks is no reason to die
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except SystemExit as ended:
        code = ended.code
    except KeyboardInterrupt:
        code = INTERRUPTED
    except OSError as error:  # of what typer itself prints
        from codemtl.report.output import complain

        if error.errno not in _UNWRITABLE:
            raise
        complain(_unwritten(error))
        code = 2
        _forget_output()
    if code == INTERRUPTED:  # a second Ctrl-C ends what libraries do at the end, without a word
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        _flush()
    except BrokenPipeError:
        _forget_output()
        code = BROKEN_PIPE
    sys.exit(code)


def _command(function: Callable[..., int]) -> Callable[..., None]:
    """Register a command that returns its exit code; errors end in one line, not a traceback."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        from codemtl import report
        from codemtl.errors import CodemtlError, MissingExtraError
        from codemtl.inference.sources import DEBUG_VARIABLE, internal_error

        try:
            _check_current_folder()
            code = function(*args, **kwargs)
            _flush()
        except BrokenPipeError:
            _forget_output()
            code = BROKEN_PIPE
        except CodemtlError as error:
            report.complain(str(error))
            code = error.exit_code
        except Exception as error:
            if os.environ.get(DEBUG_VARIABLE):
                raise
            package = (getattr(error, "name", None) or "").partition(".")[0]
            if isinstance(error, OSError) and error.errno in _UNWRITABLE:
                report.complain(_unwritten(error))
                _forget_output()  # what is left of it cannot be written either
            elif isinstance(error, ModuleNotFoundError) and package != "codemtl":
                report.complain(str(MissingExtraError(package, "train")))
            else:
                report.complain(internal_error(error))
            code = report.FAILED
        raise typer.Exit(code)

    run.__annotations__ = {**function.__annotations__, "return": type(None)}
    app.command()(run)
    return run


def _unwritten(error: OSError) -> str:
    file = f" {error.filename}" if error.filename else ""
    way_out = "; free some space and run again" if error.errno in _FULL else ""
    return f"cannot write{file}: {error.strerror}{way_out}"


def _check_current_folder() -> None:
    from codemtl.errors import UsageError

    try:
        os.getcwd()
    except OSError as error:
        raise UsageError(f"the current folder: {error.strerror}; change to another") from error


def _flush() -> None:
    if not sys.stdout.closed:  # a language server closes it at its end
        sys.stdout.flush()


def _forget_output() -> None:
    from codemtl.report.output import forget

    forget(sys.stdout)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from codemtl import __version__

        typer.echo(f"codemtl {__version__}")
        raise typer.Exit


@_command
def repair(
    paths: Paths,
    diff: DiffFlag = False,
    write: WriteFlag = False,
    check: Annotated[bool, typer.Option("--check", help="Print one line a file.")] = False,
    output: Annotated[
        Literal["text", "json", "sarif", "github"],
        typer.Option("--format", help="Form of the output."),
    ] = "text",
    min_confidence: Annotated[
        float | None, typer.Option(metavar="P", help="Show findings from this confidence, 0 to 1.")
    ] = None,
    max_findings: Annotated[
        int | None, typer.Option(metavar="N", help="Show at most so many a file, best first.")
    ] = None,
    candidates: Annotated[
        int | None, typer.Option(metavar="K", help="Alternatives for one place (1).")
    ] = None,
    time_budget: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Start no file (or search) after 90, 90s, 15m, 2h."),
    ] = None,
    test: TestOption = None,
    jobs: JobsOption = None,
    select: Annotated[
        str | None, typer.Option(metavar="KIND,...", help="Only these kinds of findings.")
    ] = None,
    ignore: Annotated[
        str | None, typer.Option(metavar="KIND,...", help="None of these kinds.")
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Only what is not in FILE, an earlier --format json."),
    ] = None,
    model: ModelOption = None,
    stdin_filename: StdinName = None,
) -> int:
    """Find bugs and show a verified fix for each.

    Nothing is written without --write. With --test, search for a patch after which the tests pass.
    """
    from codemtl import report
    from codemtl.cli_search import repair_by_tests
    from codemtl.configuration import load_settings
    from codemtl.errors import UsageError
    from codemtl.inference.baseline import read_baseline
    from codemtl.inference.repair import RepairOptions, repair_paths
    from codemtl.inference.sources import find_targets

    mode = _mode(output, diff=diff, write=write, check=check)
    stdin = reads_stdin(paths, write, output, stdin_filename)
    if diff:
        no_effect({"--candidates": candidates}, "with --diff, which holds one for each place")
    if test is not None:
        if baseline is not None:
            raise UsageError("--baseline says nothing to --test, which searches by the tests")
        by_model = {"--min-confidence": min_confidence, "--max-findings": max_findings}
        no_effect(by_model, "with --test, which searches by the tests")
    flags = {
        "min_confidence": min_confidence, "max_findings": max_findings, "candidates": candidates,
        "time_budget": time_budget, "jobs": jobs, "select": select, "ignore": ignore,
        "model": model,
    }  # fmt: skip
    settings = load_settings(places_of(paths, stdin_filename), flags)
    targets = find_targets(paths, stdin_filename)
    if test is not None and stdin:
        raise UsageError("--test needs files, and - is standard input")
    if test is not None:
        load = partial(_load, settings.model, settings.jobs)
        return repair_by_tests(targets, load, settings, test, mode=mode, output=output)
    options = RepairOptions(
        settings.min_confidence, settings.max_findings, settings.candidates, settings.kinds,
        read_baseline(baseline) if baseline is not None else {},
    )  # fmt: skip
    predictor = _load(settings.model, settings.jobs)
    results = repair_paths(
        targets, predictor, options, write=write, time_budget=settings.time_budget
    )
    shown = report.progress(results, len(targets), "repair")
    about = report.Model(predictor.name, predictor.revision)
    return report.repaired(shown, about, mode=mode, style=output, stdin=stdin)


@_command
def summarize(
    paths: Paths,
    diff: DiffFlag = False,
    write: WriteFlag = False,
    style: Annotated[
        Literal["google", "numpy", "sphinx", "plain"] | None,
        typer.Option(help="Style of the docstrings (plain)."),
    ] = None,
    missing_only: Annotated[
        bool, typer.Option("--missing-only", help="Only functions without a docstring.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Write over docstrings that are there.")
    ] = False,
    output: FormatOption = "text",
    jobs: JobsOption = None,
    model: ModelOption = None,
    stdin_filename: StdinName = None,
) -> int:
    """Say in a line what each function does.

    --diff and --write make docstrings of it.
    """
    from codemtl import report
    from codemtl.configuration import load_settings
    from codemtl.errors import UsageError
    from codemtl.inference.sources import find_targets
    from codemtl.inference.summarize import SummarizeOptions, summarize_paths

    if missing_only and replace:
        raise UsageError("--missing-only and --replace exclude each other; drop one of them")
    mode = _mode(output, diff=diff, write=write)
    if not (diff or write):
        no_effect(
            {"--style": style, "--replace": replace},
            "without --diff or --write, which make docstrings",
        )
    stdin = reads_stdin(paths, write, output, stdin_filename)
    settings = load_settings(
        places_of(paths, stdin_filename), {"style": style, "jobs": jobs, "model": model}
    )
    targets = find_targets(paths, stdin_filename)
    predictor = _load(settings.model, settings.jobs)
    options = SummarizeOptions(settings.style, missing_only, diff or write, replace)
    results = summarize_paths(targets, predictor, options, write=write)
    shown = report.progress(results, len(targets), "summarize")
    about = report.Model(predictor.name, predictor.revision)
    return report.summarized(shown, about, mode=mode, style=output, stdin=stdin)


@_command
def generate(
    what: Annotated[
        str, typer.Argument(metavar="TEXT|PATH[::QUALNAME]|-", help="A description, or a place.")
    ],
    line: Annotated[
        int | None, typer.Option(metavar="N", help="The line of PATH to write, from 1.")
    ] = None,
    candidates: Annotated[
        int | None, typer.Option(metavar="K", help="How many to ask for (1).")
    ] = None,
    time_budget: Annotated[
        str | None, typer.Option(metavar="DURATION", help="With --test: judge so long (60s).")
    ] = None,
    test: TestOption = None,
    output: FormatOption = "text",
    jobs: JobsOption = None,
    model: ModelOption = None,
    stdin_filename: StdinName = None,
) -> int:
    """Write a function, a line, or a body.

    From a description, at a line of a file (--line), or below the header of a function. With
    --test, only what makes the tests pass where it goes in a file.
    """
    from codemtl import report
    from codemtl.cli_search import JUDGED, judged
    from codemtl.configuration import load_settings
    from codemtl.errors import UsageError
    from codemtl.inference.generate import generate as run
    from codemtl.inference.generate import is_place

    if test is None:
        no_effect({"--time-budget": time_budget}, "without --test")
    elif not is_place(what):
        raise UsageError("--test needs a place: a file with --line N, or PATH::FUNCTION")
    reads_stdin([what], False, output, stdin_filename)
    places = places_of([what], stdin_filename) if is_place(what) else []
    flags = {
        "candidates": candidates, "jobs": jobs, "model": model, "time_budget": time_budget,
    }  # fmt: skip
    settings = load_settings(places, flags)
    predictor = _load(settings.model, settings.jobs)
    result = run(
        what,
        predictor,
        line=line,
        candidates=settings.candidates if test is None else max(settings.candidates, JUDGED),
        stdin_filename=stdin_filename,
    )
    if test is not None:
        result = judged(result, test, settings)
    about = report.Model(predictor.name, predictor.revision)
    return report.generated(result, about, style=output)


_command(mine)
_command(train)
_command(finetune)
_command(evaluate)
_command(compare)
_command(serve)


@_command
def info(output: FormatOption = "text", model: ModelOption = None) -> int:
    """Print versions, device and model card."""
    from codemtl import report
    from codemtl.configuration import load_settings
    from codemtl.inference import describe

    settings = load_settings([], {"model": model})
    return report.informed(describe(settings.model), style=output)


_command(vision)


def _load(model: Path | None, threads: int | None) -> "Predictor":
    from codemtl import inference  # by attribute, so that tests can put a fake in its place

    return inference.load_predictor(model, threads)


def _mode(output: str, *, diff: bool, write: bool, check: bool = False) -> "Mode":
    from codemtl.errors import UsageError

    chosen: list[Mode] = []
    if diff:
        chosen.append("diff")
    if write:
        chosen.append("write")
    if check:
        chosen.append("check")
    if len(chosen) > 1:
        raise UsageError(f"--{chosen[0]} and --{chosen[1]} exclude each other; drop one of them")
    mode: Mode = chosen[0] if chosen else "report"
    if mode in ("diff", "check") and output != "text":
        raise UsageError(f"--{mode} is a form of text; drop --format {output}")
    return mode
