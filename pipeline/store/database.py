"""One door to the database: SQLite embedded, PostgreSQL in production, the same rules on both."""

from __future__ import annotations

import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic_core import to_json
from sqlalchemy import URL, Connection, Engine, create_engine, event, func, inspect, make_url, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as NoFreeConnection
from sqlalchemy.orm import Session

from pipeline.errors import BackendUnavailable, ConfigurationError

MIGRATIONS = Path(__file__).with_name("migrations")


_MIGRATING = 0x6461696C696573
"""Key of the advisory lock that a migration holds on PostgreSQL (the word dailies)."""

_LIBPQ = {
    "connect_timeout": 10,
    "application_name": "dailies",
    # A server that is gone without a word is noticed within a minute, not after the kernel's two hours.
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 50_000,
}
"""Connecting to PostgreSQL; what the URL says goes before (the last is in milliseconds, the others in seconds)."""

_POSTGRESQL_LIMITS = {"lock_timeout": "30s", "idle_in_transaction_session_timeout": "60s"}
"""A worker that freezes while it holds a row must not stop the others for ever: the server takes it back."""

_READ_ONLY = "25006"
"""SQLSTATE of a write to a server that was demoted to a replica (PostgreSQL's appendix A)."""

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
            self.engine = _engine(self.url)
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise ConfigurationError(
                f"the database URL can't be used ({error}).",
                where="DAILIES_DATABASE_URL",
                remedy="Use sqlite:///file.db or postgresql+psycopg://user:password@host/name "
                "(with the postgres extra installed).",
            ) from error
        self._reader = self.engine
        if self.url.get_backend_name() == "postgresql":
            # There each statement would see another state; SQLite's transactions see one.
            self._reader = self.engine.execution_options(isolation_level="REPEATABLE READ")

    @contextmanager
    def read(self) -> Generator[Session]:
        """Open a session that sees one consistent state and writes nothing.

        Raises:
            BackendUnavailable: If the database does not answer.
        """
        with self._guarded(), Session(self._reader, expire_on_commit=False) as session:
            # Closing ends the transaction and leaves what was read readable; a rollback would expire it.
            yield session

    @contextmanager
    def write(self) -> Generator[Session]:
        """Open a session in one transaction: all of it is committed at the end, or nothing.

        On SQLite the write lock is taken at the begin, so that what was read stays true. On PostgreSQL that
        holds for what was read ``with_for_update``.

        Raises:
            BackendUnavailable: If the database does not answer.
        """
        writer = self.engine.execution_options(dailies_write=True)
        with self._guarded(writing=True), Session(writer, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def _guarded(self, *, writing: bool = False) -> Generator[None]:
        try:
            yield
        except (OperationalError, NoFreeConnection) as error:
            raise self._unavailable(error) from error
        except DBAPIError as error:
            if writing and getattr(error.orig, "sqlstate", None) == _READ_ONLY:
                self.engine.dispose()  # the name leads to another server by now
            elif not error.connection_invalidated:
                raise
            raise self._unavailable(error) from error

    def _unavailable(self, error: DBAPIError | NoFreeConnection) -> BackendUnavailable:
        told = error.orig if isinstance(error, DBAPIError) and error.orig else error
        reason = (str(told).strip().splitlines() or [type(told).__name__])[0]
        return BackendUnavailable(
            f"the database does not answer ({reason}).",
            where=self.url.render_as_string(hide_password=True),
            remedy="Check DAILIES_DATABASE_URL, and that the server runs and the disk has room; "
            "then run `dailies doctor`.",
        )

    def upgrade(self) -> None:
        """Bring the tables to the present version; does nothing when they are. Several may do so at once.

        Raises:
            BackendUnavailable: If the database does not answer.
            ConfigurationError: If the tables are of a newer version than this program.
        """
        if self.url.get_backend_name() == "sqlite" and self.url.database:
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        with self._guarded():
            present, newest = self.version(), self.newest_version()
            if present == newest:
                return
            if present is not None and present > newest:
                raise ConfigurationError(
                    f"the database is at version {present}, this program knows {newest}.",
                    where=self.url.render_as_string(hide_password=True),
                    remedy="Install the version of Dailies that upgraded it.",
                )
            from alembic import command  # noqa: PLC0415 - slow to import, rarely needed
            from alembic.config import Config  # noqa: PLC0415

            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
            writer = self.engine.execution_options(dailies_write=True)
            with writer.connect() as connection, _without_foreign_keys(connection), connection.begin():
                _wait_for_other_migrations(connection)
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


def _wait_for_other_migrations(connection: Connection) -> None:
    """Let one process migrate at a time; the others find it done (on SQLite the write lock does that)."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
        connection.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))


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
    """Return JSON text: what json.dumps gives, several times faster.

    JSON has no word for an infinite number, and PostgreSQL takes no other: it is stored as null on both.
    """
    return to_json(value, inf_nan_mode="null").decode()


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        return _sqlite(url)
    if url.get_backend_name() == "postgresql":
        return _postgresql(url)
    raise ArgumentError(f"{url.get_backend_name()} is no database for Dailies")


def _postgresql(url: URL) -> Engine:
    words = _LIBPQ if url.get_driver_name().startswith("psycopg") else {}
    engine = create_engine(
        url,
        pool_pre_ping=True,
        pool_size=5,
        max_overflow=5,
        json_serializer=_json,
        isolation_level="READ COMMITTED",  # whatever the server's default is: locks are taken where they are needed
        connect_args={word: value for word, value in words.items() if word not in url.query},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        # Not in the connection's options: PgBouncer refuses those.
        cursor = connection.cursor()
        for name, value in _POSTGRESQL_LIMITS.items():
            cursor.execute(f"SET {name} = '{value}'")
        cursor.close()
        connection.commit()

    del _configure
    return engine


def _sqlite(url: URL) -> Engine:
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
