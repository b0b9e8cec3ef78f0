"""A production of one's own: a real database, the real step code, a simulated clock, broker and engine.

The database is a SQLite file, or a PostgreSQL one where a test says so.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from sqlalchemy import create_engine, event
from sqlalchemy.orm import Session

from pipeline.checks.consistency import ConsistencyReport
from pipeline.engines.base import LocalEngine, Rendered
from pipeline.errors import BackendUnavailable, EngineError
from pipeline.production import leases
from pipeline.production.boards import board_of
from pipeline.production.leases import Claim, Effect
from pipeline.production.outbox import StepMessage
from pipeline.production.states import StepKind
from pipeline.production.studio import Studio
from pipeline.production.submit import Receipt, submit
from pipeline.production.sweep import send
from pipeline.production.work import Work
from pipeline.routing.stage import Stage
from pipeline.settings import Settings
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.database import Database
from pipeline.store.database import new_id as database_id
from pipeline.store.folder import FolderStorage
from pipeline.store.tables import CutRow, DeliverableRow
from pipeline.storyboard.load import LoadedStoryboard, content_hash
from pipeline.storyboard.schema import Storyboard

BEGIN = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
PAINTED_USD, PENCIL_USD = "0.05", "0.08"
PAINTED, PENCIL = 50_000, 80_000
"""What a take of either model costs in these tests, in micro-USD."""

_OVERLAY = f"""
format: 1
models:
  animatic/painted:
    prices: [{{from: 2000-01-01, rates: [{{unit: clip, usd: "{PAINTED_USD}"}}], source: test, verified: 2026-11-21}}]
  animatic/pencil:
    prices: [{{from: 2000-01-01, rates: [{{unit: clip, usd: "{PENCIL_USD}"}}], source: test, verified: 2026-11-21}}]
"""
TABLES = ("storyboards", "cuts", "shots", "takes", "mezzanines", "deliverables", "steps", "ledger")
_ids = itertools.count(1)


class SimulatedClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class SimulatedBroker:
    """Keeps messages in memory; a test delivers, repeats and loses them as it likes."""

    def __init__(self) -> None:
        self.messages: list[StepMessage] = []
        self.batches: list[list[StepMessage]] = []
        self.down = False

    def publish(self, messages: Sequence[StepMessage]) -> None:
        if self.down:
            raise BackendUnavailable("the broker does not answer (simulated).")
        self.batches.append(list(messages))
        self.messages.extend(messages)

    def depth(self, queue: str) -> int | None:
        return None if self.down else sum(message.queue == queue for message in self.messages)

    @property
    def published(self) -> list[StepMessage]:
        return [message for batch in self.batches for message in batch]


class Records:
    """A test's own look into the database, beside the code under test.

    Both databases answer as SQLite does: moments as the text that it keeps, truth as 0 and 1, JSON as text.
    """

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url, isolation_level="AUTOCOMMIT")

    def __call__(self, sql: str, values: Sequence[object] = ()) -> tuple[list[str], list[tuple[Any, ...]]]:
        if self._engine.dialect.name == "postgresql" and values:
            sql = sql.replace("%", "%%").replace("?", "%s")
        with self._engine.connect() as connection:
            result = connection.exec_driver_sql(sql, tuple(values) or None)
            if not result.returns_rows:
                return [], []
            return list(result.keys()), [tuple(_as_sqlite(value) for value in row) for row in result]

    def close(self) -> None:
        self._engine.dispose()


def _as_sqlite(value: object) -> object:
    match value:
        case bool() | Decimal():
            return int(value)
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"
        case dict() | list():
            return json.dumps(value)
        case _:
            return value


@dataclass
class Fate:
    """What the next step's surroundings do."""

    engine_fails: bool = False
    gate_rejects: bool = False
    error: Exception | None = None


class SimulatedEngine(LocalEngine):
    """Writes a few bytes that depend on the request alone, as a deterministic engine would."""

    name = "animatic"
    version = "simulated-1"

    def __init__(self, fate: Fate) -> None:
        self._fate = fate

    def render(
        self, model: str, request: Any, images: Any, out: Path, progress: Any, *, last_frame: bool = False
    ) -> Rendered:
        del images, last_frame
        if self._fate.engine_fails:
            raise EngineError("the simulated engine can't.", where=model)
        progress(0.5)
        out.write_text(json.dumps([model, request.model_dump(mode="json")], sort_keys=True))
        return Rendered(out, {"rendered_by": model})


@dataclass
class Production:
    """A studio with everything simulated that a test wants to have in its hands."""

    studio: Studio
    clock: SimulatedClock
    broker: SimulatedBroker
    fate: Fate = field(default_factory=Fate)

    def submit(self, *boards: LoadedStoryboard, stage: Stage = Stage.PREVIEW, **options: Any) -> list[Receipt]:
        return submit(self.studio, boards, stage=stage, **options)

    def claim(self, step_id: str, owner: str = "worker") -> Claim | None:
        return leases.claim(self.studio, step_id, owner)

    def work(self, held: Claim, fate: Fate | None = None) -> Effect:
        """Run the step's code up to its effect, which is not committed yet."""
        wanted = fate or Fate()
        if wanted.error is not None:
            raise wanted.error
        self.fate.engine_fails, self.fate.gate_rejects = wanted.engine_fails, wanted.gate_rejects
        scratch = self.studio.settings.scratch / f"{held.step_id}-{held.fence}"
        scratch.mkdir(parents=True, exist_ok=True)
        return step_code(held.kind)(Work(self.studio, held, scratch, lambda _share: None))

    def complete(self, held: Claim, effect: Effect) -> None:
        send(self.studio, leases.complete(self.studio, held, effect))

    def fail(self, held: Claim, error: str = "simulated", *, for_good: bool) -> None:
        send(self.studio, leases.fail(self.studio, held, error, for_good=for_good))

    def perform(self, step_id: str, fate: Fate | None = None) -> Claim | None:
        """Do one step as a healthy worker does; return its claim, ``None`` if there was nothing to do."""
        held = self.claim(step_id)
        if held is not None:
            self.complete(held, self.work(held, fate))
        return held

    def deliver(self, index: int = 0) -> StepMessage:
        """Take a message out of the broker."""
        return self.broker.messages.pop(index)

    def run(self, judge: Callable[[Claim], Fate] = lambda _held: Fate(), *, most: int = 2000) -> int:
        """Deliver messages until there are none; return how many steps were done."""
        done = 0
        while self.broker.messages:
            assert done < most, "messages never end"
            held = self.claim(self.deliver().step_id)
            if held is not None:
                self.complete(held, self.work(held, judge(held)))
                done += 1
        return done

    def rows(self, sql: str, *values: object) -> list[Any]:
        """Ask the database itself, beside the code under test; rows answer to their columns' names."""
        names, found = self.records(sql, values)
        return [SimpleNamespace(**dict(zip(names, row, strict=True))) for row in found]

    def value(self, sql: str, *values: object) -> Any:
        """Return the first column of the only row."""
        (row,) = self.rows(sql, *values)
        return next(iter(vars(row).values()))

    def everything(self) -> list[Any]:
        """Return the whole content of the database, to see that nothing changed."""
        return [sorted(self.records("SELECT * FROM " + table)[1], key=str) for table in TABLES]  # noqa: S608 - from above

    def tamper(self, sql: str, *values: object) -> None:
        """Change the database behind the back of the code under test."""
        self.records(sql, values)

    @cached_property
    def records(self) -> Records:
        """A connection of the test's own."""
        return Records(self.studio.settings.database_url)

    def close(self) -> None:
        self.records.close()
        self.studio.database.close()


def submit_in_a_process(what: tuple[Settings, int]) -> str:
    """Submit a storyboard of some shots to the production with some settings; return its cut's id."""
    settings, shots = what
    production = opened(settings)
    # Ids are unique within a process only; those of two processes must differ as real ones do.
    production.studio = replace(production.studio, new_id=database_id)
    try:
        return production.submit(board(shots))[0].cut_id
    finally:
        production.close()


def new_id() -> str:
    """Return an id that no other production of this process has: boards are cached by theirs."""
    return f"id{next(_ids):08d}"


def template_database(folder: Path) -> Path:
    """Make a migrated, empty database that :func:`open_production` copies: migrating is slow."""
    path = folder / "template.db"
    database = Database(f"sqlite:///{path}")
    database.upgrade()
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return path


def priced_registry(folder: Path) -> Path:
    """Write a registry overlay in which the animatic engine's models cost money."""
    path = folder / "priced.yaml"
    path.write_text(_OVERLAY)
    return path


def settings_in(home: Path, overlay: Path | None = None, database_url: str | None = None) -> Settings:
    return Settings(
        home=home,
        broker_url=None,
        database_url=database_url or f"sqlite:///{home / 'dailies.db'}",
        storage_url=(home / "storage").as_uri(),
        registry_overlay=overlay,
    )


def open_production(home: Path, template: Path, overlay: Path | None = None) -> Production:
    """Open a new production in a folder, with a SQLite file of its own."""
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(template, home / "dailies.db")
    return opened(settings_in(home, overlay))


def opened(settings: Settings) -> Production:
    """Open a production in a database that is migrated."""
    home, database = settings.home, Database(settings.database_url)
    if database.engine.dialect.name == "sqlite":
        # What a power cut would do is not tested here; waiting for the disk is most of the time otherwise.
        event.listen(database.engine, "connect", lambda raw, _record: raw.execute("PRAGMA synchronous=OFF"))
    storage = FolderStorage(home / "storage")
    clock, broker = SimulatedClock(), SimulatedBroker()
    studio = Studio(
        settings=settings,
        database=database,
        storage=storage,
        artifacts=ArtifactStore(storage, home / "cache"),
        publisher=broker,
        clock=clock,
        new_id=new_id,
    )
    return Production(studio, clock, broker)


@contextmanager
def simulated_surroundings(fate: Fate) -> Generator[None]:
    """Put simulated pixels below the real step code: engine, measuring, judging, conforming, comparing."""
    replaced = {
        "generate": {"load_engine": lambda _name: SimulatedEngine(fate)},
        "check": {"measure": _measure, "judge": _judge(fate), "frame_at": _frame_at},
        "conform": {"conform": _conform, "placeholder": _placeholder},
        "match": {"compare": _compare, "_signature": lambda *_: None},
    }
    with (
        mock.patch("pipeline.production.planning.engine_class", return_value=SimulatedEngine),
        mock.patch("pipeline.production.reuse.engine_class", return_value=SimulatedEngine),
        # Looking through every installed package takes longer than all the rest of planning a take.
        mock.patch("pipeline.engines.catalog.entry_points", return_value=()),
    ):
        patches = [
            mock.patch.multiple(f"pipeline.production.steps.{step}", **names) for step, names in replaced.items()
        ]
        for patch in patches:
            patch.start()
        try:
            yield
        finally:
            for patch in patches:
                patch.stop()


def step_code(kind: StepKind) -> Callable[[Work], Effect]:
    """Return the real code of a step; of the two that only move files, what they write."""
    match kind:
        case StepKind.STITCH:
            return _stitch
        case StepKind.DELIVER:
            return _deliver
        case _:
            code: Callable[[Work], Effect] = import_module(f"pipeline.production.steps.{kind}").execute
            return code


def _measure(_clip: Path, progress: Callable[[float], None]) -> Any:
    progress(0.5)
    return SimpleNamespace(model_dump=lambda **_: {"measured": "simulated"})


def _judge(fate: Fate) -> Callable[..., Any]:
    def judge(*_: object) -> Any:
        failures = [SimpleNamespace(reason="It is too dark.")] if fate.gate_rejects else []
        return SimpleNamespace(passed=not failures, failures=failures, model_dump=lambda **_: {"passed": not failures})

    return judge


def _frame_at(clip: Path, _where: object, out: Path) -> None:
    out.write_bytes(b"last frame of " + hashlib.sha256(clip.read_bytes()).digest())


def _conform(clip: Path, frames: int, fmt: Any, video: Path, audio: Path, _progress: object, **_options: object) -> Any:
    video.write_bytes(fmt.key.encode() + clip.read_bytes())
    audio.write_bytes(b"sound of " + clip.read_bytes())
    return import_module("pipeline.production.steps.conform").Conformed(video, audio, frames, fmt.samples(frames))


def _placeholder(
    lines: Iterable[str], frames: int, fmt: Any, video: Path, audio: Path, *_more: object, **_options: object
) -> None:
    video.write_text(f"{fmt.key} {frames} {' '.join(lines)}")
    audio.write_text(f"silence {frames}")


def _compare(*_: object, **_options: object) -> ConsistencyReport:
    return mock.Mock(spec=ConsistencyReport, model_dump=lambda **_: {"compared": "simulated"})


def _stitch(work: Work) -> Effect:
    def effect(session: Session) -> None:
        cut = session.get_one(CutRow, work.claim.cut_id)
        session.add(
            DeliverableRow(
                id=work.studio.new_id(),
                cut_id=cut.id,
                edition=cut.edition,
                name=str(work.claim.payload["deliverable"]),
                files={},
                facts={"board": board_of(session, cut.storyboard_id).storyboard.id},
            )
        )

    return effect


def _deliver(_work: Work) -> Effect:
    return lambda _session: None


def board(
    shots: int | Sequence[Mapping[str, Any]] = 1,
    *,
    name: str = "board",
    deliverables: int = 1,
    budget: Mapping[str, Any] | None = None,
    candidates: int = 1,
) -> LoadedStoryboard:
    """Return a small checked storyboard.

    Args:
        shots: Their number, or what each says beside its id and prompt.
        name: Its id.
        deliverables: Number of deliverables, each of another format.
        budget: Its caps.
        candidates: Accepted takes wanted of each shot.
    """
    said = [{} for _ in range(shots)] if isinstance(shots, int) else shots
    sizes = ("160x90", "90x160", "96x96")
    storyboard = Storyboard.model_validate(
        {
            "schema_version": 1,
            "id": name,
            "deliverables": [{"name": f"film{size}", "resolution": size, "fps": 12} for size in sizes[:deliverables]],
            "defaults": {"duration_s": 1.0, "candidates": candidates},
            "budget": dict(budget or {}),
            "shots": [{"id": f"s{n:02d}", "prompt": f"picture {n} of {name}", **words} for n, words in enumerate(said)],
        }
    )
    return LoadedStoryboard(
        storyboard=storyboard,
        path=Path(f"{name}.yaml"),
        folder=Path("/"),
        warnings=(),
        images={},
        content_hash=content_hash(storyboard, {}),
    )
