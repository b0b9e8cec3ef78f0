"""The migrations make exactly the tables that the code expects."""

from __future__ import annotations

import io
import itertools
import re
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Column, Engine, MetaData, String, create_engine, func, inspect, select, text

from pipeline.errors import ConfigurationError
from pipeline.store.database import _MIGRATING, MIGRATIONS, Database
from pipeline.store.migrations.new import new_migration
from pipeline.store.tables import Base
from tests.support.postgres import PostgresServer


def shape(engine: Engine) -> dict[str, Any]:
    """Return everything about the tables that a database tells: compare_metadata looks at no CHECKs."""
    look = inspect(engine)
    return {
        table: {
            "columns": {c["name"]: (str(c["type"]), c["nullable"], c["default"]) for c in look.get_columns(table)},
            "primary key": look.get_pk_constraint(table)["constrained_columns"],
            "checks": {c["name"]: c["sqltext"] for c in look.get_check_constraints(table)},
            "uniques": {c["name"]: c["column_names"] for c in look.get_unique_constraints(table)},
            "indexes": {c["name"]: (c["column_names"], c["unique"]) for c in look.get_indexes(table)},
            "parents": {
                str(c["constrained_columns"]): (c["referred_table"], c["referred_columns"], c["options"])
                for c in look.get_foreign_keys(table)
            },
        }
        for table in sorted(look.get_table_names())
        if table != "alembic_version"
    }


def differences(database: Database, metadata: MetaData) -> list[Any]:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Makes databases without tables; returns their URLs."""
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        return server.create_database
    numbers = itertools.count()
    return lambda: f"sqlite:///{tmp_path / f'empty{next(numbers)}.db'}"


@pytest.fixture
def migrated(empty: Callable[[], str]) -> Iterator[Database]:
    """A database that was brought from empty to the newest version."""
    database = Database(empty())
    database.upgrade()
    yield database
    database.close()


def test_a_migrated_database_and_the_models_are_the_same(migrated: Database) -> None:
    found = differences(migrated, Base.metadata)

    assert not found, "run: python -m pipeline.store.migrations.new 'what changed'"


def test_the_migrations_are_such_that_postgresql_takes_them() -> None:
    written = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": written, "literal_binds": True}
    )

    with Operations.context(context):
        for path in sorted((MIGRATIONS / "versions").glob("[0-9]*.py")):
            runpy.run_path(str(path))["upgrade"]()

    defaults = re.findall(r"BOOLEAN DEFAULT (\S+)", written.getvalue())
    assert defaults, "there is nothing to see: the test proves nothing"
    assert set(defaults) <= {"true", "false"}, "PostgreSQL takes no number for a boolean"


def test_the_comparison_would_see_a_new_column(migrated: Database) -> None:
    changed = MetaData(naming_convention=Base.metadata.naming_convention)
    for table in Base.metadata.tables.values():
        table.to_metadata(changed)
    changed.tables["takes"].append_column(Column("judge", String(10)))

    found = differences(migrated, changed)

    assert [difference[0] for difference in found] == ["add_column"]


def test_migrating_and_creating_directly_give_the_same_tables_checks_and_keys(
    migrated: Database, empty: Callable[[], str]
) -> None:
    direct = create_engine(empty())
    Base.metadata.create_all(direct)

    assert shape(migrated.engine) == shape(direct)

    steps = shape(direct)["steps"]
    assert len(steps["checks"]) == 4, "the comparison would not notice a missing check"
    assert steps["uniques"]
    assert steps["parents"]
    assert len(steps["indexes"]) > 3
    direct.dispose()


def test_migrating_all_the_way_down_leaves_nothing(migrated: Database) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))

    with migrated.engine.execution_options(dailies_write=True).begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")

    assert shape(migrated.engine) == {}


def test_upgrading_twice_changes_nothing(migrated: Database) -> None:
    before = shape(migrated.engine)

    migrated.upgrade()

    assert migrated.version() == Database.newest_version()
    assert shape(migrated.engine) == before


def test_processes_that_upgrade_at_once_upgrade_once(empty: Callable[[], str]) -> None:
    url = empty()
    program = "import sys; from pipeline.store.database import Database; Database(sys.argv[1]).upgrade()"

    started = [
        subprocess.Popen([sys.executable, "-c", program, url], stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    ended = [(process.communicate()[1], process.returncode) for process in started]

    assert [code for _, code in ended] == [0, 0, 0], ended
    database = Database(url)
    assert not differences(database, Base.metadata)
    assert database.version() == Database.newest_version()
    database.close()


def test_one_that_upgrades_waits_for_another_and_finds_it_done(postgres: PostgresServer) -> None:
    url = postgres.create_database()
    database, other = Database(url), create_engine(url)
    with ThreadPoolExecutor(1) as pool, other.connect() as holder:
        with holder.begin():
            holder.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))
            upgrade = pool.submit(database.upgrade)
            while not holder.scalar(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")):
                assert not upgrade.done(), "it did not wait"
            Base.metadata.create_all(holder)
            holder.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)"))
            holder.execute(text("INSERT INTO alembic_version VALUES (:v)"), {"v": Database.newest_version()})
        upgrade.result()

    assert database.version() == Database.newest_version()
    database.close()
    other.dispose()


def test_tables_of_a_newer_version_than_the_program_are_left_alone(migrated: Database) -> None:
    with migrated.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(ConfigurationError, match="version 9999") as refused:
        migrated.upgrade()

    assert "Install" in str(refused.value.remedy)


def test_no_migration_is_written_while_tables_and_migrations_agree(tmp_path: Path) -> None:
    assert new_migration("nothing new", versions=tmp_path) is None
    assert not list(tmp_path.glob("*.py"))


def test_a_changed_table_gets_the_next_numbered_migration(tmp_path: Path) -> None:
    takes = Base.metadata.tables["takes"]
    judge = Column("judge", String(10))
    takes.append_column(judge)
    try:
        path = new_migration("takes know their judge", versions=tmp_path)
    finally:
        takes._columns.remove(judge)

    assert path is not None
    assert path.parent == tmp_path
    assert path.name == f"{int(Database.newest_version()) + 1:04d}_takes_know_their_judge.py"
    assert 'add_column(sa.Column("judge"' in path.read_text().replace("'", '"')
