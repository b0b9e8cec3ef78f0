"""``submit``: enqueue storyboards for whatever workers there are."""

from __future__ import annotations

from pathlib import Path

from console import requests
from console.answer import Answer
from console.controllers.boards import load
from console.controllers.office import Courier, studio_of
from console.desk import Desk
from console.documents import submitting as documents
from console.requests import Priority
from console.views import submitting as views
from pipeline.errors import Problem, StoryboardError
from pipeline.production import submit as production
from pipeline.storyboard.load import LoadedStoryboard

PRIORITIES = {each: production.PRIORITIES[each.value] for each in Priority}


def submit(request: requests.Submit, desk: Desk) -> Answer:
    """Enqueue storyboards, all or none.

    Raises:
        StoryboardError: With the problems of all the files.
        NoModelAvailable: If a shot has no model.
        BudgetRefused: If a cut is expected to cost more than it may.
        BackendUnavailable: If the database or the storage does not answer.
    """
    boards = _load_all(request.files, desk)
    courier = Courier(desk.settings)
    with studio_of(desk, courier) as studio:
        receipts = production.submit(
            studio,
            boards,
            stage=request.stage,
            priority=PRIORITIES[request.priority],
            budget=request.budget,
            not_before=request.at,
        )
    waiting = courier.waiting
    return Answer(lambda: documents.receipts(receipts, waiting), lambda: views.receipts(receipts, waiting))


def _load_all(files: tuple[Path, ...], desk: Desk) -> list[LoadedStoryboard]:
    boards: list[LoadedStoryboard] = []
    problems: list[Problem] = []
    for file in files:
        try:
            boards.append(load(file, desk))
        except StoryboardError as error:
            problems += error.problems
    if problems:
        raise StoryboardError(tuple(problems))
    return boards
