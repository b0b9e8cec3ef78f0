"""``doctor``: what is configured, reachable and missing. What it writes, a probe in the storage, it deletes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from console import requests
from console.answer import Answer
from console.controllers import examinations as examine
from console.desk import Desk
from console.documents import doctor as documents
from console.values import Finding, Level
from console.views import doctor as views
from pipeline.errors import EXIT_DELIVERED, EXIT_ENVIRONMENT, DailiesError

Examination = Callable[[Desk], Iterable[Finding]]

EXAMINATIONS: tuple[tuple[str, Examination], ...] = (
    ("Python", examine.python),
    ("State folder", examine.home),
    ("FFmpeg", examine.ffmpeg),
    ("redis-server", examine.redis_server),
    ("Broker", examine.broker),
    ("Database", examine.database),
    ("Books", examine.books),
    ("Unknown takes", examine.unknown_takes),
    ("Storage", examine.storage),
    ("Models", examine.models),
    ("Engines", examine.engines),
    ("Fonts", examine.fonts),
)
"""What is looked at, in this order. One that fails keeps no other from being made."""


def doctor(request: requests.Doctor, desk: Desk) -> Answer:
    """Look at everything; exit with 5 if something can't work."""
    del request
    findings = [finding for subject, look in EXAMINATIONS for finding in _made(subject, look, desk)]
    broken = any(each.level is Level.FAULT for each in findings)
    code = EXIT_ENVIRONMENT if broken else EXIT_DELIVERED
    return Answer(lambda: documents.findings(findings, code), lambda: views.findings(findings), code)


def _made(subject: str, look: Examination, desk: Desk) -> list[Finding]:
    try:
        return list(look(desk))
    except DailiesError as error:
        found = f"{error.where}: {error.what}" if error.where else error.what
        return [Finding(subject, Level.FAULT, found, error.remedy)]
    except Exception as error:  # noqa: BLE001 - whatever breaks an examination is a finding, too
        return [Finding(subject, Level.FAULT, f"could not be examined: {type(error).__name__}: {error}")]
