"""One command from its words to its exit code: parse, act, show; every failure becomes a message."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Generator
from pathlib import Path
from typing import Any, Protocol

import typer
from rich.console import Console, RenderableType

from console.answer import Answer
from console.desk import Desk, consoles
from console.dispatch import controller_of
from console.documents import failures as failure_documents
from console.interrupts import Interrupted, Interrupts
from console.requests import Request
from console.views import failures as failure_views
from console.views.words import line
from pipeline.clock import utc_now
from pipeline.errors import EXIT_ENVIRONMENT, DailiesError
from pipeline.settings import read_settings

_BROKEN_PIPE = 128 + getattr(signal, "SIGPIPE", 13)
_LOG = "console.log"
_RESUME = "Nothing is lost: the same command goes on."


@contextlib.contextmanager
def _noted(err: Console) -> Generator[None]:
    """Show warnings of the libraries while a command runs."""
    notes = _Notes(err, level=logging.WARNING)
    logging.getLogger().addHandler(notes)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(notes)


class _Notes(logging.Handler):
    """Shows what the libraries warn of as notes, above the progress and not through it."""

    def __init__(self, err: Console, level: int) -> None:
        super().__init__(level)
        self._err = err

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record."""
        with contextlib.suppress(OSError, ValueError):
            self._err.print(line(record.getMessage(), "yellow"))


class Parser(Protocol):
    """Typer's command, as far as it is used here."""

    def main(self, args: list[str] | None, prog_name: str, *, standalone_mode: bool) -> Any:
        """Parse, and return what the command's function returns."""
        ...


def act(parser: Parser, words: list[str] | None = None) -> int:
    """Parse the words, let the request's controller act, show its answer.

    Returns:
        The exit code.
    """
    words = sys.argv[1:] if words is None else words
    as_json = "--json" in words
    out, err = consoles()
    try:
        with _noted(err), Interrupts() as interrupts:
            code = _guarded(parser, words, out, err, interrupts, as_json=as_json)
        out.file.flush()
    except BrokenPipeError:
        _drop_output()
        return _BROKEN_PIPE
    return code


def _guarded(
    parser: Parser, words: list[str], out: Console, err: Console, interrupts: Interrupts, *, as_json: bool
) -> int:
    home = Path(tempfile.gettempdir())
    try:
        request = parser.main(words, "dailies", standalone_mode=False)
        if not isinstance(request, Request):  # help or the version was shown
            return request if isinstance(request, int) else 0
        desk = Desk(read_settings(), out, err, as_json, utc_now, interrupts)
        home = desk.settings.home
        answer: Answer = controller_of(type(request))(request, desk)
        _show(out, answer.document, answer.view, as_json=as_json)
    except typer.TyperException as error:
        return _misused(error, out, err, as_json=as_json)
    except DailiesError as error:
        _refuse(out, err, failure_documents.failure(error), failure_views.failure(error), as_json=as_json)
        return error.exit_code
    except Interrupted as interrupted:
        if as_json:
            _write(out, failure_documents.other("Interrupted.", remedy=_RESUME, exit_code=interrupted.exit_code))
        return interrupted.exit_code
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the last line of defence: a person never sees a traceback
        return _unexpected(error, home, out, err, as_json=as_json)
    return answer.exit_code


def _show(out: Console, document: Any, view: Any, *, as_json: bool) -> None:
    if as_json:
        _write(out, document())
    else:
        out.print(view(), crop=False)  # a place that is longer than a line is left to the terminal: it can be copied


def _refuse(out: Console, err: Console, document: dict[str, Any], view: RenderableType, *, as_json: bool) -> None:
    if as_json:
        _write(out, document)
    else:
        err.print(view)


def _write(out: Console, document: dict[str, Any]) -> None:
    """Write the one document; not through Rich, which would fold its lines."""
    plain = not out.encoding.lower().startswith("utf")
    out.file.write(json.dumps(document, indent=2, ensure_ascii=plain) + "\n")


def _misused(error: typer.TyperException, out: Console, err: Console, *, as_json: bool) -> int:
    context = getattr(error, "ctx", None)
    path = str(context.command_path) if context is not None else "dailies"
    message = error.format_message().replace("Value error, ", "")  # pydantic's word, which Typer passes on
    if not message:  # a group without a command: its help was shown
        return error.exit_code
    what = message if message.endswith((".", "?", "!")) else f"{message}."
    remedy = f"`{path} --help` shows what can be written."
    if as_json:
        _write(out, failure_documents.other(what, where=path, remedy=remedy, exit_code=error.exit_code))
    else:
        err.print(line(f"{what} {remedy}"))
    return error.exit_code


def _unexpected(error: Exception, home: Path, out: Console, err: Console, *, as_json: bool) -> int:
    kind = type(error).__name__
    place = _keep_traceback(error, home)
    what = f"Something went wrong that should not have ({kind})."
    remedy = f"The details are in {place}; please report them." if place else f"The details: {error!r}"
    if as_json:
        document = failure_documents.other(what, where=place, remedy=remedy, exit_code=EXIT_ENVIRONMENT)
        _write(out, document)
    else:
        err.print(line(f"{what} {remedy}"))
    return EXIT_ENVIRONMENT


def _keep_traceback(error: Exception, home: Path) -> str:
    """Append the traceback to a log that only its owner can read; return its path, empty if there is no place."""
    text = "".join(traceback.format_exception(error))
    for folder in (home / "logs", Path(tempfile.gettempdir())):
        path = folder / _LOG
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
            with os.fdopen(os.open(path, flags, 0o600), "a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(f"{utc_now().isoformat()} {' '.join(sys.argv)}\n{text}\n")
            return str(path)
    return ""


def _drop_output() -> None:
    """Whoever read our output has gone: let Python's last flush not complain about it."""
    with contextlib.suppress(OSError, ValueError):
        hole = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                os.dup2(hole, stream.fileno())
