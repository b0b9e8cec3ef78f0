"""What the store promises, on SQLite and on a real PostgreSQL: the same rules on both."""

from __future__ import annotations

import math
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from pipeline.errors import BackendUnavailable, ConfigurationError
from pipeline.store import database as module
from pipeline.store.database import Database
from pipeline.store.tables import CampaignRow, CutRow, LaneRow, LedgerRow, PurseRow, ShotRow, StoryboardRow, TakeRow
from tests.support.postgres import PostgresServer

NOON = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "template.db"
    database = Database(f"sqlite:///{path}")
    database.upgrade()
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated"), tmp_path / "contract.db")
        opened = Database(f"sqlite:///{tmp_path / 'contract.db'}")
    else:
        opened = Database(request.getfixturevalue("postgres").emptied_database())
    yield opened
    opened.close()


@pytest.fixture
def on_postgres(postgres: PostgresServer) -> Iterator[Database]:
    opened = Database(postgres.emptied_database())
    yield opened
    opened.close()


def campaign(key: str) -> CampaignRow:
    return CampaignRow(id=f"id-{key}", key=key, created_at=NOON)


def keys(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(select(CampaignRow.key).order_by(CampaignRow.key)))


def purse(database: Database) -> int:
    with database.read() as session:
        return session.get_one(PurseRow, "cut:1").committed_micro_usd


def film(**values: Any) -> list[Any]:
    """A storyboard, its cut, a shot and a take, with something said otherwise of the cut."""
    board = StoryboardRow(
        id="board", key="board", title="", content_hash="hash", source="", body={}, images={}, created_at=NOON
    )
    cut = {
        "id": "cut",
        "storyboard_id": "board",
        "identity": "identity",
        "stage": "preview",
        "state": "generating",
        "priority": 3,
        "quote": {},
        "created_at": NOON,
        **values,
    }
    shot = ShotRow(id="shot", cut_id="cut", position=0, key="s1", state="waiting", tier="draft")
    return [board, CutRow(**cut), shot, take("take")]


def take(row_id: str, **values: Any) -> TakeRow:
    plain = {
        "shot_id": "shot",
        "cut_id": "cut",
        "intent": row_id,
        "number": 1,
        "round": 0,
        "candidate": 0,
        "attempt": 0,
        "state": "planned",
        "model": "m",
        "engine": "e",
        "seed": 2**62,
        "spec_key": "",
        "take_key": "",
        "gate_hash": "",
        "request": {},
        "routing": {},
        "facts": {},
        "created_at": NOON,
    }
    return TakeRow(id=row_id, **{**plain, **values})


def add(database: Database, *rows: Any) -> None:
    with database.write() as session:
        for row in rows:
            session.add(row)
            session.flush()


# Transactions


def test_what_was_written_is_there_and_readable_after_the_session(database: Database) -> None:
    with database.write() as session:
        row = campaign("spring")
        session.add(row)

    assert keys(database) == ["spring"]
    assert row.key == "spring"


def test_an_error_undoes_the_whole_transaction(database: Database) -> None:
    def fails_late() -> None:
        with database.write() as session:
            session.add(campaign("spring"))
            session.flush()
            session.execute(insert(LaneRow).values(engine="e"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails_late()

    assert keys(database) == []
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(LaneRow)) == 0


def test_nothing_is_seen_of_a_transaction_before_its_end(database: Database) -> None:
    with database.write() as session:
        session.add(campaign("spring"))
        session.flush()

        assert keys(database) == []

    assert keys(database) == ["spring"]


def test_a_reader_sees_one_state_from_its_first_statement_to_its_last(database: Database) -> None:
    with database.read() as session:
        before = session.scalars(select(CampaignRow.key)).all()
        add(database, campaign("spring"))

        after = session.scalars(select(CampaignRow.key)).all()

    assert before == after == []
    assert keys(database) == ["spring"]


def test_a_session_for_reading_changes_nothing(database: Database) -> None:
    with suppress(DBAPIError), database.read() as session:
        session.add(campaign("spring"))
        session.flush()

    assert keys(database) == []


def test_what_was_read_under_a_lock_stays_true_until_the_end(database: Database) -> None:
    add(database, PurseRow(key="cut:1", committed_micro_usd=1))
    second_began = threading.Event()

    def second() -> int:
        second_began.set()
        with database.write() as session:
            row = session.scalars(select(PurseRow).with_for_update()).one()
            seen = row.committed_micro_usd
            row.committed_micro_usd = seen * 10
            return seen

    with ThreadPoolExecutor(1) as pool:
        with database.write() as session:
            row = session.scalars(select(PurseRow).with_for_update()).one()
            later = pool.submit(second)
            second_began.wait()
            again = session.scalar(select(PurseRow.committed_micro_usd))
            row.committed_micro_usd += 1
        seen = later.result()

    assert again == 1
    assert seen == 2, "the second one's read was overtaken"
    assert purse(database) == 20


def test_no_update_is_lost_among_many_writers(database: Database) -> None:
    add(database, PurseRow(key="cut:1", committed_micro_usd=0))

    def spend(_: int) -> None:
        with database.write() as session:
            row = session.scalars(select(PurseRow).with_for_update()).one()
            row.committed_micro_usd += 1

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(spend, range(60)))

    assert purse(database) == 60


def test_a_compare_and_set_is_won_once(database: Database) -> None:
    add(database, LaneRow(engine="e"))
    barrier = threading.Barrier(4)

    def claim(n: int) -> int:
        barrier.wait()
        with database.write() as session:
            result: Any = session.execute(
                update(LaneRow).where(LaneRow.engine == "e", LaneRow.setbacks == 0).values(setbacks=n + 1)
            )
            return result.rowcount

    with ThreadPoolExecutor(4) as pool:
        won = list(pool.map(claim, range(4)))

    assert sorted(won) == [0, 0, 0, 1]


# What is refused


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "no such state"},
        {"stage": "rough"},
        {"budget_micro_usd": -1},
        {"storyboard_id": "no such storyboard"},
        {"campaign_id": "no such campaign"},
        {"created_at": None},
        {"quote": None},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_an_illegal_row_is_refused_and_nothing_of_its_transaction_is_kept(
    database: Database, wrong: dict[str, Any]
) -> None:
    with pytest.raises(IntegrityError):
        add(database, campaign("spring"), *film(**wrong))

    assert keys(database) == []
    with database.read() as session:
        assert session.scalars(select(StoryboardRow)).all() == []


def test_the_same_rows_are_legal_without_what_is_wrong(database: Database) -> None:
    add(database, *film())

    with database.read() as session:
        assert session.get_one(TakeRow, "take").seed == 2**62


@pytest.mark.parametrize("twin", [{"intent": "take"}, {"number": 1}], ids=["intent", "number"])
def test_a_second_take_for_one_purpose_is_refused(database: Database, twin: dict[str, Any]) -> None:
    add(database, *film())

    with pytest.raises(IntegrityError):
        add(database, take("twin", **{"number": 2, **twin}))


def test_of_two_that_write_the_same_key_at_once_one_is_refused(database: Database) -> None:
    barrier = threading.Barrier(2)

    def submit(n: int) -> str:
        barrier.wait()
        try:
            add(database, CampaignRow(id=f"id{n}", key="spring", created_at=NOON))
        except IntegrityError:
            return "refused"
        return "kept"

    with ThreadPoolExecutor(2) as pool:
        results = sorted(pool.map(submit, range(2)))

    assert results == ["kept", "refused"]
    assert keys(database) == ["spring"]


def test_what_money_was_spent_on_is_not_deleted(database: Database) -> None:
    add(database, *film(), ledger("reserve:take", 5))

    with pytest.raises(IntegrityError), database.write() as session:
        session.execute(text("DELETE FROM cuts"))

    with database.write() as session:
        session.execute(text("DELETE FROM ledger"))
        session.execute(text("DELETE FROM cuts"))
    with database.read() as session:
        assert session.scalars(select(TakeRow)).all() == [], "a cut's takes go with it"


def ledger(key: str, amount: int) -> LedgerRow:
    return LedgerRow(
        id=key,
        key=key,
        kind="reserve",
        cut_id="cut",
        shot_id="shot",
        take_id="take",
        model="m",
        amount_micro_usd=amount,
        at=NOON,
    )


# Values


@pytest.mark.parametrize("hours", [-11, 0, 5.5])
def test_a_moment_comes_back_as_the_same_moment_in_utc(database: Database, hours: float) -> None:
    local = NOON.astimezone(timezone(timedelta(hours=hours)))
    add(database, CampaignRow(id="1", key="spring", created_at=local))

    with database.read() as session:
        stored = session.get_one(CampaignRow, "1").created_at
        (found,) = session.scalars(select(CampaignRow.id).where(CampaignRow.created_at <= local))
        nobody = session.scalars(select(CampaignRow.id).where(CampaignRow.created_at < local)).all()

    assert (stored, stored.tzinfo, stored.microsecond) == (NOON, UTC, 123456)
    assert (found, nobody) == ("1", [])


def test_a_moment_without_time_zone_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="without time zone"):
        add(database, CampaignRow(id="1", key="spring", created_at=datetime(2026, 11, 21)))

    assert keys(database) == []


def test_json_comes_back_as_it_was_with_its_order(database: Database) -> None:
    body = {"z": 1, "a": [None, True, 2**53, 0.1, "Grüße, 世界 \u2028 \U0001f3ac \x07"], "": {"nested": {}}}
    rows = film(quote=body)

    add(database, *rows)

    with database.read() as session:
        quote = session.get_one(CutRow, "cut").quote
    assert quote == body
    assert list(quote) == ["z", "a", ""]


def test_no_json_is_null_and_not_the_word_null(database: Database) -> None:
    add(database, *film(consistency=None))

    with database.read() as session:
        assert session.scalar(select(CutRow.id).where(CutRow.consistency.is_(None))) == "cut"
        assert session.get_one(CutRow, "cut").consistency is None


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_a_number_that_json_does_not_know_is_no_number(database: Database, number: float) -> None:
    add(database, *film(quote={"loudness": number}))

    with database.read() as session:
        assert session.get_one(CutRow, "cut").quote == {"loudness": None}


def test_money_adds_up_to_the_micro_usd_beyond_what_a_float_can_hold(database: Database) -> None:
    huge = 2**62 // 2
    add(database, *film(), ledger("a", huge), ledger("b", huge - 1), ledger("c", 3))

    with database.read() as session:
        total = session.scalar(select(func.sum(LedgerRow.amount_micro_usd)))

    assert total is not None
    assert int(total) == 2 * huge + 2


def test_what_is_not_said_has_its_default(database: Database) -> None:
    add(database, *film())

    with database.read() as session:
        cut, shot = session.get_one(CutRow, "cut"), session.get_one(ShotRow, "shot")
        found = session.scalars(select(CutRow.id).where(CutRow.paused.is_(False))).all()

    assert (cut.paused, cut.edition, cut.reason, cut.budget_micro_usd) == (False, 1, "", None)
    assert (shot.placeholder, shot.round, shot.candidates) == (False, 0, 1)
    assert found == ["cut"]


# Outages


def test_a_server_that_is_killed_is_an_outage_and_all_goes_on_when_it_is_back(
    postgres: PostgresServer, on_postgres: Database
) -> None:
    add(on_postgres, campaign("before"))

    def killed_in_the_middle() -> None:
        with on_postgres.write() as session:
            session.add(campaign("lost"))
            session.flush()
            postgres.kill()

    with pytest.raises(BackendUnavailable) as in_the_middle:
        killed_in_the_middle()
    with pytest.raises(BackendUnavailable) as afterwards:
        keys(on_postgres)
    postgres.start()

    for outage in (in_the_middle.value, afterwards.value):
        words = f"{outage} {outage.where} {outage.remedy}"
        assert "DAILIES_DATABASE_URL" in words
        assert f"127.0.0.1:{postgres.port}" in words
        assert postgres.password not in words
        assert "\n" not in str(outage.where)
    assert keys(on_postgres) == ["before"]
    add(on_postgres, campaign("after"))
    assert keys(on_postgres) == ["after", "before"]


def test_a_restart_between_two_transactions_is_noticed_by_nobody(
    postgres: PostgresServer, on_postgres: Database
) -> None:
    add(on_postgres, campaign("before"))

    postgres.restart()

    add(on_postgres, campaign("after"))
    assert keys(on_postgres) == ["after", "before"]


def test_a_database_that_cannot_be_opened_is_an_outage_on_sqlite_too(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'no such folder' / 'dailies.db'}")

    with pytest.raises(BackendUnavailable, match="unable to open"), database.read() as session:
        session.execute(text("SELECT 1"))


def test_a_server_that_became_a_replica_is_an_outage(postgres: PostgresServer, on_postgres: Database) -> None:
    name = on_postgres.url.database
    add(on_postgres, campaign("before"))
    with postgres.connect() as administrator:
        administrator.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
        on_postgres.close()  # the old connections know nothing of it

        with pytest.raises(BackendUnavailable, match="read-only"):
            add(on_postgres, campaign("during"))
        assert keys(on_postgres) == ["before"]

        administrator.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only".encode())
    with pytest.raises(BackendUnavailable):
        add(on_postgres, campaign("still by the old connection"))
    add(on_postgres, campaign("after"))
    assert keys(on_postgres) == ["after", "before"]


def test_a_worker_that_froze_with_a_row_in_its_hands_stops_nobody_for_ever(
    postgres: PostgresServer, on_postgres: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(on_postgres, PurseRow(key="cut:1"))
    monkeypatch.setattr(module, "_POSTGRESQL_LIMITS", {"idle_in_transaction_session_timeout": "300ms"})
    freezes = Database(on_postgres.url.render_as_string(hide_password=False))
    assert keys(freezes) == []
    monkeypatch.setattr(module, "_POSTGRESQL_LIMITS", {"lock_timeout": "50ms"})
    impatient = Database(on_postgres.url.render_as_string(hide_password=False))
    assert keys(impatient) == []  # it connects with what is set now

    def spend(database: Database) -> None:
        with database.write() as session:
            session.scalars(select(PurseRow).with_for_update()).one().committed_micro_usd += 1

    def freeze() -> None:
        with freezes.write() as session:
            session.scalars(select(PurseRow).with_for_update()).one().committed_micro_usd = 1000
            session.flush()
            with pytest.raises(BackendUnavailable, match="lock timeout"):
                spend(impatient)
            spend(on_postgres)

    with pytest.raises(BackendUnavailable):
        freeze()

    assert purse(on_postgres) == 1, "what the frozen one wrote is undone"
    freezes.close()
    impatient.close()


def test_the_limits_hold_in_every_session(on_postgres: Database) -> None:
    with on_postgres.write() as session:
        limits = {name: session.scalar(text(f"SHOW {name}")) for name in module._POSTGRESQL_LIMITS}
        isolation = session.scalar(text("SHOW transaction_isolation"))

    assert limits == {"lock_timeout": "30s", "idle_in_transaction_session_timeout": "1min"}
    assert isolation == "read committed"


def test_more_sessions_than_connections_is_an_outage_and_no_crash(on_postgres: Database) -> None:
    pool: Any = on_postgres.engine.pool
    pool._timeout, held = 0.01, [on_postgres.engine.connect() for _ in range(10)]

    with pytest.raises(BackendUnavailable, match="limit"):
        keys(on_postgres)

    for connection in held:
        connection.close()
    assert keys(on_postgres) == []


@pytest.mark.parametrize("url", ["nonsense", "mysql://root@127.0.0.1/dailies", "postgres://127.0.0.1/dailies", ""])
def test_a_url_that_is_no_database_for_us_is_refused_in_a_sentence(url: str) -> None:
    with pytest.raises(ConfigurationError, match="can't be used") as refused:
        Database(url)

    assert "postgresql+psycopg://" in str(refused.value.remedy)


def test_what_the_url_says_of_the_connection_goes_before_our_own(postgres: PostgresServer) -> None:
    database = Database(postgres.url() + "?application_name=theirs&connect_timeout=3")

    with database.read() as session:
        assert session.scalar(text("SHOW application_name")) == "theirs"
    database.close()


def test_what_others_say_is_cut_to_its_column_and_holds_no_nul(database: Database) -> None:
    with database.write() as session:
        session.add(LaneRow(engine="acme", reason="bro\0ken " + "x" * 9000))

    with database.read() as session:
        reason = session.get_one(LaneRow, "acme").reason

    assert reason.startswith("bro\ufffdken xx")
    assert len(reason) == 4000
