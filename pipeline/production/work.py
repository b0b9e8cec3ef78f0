"""What a step's code is given: its claim, a folder of its own, and a way to say how far it is."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BackendUnavailable, StaleLease
from pipeline.production.leases import Claim, Effect, renew
from pipeline.production.studio import Studio

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """One step under way.

    Attributes:
        studio: Everything a use case may reach.
        claim: The step.
        scratch: A folder that is deleted afterwards.
        progress: Told how far the work is, 0 to 1; raises StaleLease if the step was cancelled or
            taken over, so that long work stops early.
    """

    studio: Studio
    claim: Claim
    scratch: Path
    progress: Callable[[float], None]


StepCode = Callable[[Work], Effect]
"""Does a step's work and returns how its result is written."""


class LeaseKeeper:
    """Renews a step's lease from a thread of its own while the work goes on.

    Args:
        studio: Database and clock.
        claim: The step.
    """

    def __init__(self, studio: Studio, claim: Claim) -> None:
        self._studio = studio
        self._claim = claim
        self._done = threading.Event()
        self._lost = threading.Event()
        self._share = 0.0
        self._thread = threading.Thread(target=self._keep, name="lease-keeper", daemon=True)

    def start(self) -> None:
        """Begin to renew."""
        self._thread.start()

    def stop(self) -> None:
        """Stop renewing; returns when the last renewal is over."""
        self._done.set()
        self._thread.join()

    def progress(self, share: float) -> None:
        """Note how far the work is.

        Raises:
            StaleLease: If the step was cancelled or taken over.
        """
        self._share = share
        if self._lost.is_set():
            raise StaleLease("the step was cancelled or taken over.", where=self._claim.label)

    def _keep(self) -> None:
        while not self._done.wait(self._studio.settings.lease_s / 3):
            try:
                if not renew(self._studio, self._claim, self._share):
                    self._lost.set()
                    return
            except BackendUnavailable as error:
                # The lease may run out meanwhile; its fence then keeps the late result out.
                log.warning("lease of %s not renewed: %s", self._claim.label, error)
            except Exception:
                log.exception("lease of %s not renewed; tried again", self._claim.label)


@contextmanager
def working(studio: Studio, claim: Claim) -> Generator[Work]:
    """Keep a step's lease and a folder for it while its work goes on."""
    scratch = studio.settings.scratch / f"{claim.step_id}-{claim.fence}"
    scratch.mkdir(parents=True, exist_ok=True)
    keeper = LeaseKeeper(studio, claim)
    keeper.start()
    try:
        yield Work(studio, claim, scratch, keeper.progress)
    finally:
        keeper.stop()
        shutil.rmtree(scratch, ignore_errors=True)
