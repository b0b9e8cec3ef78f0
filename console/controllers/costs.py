"""``costs``: what was spent on what."""

from __future__ import annotations

import re

from console import requests
from console.answer import Answer
from console.controllers.office import has_work, studio_of
from console.desk import Desk
from console.documents import costs as documents
from console.views import costs as views
from pipeline.errors import InputError
from pipeline.production.costs import By, CostReport, Costs, cost_report

_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


def costs(request: requests.Costs, desk: Desk) -> Answer:
    """Show what was spent.

    Raises:
        InputError: If costs can't be told apart so, or the month is none.
        BackendUnavailable: If the database does not answer.
    """
    by = _by(request.by)
    if request.month is not None and not _MONTH.fullmatch(request.month):
        raise InputError(f"{request.month!r} is no month.", where="--month", remedy="Write it as 2026-11.")
    if has_work(desk.settings):
        with studio_of(desk) as studio:
            report = cost_report(studio, by, request.month)
    else:
        report = CostReport(by, request.month, {}, Costs(), 0)
    return Answer(lambda: documents.report(report), lambda: views.report(report))


def _by(word: str) -> By:
    if word == "user":
        raise InputError(
            "costs by user need accounts, which are not in this version.",
            where="--by",
            remedy=f"Choose one of {', '.join(By)}.",
        )
    try:
        return By(word)
    except ValueError:
        raise InputError(
            f"costs can't be told apart by {word!r}.", where="--by", remedy=f"Choose one of {', '.join(By)}."
        ) from None
