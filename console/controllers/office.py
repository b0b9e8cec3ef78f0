"""Opens the studio for a command, with as little imported and contacted as the command needs."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from console.desk import Desk
from pipeline.errors import BackendUnavailable, InputError
from pipeline.production.outbox import StepMessage
from pipeline.production.studio import Studio
from pipeline.settings import Settings
from workers.composition import open_studio
from workers.stackfile import live_stackfile

if TYPE_CHECKING:
    from workers.publisher import CeleryPublisher


class Courier:
    """Carries messages to the broker in use, whose client is imported and connected when the first one goes.

    With no broker configured and no embedded stack running there is none: then the work stays due in the database.
    Celery's own default address is never tried, a stranger's Redis may listen there.

    Args:
        settings: What is configured.
        broker_url: The broker; found by the settings if not given.

    Attributes:
        refused: Why messages were not sent, if they were not.
    """

    def __init__(self, settings: Settings, broker_url: str | None = None) -> None:
        self._settings = settings
        self._broker_url = broker_url or settings.broker_url or _embedded_url(settings)
        self._publisher: CeleryPublisher | None = None
        self.refused: BackendUnavailable | None = None

    @property
    def waiting(self) -> str:
        """Why messages wait in the database, for people; empty if they went out."""
        return "" if self.refused is None else f"{self.refused.what} {self.refused.remedy}".strip()

    def publish(self, messages: Sequence[StepMessage]) -> None:
        """Send messages; see ``pipeline.production.outbox.Publisher``."""
        try:
            self._connected().publish(messages)
        except BackendUnavailable as error:
            self.refused = error
            raise

    def depth(self, queue: str) -> int | None:
        """Return how many messages wait; see ``pipeline.production.outbox.Publisher``."""
        return self._connected().depth(queue) if self._broker_url else None

    def check(self) -> None:
        """See that the broker answers.

        Raises:
            BackendUnavailable: If it does not, or there is none.
        """
        self._connected().check()

    def _connected(self) -> CeleryPublisher:
        if not self._broker_url:
            raise BackendUnavailable(
                "no broker is configured and the embedded stack does not run.",
                where="DAILIES_BROKER_URL",
                remedy="Run `dailies up`, or set DAILIES_BROKER_URL.",
            )
        if self._publisher is None:
            from workers.app import make_app  # noqa: PLC0415 - imports Celery
            from workers.publisher import CeleryPublisher  # noqa: PLC0415 - as above

            self._publisher = CeleryPublisher(make_app(replace(self._settings, broker_url=self._broker_url)))
        return self._publisher


def _embedded_url(settings: Settings) -> str | None:
    stack = live_stackfile(settings.home)
    return stack.broker_url if stack else None


@contextmanager
def studio_of(desk: Desk, courier: Courier | None = None) -> Generator[Studio]:
    """Open the studio, its database at the present version, and close it afterwards.

    Args:
        desk: The command's context.
        courier: What carries messages; one of the settings' broker if not given.

    Raises:
        BackendUnavailable: If the database does not answer.
        ConfigurationError: If a setting can't be used.
    """
    prepare_home(desk.settings)
    studio = open_studio(desk.settings, courier or Courier(desk.settings))
    try:
        studio.database.upgrade()
        yield studio
    finally:
        studio.database.close()


def prepare_home(settings: Settings) -> None:
    """Make the state folder.

    Raises:
        InputError: If it can't be made or is no folder.
    """
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"the state folder can't be made ({error.strerror}).",
            where=str(settings.home),
            remedy="Set DAILIES_HOME to a folder that this user may write.",
        ) from error


def has_work(settings: Settings) -> bool:
    """Return whether there can be any cut: asking where things stand must not make a state folder."""
    prefix = "sqlite:///"
    if not settings.database_url.startswith(prefix):
        return True
    return Path(settings.database_url.removeprefix(prefix)).exists()
