"""The one use case of every Celery task: claim a step, do it, commit it, send what follows."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from enum import StrEnum
from importlib import import_module

from pipeline.errors import BackendUnavailable, DailiesError, StaleLease
from pipeline.production.leases import Claim, Parked, claim, complete, fail, give_back, postpone
from pipeline.production.outbox import StepMessage
from pipeline.production.states import StepKind
from pipeline.production.studio import Studio
from pipeline.production.sweep import send
from pipeline.production.work import StepCode, working

log = logging.getLogger(__name__)

_CODE: Mapping[StepKind, str] = {kind: f"pipeline.production.steps.{kind}" for kind in StepKind}
"""Loaded when first needed: a worker that only checks imports no engine."""


class Ended(StrEnum):
    """How a task ended; what Celery shows as its result."""

    DONE = "done"
    NOTHING_TO_DO = "nothing to do"
    TAKEN_OVER = "taken over"
    FAILED = "failed"
    WILL_RETRY = "will be retried"
    WAITS = "waits for a free slot"


def perform(studio: Studio, step_id: str, owner: str) -> Ended:
    """Do one step, if nobody else does.

    Args:
        studio: Everything a use case may reach.
        step_id: The step.
        owner: Who works on it, for people: host and process.

    Raises:
        BackendUnavailable: If the database does not answer; the sweep will bring the step back.
    """
    held = claim(studio, step_id, owner)
    if held is None:
        return Ended.NOTHING_TO_DO
    try:
        ended, messages = _attempt(studio, held)
    except StaleLease:
        log.warning("%s %s: taken over or cancelled, its result is not used", held.kind, held.label)
        return Ended.TAKEN_OVER
    _send(studio, messages)
    return ended


def _attempt(studio: Studio, held: Claim) -> tuple[Ended, list[StepMessage]]:
    try:
        code: StepCode = import_module(_CODE[held.kind]).execute
        with working(studio, held) as work:
            return Ended.DONE, complete(studio, held, code(work))
    except StaleLease:
        raise
    except Parked:
        return Ended.WAITS, []
    except (BackendUnavailable, OSError) as error:
        log.warning("%s %s: %s", held.kind, held.label, error)
        postpone(studio, held, str(error))
        return Ended.WILL_RETRY, []
    except DailiesError as error:
        log.warning("%s %s: %s", held.kind, held.label, error)
        return Ended.FAILED, fail(studio, held, str(error), for_good=True)
    except Exception as error:  # a fault of ours must not lose the shot
        log.exception("%s %s: unexpected error", held.kind, held.label)
        return Ended.WILL_RETRY, fail(studio, held, f"{type(error).__name__}: {error}", for_good=False)
    except BaseException:  # the worker is being shut down, and that goes on whatever the database says
        try:
            give_back(studio, held)
        except Exception:
            log.exception("%s %s: not given back; its lease will run out", held.kind, held.label)
        raise


def _send(studio: Studio, messages: list[StepMessage]) -> None:
    try:
        send(studio, messages)
    except BackendUnavailable as error:
        log.warning("%s The sweep will send what follows.", error)
