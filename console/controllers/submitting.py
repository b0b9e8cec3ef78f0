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
from pipeline.errors import InputError, Problem, StoryboardError
from pipeline.production import submit as production
from pipeline.production.campaigns import Campaign
from pipeline.storyboard.load import LoadedStoryboard

PRIORITIES = {each: production.PRIORITIES[each.value] for each in Priority}


def submit(request: requests.Submit, desk: Desk) -> Answer:
    """Enqueue storyboards, all or none.

    Raises:
        StoryboardError: With the problems of all the files.
        NoModelAvailable: If a shot has no model.
        BudgetRefused: If a cut is expected to cost more than it may, or all of them more than is left.
        InputError: If the campaign's name can't be one, or is missing.
        BackendUnavailable: If the database or the storage does not answer.
    """
    campaign = _campaign(request)
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
            campaign=campaign,
        )
    waiting = courier.waiting
    return Answer(lambda: documents.receipts(receipts, waiting), lambda: views.receipts(receipts, waiting))


def _campaign(request: requests.Submit) -> Campaign | None:
    if request.campaign is not None:
        return Campaign(request.campaign, request.campaign_cap)
    if request.campaign_cap is not None:
        raise InputError(
            "a cap needs the campaign that it is for.", where="--campaign-cap", remedy="Name it with --campaign NAME."
        )
    return None


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
