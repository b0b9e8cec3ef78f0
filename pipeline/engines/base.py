"""The engine contract: what every adapter offers, whoever's model it speaks to.

This machine's own engines render (:class:`LocalEngine`). The others create a job at a provider and collect it
later (:class:`RemoteEngine`); they keep nothing in memory between two calls, so that any process may make the next.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.errors import Trouble
from pipeline.units import MicroUsd

if TYPE_CHECKING:
    from pipeline.control.request import GenerationRequest
    from pipeline.engines.http import Wire

Progress = Callable[[float], None]
"""Called with the share done, 0 to 1; may raise to stop the work."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A clip that an engine made.

    Attributes:
        path: The clip, complete and closed.
        facts: What the engine wants kept on the take (its version, what it could not honour).
        last_frame: The clip's last frame without burnt-in text, a PNG of the clip's size, if it was asked
            for and the engine can give one.
    """

    path: Path
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    last_frame: Path | None = None


class Engine(ABC):
    """One provider's API, or a renderer on this machine."""

    name: ClassVar[str]
    """The name that registry entries use."""
    version: ClassVar[str]
    """Raised whenever the same request would give another picture; part of a take's key."""

    @classmethod
    def missing_settings(cls, environment: Mapping[str, str]) -> tuple[str, ...]:
        """Return the settings that must be configured before the engine can work; none by default."""
        del environment
        return ()


class LocalEngine(Engine):
    """Renders on the worker itself: free, repeatable, deterministic by seed."""

    @abstractmethod
    def render(
        self,
        model: str,
        request: GenerationRequest,
        images: Mapping[str, Path],
        out: Path,
        progress: Progress,
        *,
        last_frame: bool = False,
    ) -> Rendered:
        """Render one take.

        Args:
            model: Name of the model, as the registry has it after the engine's name.
            request: What to render.
            images: Local file of each picture in ``request.images()``, by content hash.
            out: File to write (MP4); its folder exists.
            progress: Told how far the work is.
            last_frame: Whether a clean last frame is wanted, for a shot that continues this one.

        Raises:
            EngineError: If it can't be rendered; says why.
        """


@dataclass(frozen=True, slots=True)
class Order:
    """What a provider is asked for.

    Attributes:
        intent: The take's id: unique, the same however often the same take is asked for. Sent as the idempotency
            key or as our own reference wherever the provider takes one.
        model: Name of the model, as the registry has it after the engine's name.
        request: What to generate.
        images: Local file of each picture in ``request.images()``, by content hash.
        wire: The registry's ``wire`` of the model: what its server understands.
        asked_at: When the intent was committed; nothing was asked before.
        not_after: Moment of ``time.monotonic()`` after which it must not be sent any more.
        alone: Whether it is certain that no other order for the same model with the same prompt, length and size
            is unanswered. Only then may a job that looks like this order be taken for its own by its looks.
    """

    intent: str
    model: str
    request: GenerationRequest
    images: Mapping[str, Path]
    wire: Mapping[str, Any]
    asked_at: datetime
    not_after: float = math.inf
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Ticket:
    """A job that a provider has accepted: all that is needed to ask for it again, from any process.

    Attributes:
        job: The provider's id of it.
        model: Name of the model.
        wire: The registry's ``wire`` of the model, as it was when the job was created.
        data: What the engine needs beside it, JSON values (a polling address, say).
    """

    job: str
    model: str
    wire: Mapping[str, Any] = field(default_factory=dict[str, Any])
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])


class JobState(StrEnum):
    """Where a job stands at its provider."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    GONE = "gone"
    """The provider no longer knows it: nothing can be collected, and nobody says what was charged."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a provider says of a job.

    Attributes:
        state: Where it stands.
        progress: Share done, 0 to 1; ``None`` if it does not say.
        trouble: Of a job that failed: why.
        reason: The same in the provider's words.
        charged: What it says it charged, micro-USD; ``None`` if it does not say.
        output: Where the result is, JSON values that :meth:`RemoteEngine.fetch` understands.
        facts: What the engine wants kept on the take.
    """

    state: JobState
    progress: float | None = None
    trouble: Trouble | None = None
    reason: str = ""
    charged: MicroUsd | None = None
    output: Mapping[str, Any] = field(default_factory=dict[str, Any])
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Found(StrEnum):
    """What looking for a job whose create call was not answered came to."""

    FOUND = "found"
    ABSENT = "absent"
    """The provider certainly never accepted it, and will not."""
    UNTOLD = "untold"
    """Not told yet, or never: ask again, or hold it."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Outcome of :meth:`RemoteEngine.reconcile`.

    Attributes:
        found: What it came to.
        ticket: Of what was found.
        created: Whether looking for it may have created it.
    """

    found: Found
    ticket: Ticket | None = None
    created: bool = False


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a provider allows beyond creating, polling and fetching.

    Attributes:
        cancels: Whether a job under way can be stopped.
        reconciles: Whether a job whose create call was not answered can be looked for.
    """

    cancels: bool = False
    reconciles: bool = False


class RemoteEngine(Engine):
    """Speaks to a provider that makes jobs: create, poll, fetch, cancel, reconcile.

    Every method raises :class:`~pipeline.errors.ProviderError` with its kind of trouble and nothing else that a
    provider can cause. Only :meth:`create` may cost anything.

    Args:
        wire: The HTTP client, shared by all engines of a process.
        environment: Where the provider's key and address stand.
    """

    poll_every_s: ClassVar[float] = 5.0
    """Seconds between two polls of one job, unless the provider asks for more."""
    deadline_s: ClassVar[float] = 3600.0
    """Seconds after which a job that has not ended is cancelled."""
    reconcile_within_s: ClassVar[float] = 300.0
    """Seconds for which a job whose create call was not answered is looked for before it is held."""

    def __init__(self, wire: Wire, environment: Mapping[str, str]) -> None:
        self.wire = wire
        self.environment = environment

    @classmethod
    def check_wire(cls, wire: Mapping[str, Any]) -> tuple[str, ...]:
        """Return what is wrong with the registry's ``wire`` of a model, in words; nothing by default."""
        del wire
        return ()

    def abilities(self, wire: Mapping[str, Any]) -> Abilities:
        """Return what the server of a model allows; nothing unless an engine says so."""
        del wire
        return Abilities()

    @abstractmethod
    async def create(self, order: Order) -> Ticket:
        """Ask for a job, once: never repeated here, whatever happens.

        Raises:
            ProviderError: ``UNCERTAIN`` unless it is certain that nothing was accepted.
        """

    @abstractmethod
    async def poll(self, ticket: Ticket) -> Report:
        """Return where a job stands.

        Raises:
            ProviderError: If the provider does not say; asked again later.
        """

    @abstractmethod
    async def fetch(self, ticket: Ticket, report: Report, into: Path) -> None:
        """Download the result of a job that succeeded into a file, complete or not at all.

        Raises:
            ProviderError: If it can't be had now, is too large, of the wrong kind or shorter than announced.
        """

    async def cancel(self, ticket: Ticket) -> None:
        """Ask the provider to stop a job; what it says of the job afterwards is the outcome.

        Raises:
            ProviderError: If it can't be asked now. ``INVALID`` if the job can't be stopped any more.
        """
        del ticket
        raise NotImplementedError(f"{self.name} can't cancel")

    async def reconcile(self, order: Order, ours: frozenset[str]) -> Reconciled:
        """Look for a job whose create call was not answered.

        Args:
            order: What was asked for; its pictures may be missing.
            ours: The provider's ids of jobs that are known to be other takes'.

        Raises:
            ProviderError: If the provider does not say; asked again later.
        """
        del order, ours
        return Reconciled(Found.UNTOLD)
