"""What must hold after a run, whatever was done to it. Each fault is told in words; none is the only good answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import av
from sqlalchemy import func, select

from pipeline.production.books import audit
from pipeline.production.resolve import all_unknown, resolve
from pipeline.production.states import CutState, JobPhase, ShotState, TakeState
from pipeline.production.status import CutStatus, ShotStatus, cut_status
from pipeline.production.studio import Studio
from pipeline.store.tables import CampaignRow, CutRow, JobRow, LedgerRow, ShotRow, TakeRow
from tests.chaos import scaled
from tests.chaos.world import FRAMES, World
from tests.provider.ledger import Accepted, Charged
from tests.support.provider import Provider

TERMINAL = (ShotState.READY, ShotState.NEEDS_ATTENTION, ShotState.CANCELLED)


@dataclass
class Figures:
    """What a run came to, in numbers.

    Attributes:
        shots: In all storyboards.
        ready: Of them, ready.
        ready_at_once: Of them, ready before a person settled what was held, and retried.
        delivered: Films.
        jobs: Accepted by the provider.
        lost: Jobs that nobody here knows of, and shots in no terminal state.
        repeated: Intents that were accepted, or charged, more than once.
        held: Takes that a person had to settle.
        charged_micro_usd: By the provider.
        difference_micro_usd: Between our ledger and the provider's.
    """

    shots: int = 0
    ready: int = 0
    ready_at_once: int = 0
    delivered: int = 0
    jobs: int = 0
    lost: int = 0
    repeated: int = 0
    held: int = 0
    charged_micro_usd: int = 0
    difference_micro_usd: int = 0


class Verdict:
    """Judges one run.

    Args:
        studio: The database and storage.
        provider: Its books are the oracle.
        world: What was asked for.
        held: Takes that were held at any time: their jobs use no slot of ours.
        cancelled_at: When cuts were cancelled, seconds since the epoch.
    """

    def __init__(
        self, studio: Studio, provider: Provider, world: World, held: set[str], cancelled_at: dict[str, float]
    ) -> None:
        self._studio, self._provider, self._world = studio, provider, world
        self._held = held
        self._cancelled_at = cancelled_at
        self.figures = Figures()

    def faults(self) -> list[str]:
        """Return everything that is wrong."""
        found = [*self._at_rest(), *self._orphans()]
        self.figures.ready_at_once = self.figures.ready
        self._resolve()
        return [
            *found,
            *self._paid_once(),
            *self._money(),
            *self._caps(),
            *self._limits(),
            *self._after_cancel(),
            *self._films(),
        ]

    def _at_rest(self) -> Iterator[str]:
        with self._studio.database.read() as session:
            for shot, cut in session.execute(select(ShotRow, CutRow).join(CutRow, CutRow.id == ShotRow.cut_id)):
                self.figures.shots += 1
                self.figures.ready += shot.state == ShotState.READY
                if shot.state not in TERMINAL:
                    self.figures.lost += 1
                    yield f"shot {shot.id} is {shot.state}, its cut {cut.state}"
            for take in session.scalars(select(TakeRow).where(TakeRow.state.in_(("planned", "generating")))):
                job = session.get(JobRow, take.id)
                yield f"take {take.id} is still {take.state}, its job {job.state if job else 'none'}"
            for cut in session.scalars(select(CutRow)):
                self.figures.delivered += cut.state == CutState.DELIVERED

    def _orphans(self) -> Iterator[str]:
        with self._studio.database.read() as session:
            jobs = {job.take_id: job for job in session.scalars(select(JobRow))}
        for entry in self._provider.accepted():
            self.figures.jobs += 1
            job = jobs.get(entry.intent)
            by_word = job is not None and job.outcome in ("charged", "not_charged")
            known = job is not None and (job.provider_job == entry.job or job.state == JobPhase.HELD or by_word)
            if not known:
                self.figures.lost += 1
                yield f"job {entry.job} of intent {entry.intent} is an orphan: we have {_told(job)}"

    def _resolve(self) -> None:
        """Settle what nobody here can know, by what the oracle says: a person looks at the provider's bill."""
        charged = self._provider.charges_by_intent()
        for take in all_unknown(self._studio):
            self.figures.held += 1
            resolve(self._studio, take.take_id, charged=bool(charged.get(take.take_id)))

    def _paid_once(self) -> Iterator[str]:
        for what, by_intent in (
            ("accepted", self._provider.accepted_by_intent()),
            ("charged", self._provider.charges_by_intent()),
        ):
            for intent, entries in by_intent.items():
                if len(entries) > 1:
                    self.figures.repeated += 1
                    yield f"intent {intent} was {what} {len(entries)} times"

    def _money(self) -> Iterator[str]:
        theirs = Counter[str]()
        for entry in self._provider.entries(Charged):
            theirs[entry.intent] += entry.micro_usd
        with self._studio.database.read() as session:
            rows = session.execute(
                select(LedgerRow.take_id, func.sum(LedgerRow.amount_micro_usd))
                .where(LedgerRow.kind == "settle")
                .group_by(LedgerRow.take_id)
            )
            ours = Counter({take: int(amount) for take, amount in rows})
            takes = {take.id: take for take in session.scalars(select(TakeRow))}
            jobs = {job.take_id: job for job in session.scalars(select(JobRow))}
        for take_id in sorted(set(ours) | set(theirs)):
            if ours[take_id] != theirs[take_id]:
                take, job = takes.get(take_id), jobs.get(take_id)
                state, reason = (take.state, take.reason) if take else ("none", "")
                yield (
                    f"take {take_id} ({state}, {reason}; job {_told(job)}): "
                    f"we say {ours[take_id]}, the provider {theirs[take_id]} micro-USD"
                )
        self.figures.charged_micro_usd = theirs.total()
        self.figures.difference_micro_usd = ours.total() - theirs.total()
        if ours.total() != theirs.total():
            yield f"our ledger has {ours.total()}, the provider's {theirs.total()} micro-USD"
        report = audit(self._studio)
        yield from (f"books: {fault}" for fault in report.faults)
        if report.reserved:
            yield f"{report.reserved} micro-USD are still reserved"

    def _caps(self) -> Iterator[str]:
        with self._studio.database.read() as session:
            cuts = {cut.id: cut for cut in session.scalars(select(CutRow))}
            cut_of = dict(session.execute(select(TakeRow.id, TakeRow.cut_id)).all())
            shot_of = dict(session.execute(select(TakeRow.id, TakeRow.shot_id)).all())
            keys = {row.id: row.key for row in session.scalars(select(CampaignRow))}
            shots = {shot.id: shot for shot in session.scalars(select(ShotRow))}
        scopes: list[tuple[str, int, frozenset[str]]] = []
        if self._world.account_cap is not None:
            scopes.append(("account", self._world.account_cap, frozenset(cut_of)))
        scopes += [
            (f"cut {cut.id}", cut.budget_micro_usd, _of(cut_of, {cut.id}))
            for cut in cuts.values()
            if cut.budget_micro_usd is not None
        ]
        for name, cap in self._world.campaign_caps.items():
            members = {cut.id for cut in cuts.values() if keys.get(cut.campaign_id or "") == name}
            scopes.append((f"campaign {name}", cap, _of(cut_of, members)))
        said = {
            (board.key, shot["id"]): shot.get("max_cost_usd") for board in self._world.boards for shot in board.shots
        }
        boards = {cut.id: cut_status(self._studio, cut.id).storyboard for cut in cuts.values()}
        for shot in shots.values():
            usd = said[boards[shot.cut_id], shot.key]
            if usd is not None:
                scopes.append((f"shot {shot.id}", round(usd * 1e6), _of(shot_of, {shot.id})))
        for what, cap, intents in scopes:
            for word, steps in (
                ("charged", self._provider.spending(intents.__contains__)),
                ("liable for", self._provider.liability(intents.__contains__)),
            ):
                most = max((amount for _, amount in steps), default=0)
                if most > cap:
                    yield f"{what} was {word} {most} micro-USD, its cap is {cap}"

    def _limits(self) -> Iterator[str]:
        def counted(entry: Accepted) -> bool:
            return entry.intent not in self._held

        most = self._provider.most_concurrent(counted)
        if most > self._world.account:
            yield f"{most} jobs ran at once, the account allows {self._world.account}"
        for model in ("wan", "ltx"):
            most = self._provider.most_concurrent(lambda entry, model=model: entry.model == model and counted(entry))
            if most > self._world.concurrent:
                yield f"{most} jobs of {model} ran at once, {self._world.concurrent} are allowed"
            if self._world.per_minute is None or self._world.reconcile == "idempotency":
                continue
            # What was asked for within a minute may arrive within a little less.
            window = scaled.MINUTE_S - scaled.SEND_WITHIN_S - 1.0
            most = self._provider.most_accepted_within(window, lambda entry, model=model: entry.model == model)
            if most > self._world.per_minute:
                yield f"{most} jobs of {model} within {window:g} s, {self._world.per_minute} are allowed"

    def _after_cancel(self) -> Iterator[str]:
        for entry in self._provider.charged_after_cancel():
            if not self._world.rules["cancelled"] or entry.why != "cancelled":
                yield f"job {entry.job} was charged after it was cancelled"
        if self._world.reconcile == "idempotency":
            return  # looking for a job is asking again there
        with self._studio.database.read() as session:
            cut_of = dict(session.execute(select(TakeRow.id, TakeRow.cut_id)).all())
        for entry in self._provider.accepted():
            at = self._cancelled_at.get(cut_of.get(entry.intent, ""))
            if at is not None and entry.at > at + scaled.SEND_WITHIN_S + scaled.ASK_S:
                yield f"job {entry.job} was asked for {entry.at - at:.1f} s after its cut was cancelled"

    def _films(self) -> Iterator[str]:
        boards = {board.key: board for board in self._world.boards}
        with self._studio.database.read() as session:
            cut_ids = list(session.scalars(select(CutRow.id)))
        for cut_id in cut_ids:
            status = cut_status(self._studio, cut_id)
            board = boards[status.storyboard]
            if [shot.key for shot in status.shots] != [shot["id"] for shot in board.shots]:
                yield f"cut {cut_id} has its shots in another order"
            for shot, said in zip(status.shots, board.shots, strict=True):
                yield from (f"shot {shot.key} of {cut_id}: {fault}" for fault in self._shot(shot, said["prompt"]))
            if status.state == CutState.DELIVERED:
                yield from (f"cut {cut_id}: {fault}" for fault in self._film(status))

    def _shot(self, shot: ShotStatus, prompt: str) -> Iterator[str]:
        """Tell what is wrong with a shot's takes: each is accepted once, and was made for it."""
        number = Counter((take.round, take.candidate) for take in shot.takes if take.state == TakeState.ACCEPTED)
        if any(each > 1 for each in number.values()):
            yield "two takes of one candidate are accepted"
        if shot.state != ShotState.READY:
            return
        chosen = [take for take in shot.takes if take.id == shot.accepted_take and take.state == TakeState.ACCEPTED]
        if len(chosen) != 1:
            yield "it is ready without one accepted take"
            return
        made = self._accepted.get(chosen[0].id)
        if made is None or prompt not in made.prompt:
            yield "its take was made for something else"
            return
        clip = self._studio.artifacts.fetch(chosen[0].clip_sha256 or "", ".mp4")
        if made.job.encode() not in clip.read_bytes()[-400:]:  # the provider writes the job into its clip
            yield "its clip is another job's"

    def _film(self, status: CutStatus) -> Iterator[str]:
        if any(shot.state != ShotState.READY for shot in status.shots):
            yield "it is delivered without all of its shots"
        if not status.films:
            yield "it is delivered without a film"
        for film in status.films:
            path = next(file["url"] for file in film.files if file["kind"] == "film")
            with av.open(str(path)) as container:
                frames = sum(1 for _ in container.decode(video=0))
            if frames != FRAMES * len(status.shots):
                yield f"its film has {frames} frames, not {FRAMES * len(status.shots)}"

    @cached_property
    def _accepted(self) -> dict[str, Accepted]:
        return {entry.intent: entry for entry in self._provider.accepted()}


def _of(owner_of: dict[str, str], owners: set[str]) -> frozenset[str]:
    return frozenset(take for take, owner in owner_of.items() if owner in owners)


def _told(job: JobRow | None) -> str:
    if job is None:
        return "no job"
    return f"{job.state} {job.provider_job or 'without an id'} {job.outcome} ({job.error})"
