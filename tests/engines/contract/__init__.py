"""What the contract suite (tests/engines/test_engine_contract.py) needs to know of each engine: one module each.

``tests/engines/contract/<engine>.py`` holds ``CASE``, a :class:`Case`; nothing else has to be registered.
"""

from __future__ import annotations

import base64
import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.control.request import CameraCue, GenerationRequest, Image
from pipeline.engines.base import JobState

PICTURES = {name: b"\x89PNG\r\n\x1a\n " + name.encode() for name in ("first", "last", "hero", "place")}
"""Pictures of requests, by their names."""


def image(name: str) -> Image:
    """Return a request's picture."""
    return Image(sha256=name.encode().hex().ljust(64, "0"), subject=name)


def encoded(name: str) -> str:
    """Return a picture in base64."""
    return base64.b64encode(PICTURES[name]).decode()


def uri(name: str) -> str:
    """Return a picture as a data URI."""
    return f"data:image/png;base64,{encoded(name)}"


def request(**changes: Any) -> GenerationRequest:
    """Return a request: five seconds of 1280x720 at 24 frames per second."""
    values: dict[str, Any] = {
        "shot_id": "s1",
        "mode": "text-to-video",
        "prompt": "a red kite",
        "action": "a red kite",
        "width": 1280,
        "height": 720,
        "fps": "24/1",
        "frames": 120,
        "seed": 7,
        "camera": CameraCue(size="wide", move="static", angle="eye-level"),
    }
    return GenerationRequest(**(values | changes))


@dataclass(frozen=True)
class Golden:
    """A request, and how it has to arrive.

    Attributes:
        request: Changes to :func:`request`.
        path: Where, after the wire's prefix.
        body: The whole JSON body.
        wire: Changes to the case's wire.
        query: The whole query.
        headers: Headers that have to be there, lower case.
    """

    request: Mapping[str, Any]
    path: str
    body: Mapping[str, Any]
    wire: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One engine.

    Attributes:
        engine: Its name: in the catalog, of its wire in tests/provider/wires.
        model: A model of its.
        wire: That model's ``wire``.
        golden: Requests as the provider documents them; all that the engine can say should be in one of them.
        cannot: What its provider does not have: ``queued`` (no such state), ``progress`` (none told),
            ``charged`` (no cost told), ``refuse`` (moderation at create), ``refuse_job`` (moderation of jobs),
            ``expire`` (result addresses don't), ``gone`` (an unknown job can't be told from a broken one).
        after_cancel: What a poll says of a job that was cancelled.
        settings: Settings it needs beside key and address.
        reference: Field of the body in which our own reference is sent.
        stops_queued: Whether only a job that waits can be stopped.
    """

    engine: str
    model: str
    wire: Mapping[str, Any]
    golden: tuple[Golden, ...]
    cannot: frozenset[str] = frozenset()
    after_cancel: JobState = JobState.CANCELLED
    settings: Mapping[str, str] = field(default_factory=dict)
    reference: str = ""
    stops_queued: bool = False


def cases(needs: str = "") -> list[Case]:
    """Return all engines' cases, or of those whose provider has something."""
    modules = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    return [module.CASE for module in modules if needs not in module.CASE.cannot]
