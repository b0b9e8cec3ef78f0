"""One door to the database: SQLite embedded, PostgreSQL in production, the same rules on both."""

from __future__ import annotations

import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic_core import to_json
from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import Session

from pipeline.errors import BackendUnavailable, ConfigurationError

MIGRATIONS = Path(__file__).with_name("migrations")


_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_PAIRS = [first + second for first in _LETTERS for second in _LETTERS]


def new_id() -> str:
    """Return a random id of 60 bits: twelve letters and digits that a person can read aloud."""
    bits = int.from_bytes(secrets.token_bytes(8), "big")
    return "".join([_PAIRS[(bits >> shift) & 1023] for shift in (0, 10, 20, 30, 40, 50)])


class Database:
    """Sessions on one database.

    Args:
        url: SQLAlchemy URL.

    Raises:
        ConfigurationError: If the URL can't be used.
    """

    def __init__(self, url: str) -> None:
        try:
            self.url = make_url(url)
            self.engine = _engine(url)
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise ConfigurationError(
                f"the database URL can't be used ({error}).",
                where="DAILIES_DATABASE_URL",
                remedy="Use sqlite:///file.db or postgresql+psycopg://user:password@host/name "
                "(with the postgres extra installed).",
            ) from error

    @contextmanager
    def read(self) -> Generator[Session]:
        """Open a session that sees one consistent state and writes nothing.

        Raises:
            BackendUnavailable: If the database does not answer.
        """
        with self._guarded(), Session(self.engine, expire_on_commit=False) as session:
            # Closing ends the transaction and leaves what was read readable; a rollback would expire it.
            yield session

    @contextmanager
    def write(self) -> Generator[Session]:
        """Open a session in one transaction: all of it is committed at the end, or nothing.

        On SQLite the write lock is taken at the begin, so that what was read stays true.

        Raises:
            BackendUnavailable: If the database does not answer.
        """
        writer = self.engine.execution_options(dailies_write=True)
        with self._guarded(), Session(writer, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def _guarded(self) -> Generator[None]:
        try:
            yield
        except OperationalError as error:
            raise self._unavailable(error) from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise self._unavailable(error) from error
            raise

    def _unavailable(self, error: DBAPIError) -> BackendUnavailable:
        reason = str(error.orig).strip().splitlines()[0] if error.orig else str(error)
        return BackendUnavailable(
            f"the database does not answer ({reason}).",
            where=self.url.render_as_string(hide_password=True),
            remedy="Check DAILIES_DATABASE_URL, and that the server runs and the disk has room; "
            "then run `dailies doctor`.",
        )

    def upgrade(self) -> None:
        """Bring the tables to the present version; does nothing when they are."""
        if self.url.drivername.startswith("sqlite") and self.url.database:
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        with self._guarded():
            if self.version() == self.newest_version():
                return
            from alembic import command  # noqa: PLC0415 - slow to import, rarely needed
            from alembic.config import Config  # noqa: PLC0415

            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
            writer = self.engine.execution_options(dailies_write=True)
            with writer.connect() as connection, _without_foreign_keys(connection), connection.begin():
                config.attributes["connection"] = connection
                command.upgrade(config, "head")

    def version(self) -> str | None:
        """Return the migration that the tables are at, ``None`` for an empty database."""
        with self.engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(select(text("version_num")).select_from(text("alembic_version"))).scalar()

    @staticmethod
    def newest_version() -> str:
        """Return the newest migration (their files are numbered)."""
        return max(path.stem.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


@contextmanager
def _without_foreign_keys(connection: Connection) -> Generator[None]:
    """Let a migration copy a table on SQLite: with foreign keys on, dropping the old one deletes what refers to it.

    Outside of a transaction, where alone SQLite heeds it (https://www.sqlite.org/lang_altertable.html, section 7).
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    raw = connection.connection
    raw.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        raw.execute("PRAGMA foreign_keys=ON")


def _json(value: Any) -> str:
    """Return JSON text: what json.dumps gives, several times faster."""
    return to_json(value).decode()


def _engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True, pool_size=5, max_overflow=5, json_serializer=_json)
    engine = create_engine(url, connect_args={"timeout": 60.0, "check_same_thread": False}, json_serializer=_json)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        # The driver's own transaction handling is off: "begin" below says when one starts.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=60000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get("dailies_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    del _configure, _begin
    return engine
