"""The migrations make exactly the tables that the code expects."""

from __future__ import annotations

import io
import re
import runpy
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Column, Engine, MetaData, String, create_engine, inspect

from pipeline.store.database import MIGRATIONS, Database
from pipeline.store.migrations.new import new_migration
from pipeline.store.tables import Base


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


def test_a_migrated_database_and_the_models_are_the_same(template: Path) -> None:
    database = Database(f"sqlite:///{template}")

    found = differences(database, Base.metadata)

    assert not found, "run: python -m pipeline.store.migrations.new 'what changed'"
    database.close()


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


def test_the_comparison_would_see_a_new_column(template: Path) -> None:
    database = Database(f"sqlite:///{template}")
    changed = MetaData(naming_convention=Base.metadata.naming_convention)
    for table in Base.metadata.tables.values():
        table.to_metadata(changed)
    changed.tables["takes"].append_column(Column("judge", String(10)))

    found = differences(database, changed)

    assert [difference[0] for difference in found] == ["add_column"]
    database.close()


def test_migrating_and_creating_directly_give_the_same_tables_checks_and_keys(template: Path, tmp_path: Path) -> None:
    direct = create_engine(f"sqlite:///{tmp_path / 'direct.db'}")
    Base.metadata.create_all(direct)
    migrated = create_engine(f"sqlite:///{template}")

    assert shape(migrated) == shape(direct)

    assert shape(direct)["steps"]["checks"], "the comparison would not notice a missing check"
    direct.dispose()
    migrated.dispose()


def test_migrating_all_the_way_down_leaves_nothing(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'down.db'}")
    database.upgrade()
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))

    with database.engine.execution_options(dailies_write=True).begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")

    assert shape(database.engine) == {}
    database.close()


def test_upgrading_twice_changes_nothing(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'twice.db'}")
    database.upgrade()
    before = shape(database.engine)

    database.upgrade()

    assert database.version() == Database.newest_version()
    assert shape(database.engine) == before
    database.close()


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
