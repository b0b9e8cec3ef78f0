"""What each command was asked for: parsing ends with one of these, and one controller acts on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from pipeline.routing.stage import Stage
from pipeline.units import MicroUsd


class Priority(StrEnum):
    """Who is served first."""

    INTERACTIVE = "interactive"
    STANDARD = "standard"
    BATCH = "batch"


class Extra(StrEnum):
    """What ``dailies up`` can start beside the stack."""

    FLOWER = "flower"
    CONSOLE = "console"


@dataclass(frozen=True, slots=True)
class Request:
    """Base of all requests."""


@dataclass(frozen=True, slots=True)
class Run(Request):
    """The whole job on this machine."""

    file: Path
    out: Path | None
    stage: Stage
    budget: MicroUsd | None


@dataclass(frozen=True, slots=True)
class Validate(Request):
    """Check a storyboard."""

    file: Path


@dataclass(frozen=True, slots=True)
class Quote(Request):
    """Price a storyboard."""

    file: Path
    stage: Stage
    budget: MicroUsd | None


@dataclass(frozen=True, slots=True)
class Route(Request):
    """Explain the routing of a storyboard."""

    file: Path
    stage: Stage


@dataclass(frozen=True, slots=True)
class Import(Request):
    """Bring in another tool's storyboard."""

    file: Path
    out: Path
    force: bool


@dataclass(frozen=True, slots=True)
class Submit(Request):
    """Enqueue storyboards; ``at`` is aware."""

    files: tuple[Path, ...]
    stage: Stage
    priority: Priority
    budget: MicroUsd | None
    at: datetime | None
    campaign: str | None
    campaign_cap: MicroUsd | None


@dataclass(frozen=True, slots=True)
class Status(Request):
    """Where one cut stands, or all."""

    cut: str | None


@dataclass(frozen=True, slots=True)
class Watch(Request):
    """Follow a cut until it rests."""

    cut: str


@dataclass(frozen=True, slots=True)
class Retry(Request):
    """Make shots anew, or finish with placeholders."""

    cut: str
    shots: tuple[str, ...]
    placeholder: bool


@dataclass(frozen=True, slots=True)
class Cancel(Request):
    """Stop a cut."""

    cut: str


@dataclass(frozen=True, slots=True)
class Pause(Request):
    """Start nothing more of a cut."""

    cut: str


@dataclass(frozen=True, slots=True)
class Resume(Request):
    """Go on with a paused cut."""

    cut: str


@dataclass(frozen=True, slots=True)
class Resolve(Request):
    """Say whether a take whose outcome is unknown was charged; ``None`` if that was left unsaid."""

    take: str
    charged: bool | None


@dataclass(frozen=True, slots=True)
class Costs(Request):
    """What was spent on what; ``by`` and ``month`` as they were written."""

    by: str
    month: str | None


@dataclass(frozen=True, slots=True)
class Up(Request):
    """Run the embedded stack."""

    extras: tuple[Extra, ...]


@dataclass(frozen=True, slots=True)
class Watcher(Request):
    """Follow the jobs in flight at providers."""


@dataclass(frozen=True, slots=True)
class Models(Request):
    """List the models."""


@dataclass(frozen=True, slots=True)
class ReviewModels(Request):
    """What a person should look at in the registry."""


@dataclass(frozen=True, slots=True)
class RefreshModels(Request):
    """Compare prices with those that providers publish; ``write`` names the overlay to write them into."""

    engines: tuple[str, ...]
    write: Path | None


@dataclass(frozen=True, slots=True)
class Doctor(Request):
    """Check the environment."""
