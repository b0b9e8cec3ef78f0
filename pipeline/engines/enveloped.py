"""Providers that answer 200 and say in the body that it did not work, or say more in a 4xx than its status does."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Final

import httpx

from pipeline.engines.base import JobState, Order, Report
from pipeline.engines.classify import Purpose, Said, answered
from pipeline.engines.hosted import HostedEngine, W
from pipeline.engines.retry import retry_after
from pipeline.errors import ProviderError

if TYPE_CHECKING:
    from pipeline.engines.http import Reply

ATTEMPTS: Final = 4
_CONFIRM_S: Final = 1.0


class EnvelopedEngine(HostedEngine[W]):
    """Reads the errors that a provider puts into bodies, by the same rules as those that it tells by status.

    Attributes:
        telling: Statuses besides 2xx whose body has to be looked at before a poll is asked again: some providers say
            500 of a job that they don't know.
    """

    telling: ClassVar[frozenset[int]] = frozenset()

    @abstractmethod
    def wrong(self, reply: Reply) -> Said | None:
        """Return what a body says went wrong with the call; ``None`` if nothing did.

        A job that failed is no call that went wrong.
        """

    def unknown(self, error: Said) -> bool:
        """Return whether an error says that there is no such job."""
        del error
        return False

    async def ask(
        self, order: Order, path: str, body: Mapping[str, object], headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send a create call, once.

        Raises:
            ProviderError: What the body says; ``UNCERTAIN`` if that is nothing known.
        """
        reply = await super().ask(order, path, body, headers)
        if (error := self.wrong(reply)) is not None:
            raise self._failure(Purpose.CREATE, reply, error)
        return reply

    async def look(self, path: str, answers: frozenset[int] = frozenset()) -> Reply | Report:
        """Read a job, asking again where that may help; a report if the provider twice does not know it.

        Raises:
            ProviderError: If it does not say.
        """
        give_up = self.wire.monotonic() + self.wire.times.read_in_all
        missed = False
        for attempt in range(1, ATTEMPTS + 1):
            reply = await super().look(path, answers | self.telling)
            error = None if isinstance(reply, Report) else self.wrong(reply)
            if isinstance(reply, Report) or error is None:
                return reply
            if self.unknown(error):
                if missed:
                    return Report(JobState.GONE, reason=self.line(error))
                missed = True
                await self.wire.sleep(_CONFIRM_S)
                continue
            failure = self._failure(Purpose.READ, reply, error)
            if attempt == ATTEMPTS or not await self.wire.pause(failure, attempt, give_up):
                raise failure
        raise self.unclear("it does not know the job, and then again it does.")

    def _failure(self, purpose: Purpose, reply: Reply, error: Said) -> ProviderError:
        return answered(
            self.service,
            purpose,
            reply.status,
            {"errors": [{"code": code} for code in error.codes] + [{"message": error.message}]},
            host=httpx.URL(self.base).host,
            retry_after_s=retry_after(reply.headers, self.wire.clock()),
        )
