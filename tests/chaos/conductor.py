"""One run: a fleet is started, storyboards are submitted, havoc is wreaked, everything is mended, and then judged."""

from __future__ import annotations

import dataclasses
import logging
import os
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select

from pipeline.errors import BackendUnavailable, BudgetRefused, DailiesError
from pipeline.production.campaigns import Campaign
from pipeline.production.states import IN_FLIGHT, RESTING_CUTS, CutState, JobPhase
from pipeline.production.steer import cancel, pause, resume, retry
from pipeline.production.studio import Studio
from pipeline.production.submit import submit
from pipeline.routing.stage import Stage
from pipeline.settings import read_settings
from pipeline.store.tables import CutRow, JobRow
from pipeline.storyboard.load import load_storyboard
from pipeline.units import MicroUsd
from tests.chaos import scaled
from tests.chaos.fleet import EVERYBODY, Fleet, Nurse
from tests.chaos.havoc import Havoc
from tests.chaos.points import COMMITTED, PAID_CALL, VARIABLE, WATCHER_POINTS, WORKER_POINTS, Arms
from tests.chaos.verdict import Figures, Verdict
from tests.chaos.world import World, drawn
from tests.support.postgres import PostgresServer
from tests.support.provider import running_provider
from tests.support.proxy import running_proxy
from workers.app import make_app
from workers.composition import make_studio

log = logging.getLogger(__name__)

QUIET_WITHIN_S = 150.0
"""So soon after everything is mended every shot is in a terminal state, on two busy cores with the waits of
``scaled.py``; a run that takes longer has lost something."""


FINISH_AFTER_S = scaled.DEADLINE_S + scaled.STOP_WITHIN_S + 5.0


@dataclass
class Outcome:
    """What a run came to.

    Attributes:
        seed: Its seed.
        database: ``sqlite`` or ``postgresql``.
        reconcile: What the provider offered.
        faults: What was wrong; empty if everything held.
        figures: In numbers.
        havoc: What was done, and how often.
        settled_s: How long it took until everything was quiet after the mending.
    """

    seed: int
    database: str
    reconcile: str
    faults: list[str] = field(default_factory=list[str])
    figures: Figures = field(default_factory=Figures)
    havoc: Counter[str] = field(default_factory=Counter[str])
    settled_s: float = 0.0

    @property
    def kills(self) -> int:
        """Processes ended by -9."""
        return sum(number for name, number in self.havoc.items() if "killed" in name or "down for" in name)

    @property
    def freezes(self) -> int:
        """Processes frozen past their lease."""
        return sum(number for name, number in self.havoc.items() if "frozen" in name)


Script = Callable[[Havoc, float], None]
"""Called again and again with the seconds since the beginning, in place of drawing what to do."""


def run(
    seed: int,
    folder: Path,
    *,
    postgres: PostgresServer | None = None,
    havoc_s: float = 20.0,
    shots: tuple[int, int] = (8, 20),
    script: Script | None = None,
    change: Callable[[World], None] = lambda _: None,
) -> Outcome:
    """Do one run.

    Args:
        seed: Of everything that is drawn.
        folder: Empty; everything of the run is in it.
        postgres: The server to use; SQLite if there is none.
        havoc_s: For how long things are done to it.
        shots: Least and most shots.
        script: What is done to it, if it is not drawn.
        change: Changes the world before it begins.
    """
    world = drawn(seed, shots=shots)
    change(world)
    outcome = Outcome(seed, "postgresql" if postgres else "sqlite", world.reconcile)
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        provider = stack.enter_context(running_provider(folder / "provider", fsync=False, **world.behaviour))
        proxy = stack.enter_context(running_proxy(provider.port))
        disk = stack.enter_context(_small_disk(folder / "home"))
        arms = Arms(folder / "arms")
        arms.folder.mkdir()
        fleet = Fleet(folder, _environment(world, folder, proxy.address, postgres, arms))
        nurse = Nurse(arms)
        studio = _studio(fleet)
        stack.callback(studio.database.close)
        studio.database.upgrade()
        people = _People(studio)
        if world.poison:
            provider.script("clip mark=POISON", match=world.poison)
        havoc = Havoc(
            random.Random(f"havoc {seed}"), fleet, nurse, arms, provider, proxy, people, disk,
            database_file=None if postgres else folder / "home" / "dailies.db", postgres=postgres, counts=outcome.havoc,
        )  # fmt: skip
        people.allowed = lambda: not havoc.locked
        nurse.start()
        try:
            for name in EVERYBODY:
                fleet.start(name)
            _submit(studio, world, folder)
            _wreak(havoc, havoc_s, script)
            havoc.heal()
            mended = time.monotonic()
            outcome.faults += _settled(studio, people, havoc, "everything was mended")
            outcome.settled_s = time.monotonic() - mended
            verdict = Verdict(studio, provider, world, people.held, people.cancelled_at)
            outcome.faults += verdict.faults()
            outcome.figures = verdict.figures
            # What is held was settled by what the provider's books say; now a person lets the rest be made.
            if not outcome.faults and people.retry_all():
                outcome.faults += _settled(studio, people, havoc, "a person's retry")
                again = Verdict(studio, provider, world, people.held, people.cancelled_at)
                outcome.faults += again.faults()
                outcome.figures = again.figures
                outcome.figures.held += verdict.figures.held
                outcome.figures.ready_at_once = verdict.figures.ready
        finally:
            arms.disarm()
            nurse.end()
            outcome.faults += fleet.stop()
        for event in arms.events():
            what = {"kill": "killed", "freeze": "frozen", "lose": "answer lost"}[str(event["action"]).split()[0]]
            outcome.havoc[f"{what} at {event['point']}"] += 1
    return outcome


def _environment(
    world: World, folder: Path, provider: str, postgres: PostgresServer | None, arms: Arms
) -> dict[str, str]:
    (folder / "registry.yaml").write_text(world.registry())
    (folder / "routing.yaml").write_text(world.routing())
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DAILIES_", "AWS_"))}
    environment |= {
        "DAILIES_HOME": str(folder / "home"),
        "DAILIES_DATABASE_URL": postgres.fresh_database()
        if postgres
        else f"sqlite:///{folder / 'home' / 'dailies.db'}",
        "DAILIES_LEASE_S": f"{scaled.LEASE_S:g}",
        "DAILIES_SWEEP_INTERVAL_S": f"{scaled.SWEEP_S:g}",
        "DAILIES_REPUBLISH_AFTER_S": f"{scaled.REPUBLISH_S:g}",
        "DAILIES_REGISTRY": str(folder / "registry.yaml"),
        "DAILIES_ROUTING": str(folder / "routing.yaml"),
        "DAILIES_OPENAI_COMPATIBLE_BASE_URL": f"http://{provider}/v1",
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
        VARIABLE: str(arms.folder),
    }
    if world.account_cap is not None:
        environment["DAILIES_ACCOUNT_CAP_USD"] = f"{world.account_cap / 1e6:.6f}"
    return environment


def _studio(fleet: Fleet) -> Studio:
    settings = dataclasses.replace(read_settings(fleet.environment), broker_url=fleet.broker_url)
    return make_studio(settings, make_app(settings))


def _submit(studio: Studio, world: World, folder: Path) -> None:
    groups: dict[str, list[Path]] = {}
    for board in world.boards:
        groups.setdefault(board.campaign, []).append(board.write(folder))
    for name, paths in groups.items():
        cap = world.campaign_caps.get(name)
        campaign = Campaign(name, MicroUsd(cap) if cap is not None else None) if name else None
        for path in paths:
            try:
                submit(studio, [load_storyboard(path)], stage=Stage.FINAL, campaign=campaign)
            except BudgetRefused as refused:
                # What is left of a cap may be too little for another storyboard: then there is one less.
                log.info("%s: %s", path.name, refused)


def _wreak(havoc: Havoc, seconds: float, script: Script | None) -> None:
    began = time.monotonic()
    strike_at = 1.5  # workers are just coming up
    for _ in range(havoc.rng.randint(3, 6) if script is None else 0):
        points = havoc.rng.choice([PAID_CALL, PAID_CALL, WORKER_POINTS, WATCHER_POINTS, COMMITTED])
        havoc.arm(points, "lose" if points is COMMITTED else "kill")
    while (now := time.monotonic()) - began < seconds:
        if script is not None:
            script(havoc, now - began)
            if havoc.armed and not havoc.arms.armed():
                return  # all of it has happened
        elif now - began >= strike_at:
            if what := havoc.strike(now):
                log.info("%5.1f s: %s", now - began, what)
            strike_at = now - began + havoc.rng.uniform(0.1, 1.6)
        havoc.tend(time.monotonic())
        time.sleep(0.05)


def _settled(studio: Studio, people: _People, havoc: Havoc, since: str) -> list[str]:
    """Wait until nothing is under way any more; tell if that takes too long."""
    began = time.monotonic()
    resumed = finished = False
    while (waited := time.monotonic() - began) < QUIET_WITHIN_S:
        havoc.tend(time.monotonic())
        if waited > FINISH_AFTER_S and not finished:
            havoc.provider.finish()  # what would never end there by itself, and can't be stopped
            finished = True
        with suppress(BackendUnavailable):
            resumed = resumed or people.resume_all()
            if resumed and _is_quiet(studio, people):
                return []
        time.sleep(0.2)
    return [f"not quiet {QUIET_WITHIN_S:g} s after {since}"]


def _is_quiet(studio: Studio, people: _People) -> bool:
    people.look()
    with studio.database.read() as session:
        active = session.scalar(select(CutRow.id).where(CutRow.state.not_in(RESTING_CUTS)).limit(1))
        asked = session.scalar(select(JobRow.take_id).where(JobRow.state.in_(IN_FLIGHT)).limit(1))
        # One that its provider knows may still come to an end by itself.
        held = session.scalar(
            select(JobRow.take_id).where(JobRow.state == JobPhase.HELD, JobRow.provider_job.is_not(None)).limit(1)
        )
    return active is None and asked is None and held is None


class _People:
    """Pauses, cancels, retries; and watches which takes are held."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self.allowed: Callable[[], bool] = lambda: True
        self.held: set[str] = set()
        self.cancelled_at: dict[str, float] = {}

    def look(self) -> None:
        with self._studio.database.read() as session:
            self.held |= set(session.scalars(select(JobRow.take_id).where(JobRow.state == JobPhase.HELD)))

    def pause(self, rng: random.Random) -> bool:
        return self._do(rng, lambda cut: pause(self._studio, cut), resting=False)

    def resume(self) -> bool:
        with suppress(DailiesError):
            return self.allowed() and self.resume_all()
        return False

    def resume_all(self) -> bool:
        with self._studio.database.read() as session:
            paused = list(session.scalars(select(CutRow.id).where(CutRow.paused)))
        for cut_id in paused:
            try:
                resume(self._studio, cut_id)
            except BackendUnavailable:
                raise
            except DailiesError as error:
                log.info("%s", error)
        return True

    def cancel(self, rng: random.Random) -> bool:
        def do(cut_id: str) -> None:
            cancel(self._studio, cut_id)
            self.cancelled_at[cut_id] = time.time()

        return len(self.cancelled_at) < 2 and self._do(rng, do, resting=False)

    def retry(self, rng: random.Random) -> bool:
        def do(cut_id: str) -> None:
            retry(self._studio, cut_id)
            self.cancelled_at.pop(cut_id, None)

        return self._do(rng, do, resting=True)

    def retry_all(self) -> bool:
        """Send everything back that needs attention; return whether there was anything."""
        with self._studio.database.read() as session:
            cuts = list(session.scalars(select(CutRow.id).where(CutRow.state == CutState.NEEDS_ATTENTION)))
        for cut_id in cuts:
            retry(self._studio, cut_id)
        return bool(cuts)

    def _do(self, rng: random.Random, what: Callable[[str], None], *, resting: bool) -> bool:
        if not self.allowed():
            return False
        with suppress(DailiesError):
            self.look()
            state = CutRow.state == CutState.NEEDS_ATTENTION if resting else CutRow.state.not_in(RESTING_CUTS)
            with self._studio.database.read() as session:
                cuts = list(session.scalars(select(CutRow.id).where(state).order_by(CutRow.id)))
            if cuts:
                what(rng.choice(cuts))
                return True
        return False


class _SmallDisk:
    """A file system of its own for the state folder, which can be filled up. Needs the right to mount one."""

    def __init__(self, folder: Path) -> None:
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        with suppress(OSError), self._ballast.open("wb") as file:
            while True:
                file.write(b"\0" * 65536)
                file.flush()

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)


@contextmanager
def _small_disk(folder: Path) -> Generator[_SmallDisk | None]:
    folder.mkdir(parents=True, exist_ok=True)
    mount = shutil.which("mount")
    mounted = (
        mount is not None
        and os.geteuid() == 0
        and (
            subprocess.run(
                [mount, "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], capture_output=True, check=False
            ).returncode
            == 0
        )
    )
    if not mounted:
        yield None
        return
    try:
        yield _SmallDisk(folder)
    finally:
        with suppress(OSError):
            shutil.copytree(folder, folder.with_name("home-kept"), dirs_exist_ok=True)  # for --keep
            subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)
