"""The only reader of the environment: every setting, with its default, in one place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from pipeline.errors import ConfigurationError
from pipeline.units import MicroUsd, usd

_MOST_USD = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Settings:
    """What is configured, read once at a process's start and handed on.

    Attributes:
        home: State folder (``DAILIES_HOME``), absolute.
        broker_url: Celery broker (``DAILIES_BROKER_URL``); ``None`` means the embedded Redis.
        database_url: SQLAlchemy URL (``DAILIES_DATABASE_URL``).
        storage_url: ``file:///folder`` or ``s3://bucket/prefix`` (``DAILIES_STORAGE_URL``).
        s3_endpoint_url: S3-compatible server, ``None`` for AWS (``DAILIES_S3_ENDPOINT_URL``).
        registry_overlay: Folder or file laid over the shipped registry (``DAILIES_REGISTRY``).
        routing_overlay: File laid over the shipped routing table (``DAILIES_ROUTING``).
        workers: Worker slots of the embedded stack, ``0`` for one per core (``DAILIES_WORKERS``).
        lease_s: How long a step's lease lasts unless renewed (``DAILIES_LEASE_S``).
        sweep_interval_s: Seconds between two sweeps (``DAILIES_SWEEP_INTERVAL_S``).
        republish_after_s: How long a published step may wait, unclaimed, before the sweep looks
            whether its message was lost (``DAILIES_REPUBLISH_AFTER_S``).
        account_cap: What all takes of a calendar month (UTC) may cost together, ``None`` for no cap
            (``DAILIES_ACCOUNT_CAP_USD``).
        private_hosts: Hosts and networks that engines may reach although their address is private
            (``DAILIES_PRIVATE_HOSTS``, separated by commas).
        environment: The whole environment, for engines to look up their providers' keys.
    """

    home: Path
    broker_url: str | None
    database_url: str
    storage_url: str
    s3_endpoint_url: str | None = None
    registry_overlay: Path | None = None
    routing_overlay: Path | None = None
    workers: int = 0
    lease_s: float = 30.0
    sweep_interval_s: float = 5.0
    republish_after_s: float = 15.0
    account_cap: MicroUsd | None = None
    private_hosts: str = ""
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    @property
    def scratch(self) -> Path:
        """Folder for work in progress; anything in it may be deleted between steps."""
        return self.home / "scratch"


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Args:
        environment: Where to read from; the process's own environment if not given.

    Raises:
        ConfigurationError: If a value can't be understood, naming the setting.
    """
    env = MappingProxyType(dict(os.environ if environment is None else environment))  # noqa: TID251 - its home
    home = Path(env.get("DAILIES_HOME") or ".dailies").expanduser().absolute()
    return Settings(
        home=home,
        broker_url=env.get("DAILIES_BROKER_URL") or None,
        database_url=env.get("DAILIES_DATABASE_URL") or f"sqlite:///{home / 'dailies.db'}",
        storage_url=env.get("DAILIES_STORAGE_URL") or (home / "storage").as_uri(),
        s3_endpoint_url=env.get("DAILIES_S3_ENDPOINT_URL") or None,
        registry_overlay=_path(env, "DAILIES_REGISTRY"),
        routing_overlay=_path(env, "DAILIES_ROUTING"),
        workers=int(_number(env, "DAILIES_WORKERS", 0, most=256)),
        lease_s=_number(env, "DAILIES_LEASE_S", 30.0, least=1.0),
        sweep_interval_s=_number(env, "DAILIES_SWEEP_INTERVAL_S", 5.0, least=0.2),
        republish_after_s=_number(env, "DAILIES_REPUBLISH_AFTER_S", 15.0, least=0.2),
        account_cap=_money(env, "DAILIES_ACCOUNT_CAP_USD"),
        private_hosts=env.get("DAILIES_PRIVATE_HOSTS", ""),
        environment=env,
    )


def _path(env: Mapping[str, str], name: str) -> Path | None:
    value = env.get(name)
    return Path(value).expanduser().absolute() if value else None


def _number(env: Mapping[str, str], name: str, default: float, *, least: float = 0.0, most: float = 86400.0) -> float:
    text = env.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise ConfigurationError(
            f"{text!r} is not a number from {least:g} to {most:g}.",
            where=name,
            remedy="Set it to such a number, or unset it for the default.",
        )
    return value


def _money(env: Mapping[str, str], name: str) -> MicroUsd | None:
    text = env.get(name, "").strip()
    if not text:
        return None
    try:
        amount = usd(text.removeprefix("$"))
    except ValueError:
        amount = None
    if amount is None or not 0 <= amount <= usd(_MOST_USD):
        raise ConfigurationError(
            f"{text!r} is no amount of US dollars.",
            where=name,
            remedy="Write it as 250 or 250.00, or unset it for no cap.",
        )
    return amount
