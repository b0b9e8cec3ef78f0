"""Writes the next migration from what :mod:`pipeline.store.tables` says and the migrations do not yet.

Run it after the tables have changed, read what it wrote, and correct it where data has to move::

    python -m pipeline.store.migrations.new "takes know their judge"
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.operations.ops import MigrationScript

from pipeline.errors import InputError
from pipeline.store.database import MIGRATIONS, Database


def new_migration(message: str, *, versions: Path | None = None) -> Path | None:
    """Write the next numbered migration.

    Args:
        message: What changes, in a few words; part of the file's name.
        versions: Folder to write it to, the migrations' own if not given.

    Returns:
        The file; ``None`` if the tables and the migrations agree.

    Raises:
        InputError: If there is no message.
    """
    if not message.strip():
        raise InputError("a migration needs a message.", remedy='Say what changes: new "takes know their judge".')
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'migrated.db'}")
        try:
            database.upgrade()
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
            known = MIGRATIONS / "versions"
            if versions is not None:
                # Alembic splits this option at the separator that the next one names.
                config.set_main_option("path_separator", "os")
                config.set_main_option("version_locations", f"{known}{os.pathsep}{versions}".replace("%", "%%"))
            with database.engine.execution_options(dailies_write=True).begin() as connection:
                config.attributes["connection"] = connection
                written = command.revision(
                    config,
                    message.strip(),
                    autogenerate=True,
                    rev_id=f"{int(Database.newest_version()) + 1:04d}",
                    version_path=str(versions or known),
                    process_revision_directives=_leave_out_if_empty,
                )
        finally:
            database.close()
    scripts = written if isinstance(written, list) else [written]
    return next((Path(script.path) for script in scripts if script is not None), None)


def _leave_out_if_empty(_context: object, _revision: object, directives: list[MigrationScript]) -> None:
    """Write no file that would change nothing."""
    upgrade = directives[0].upgrade_ops
    if upgrade is not None and upgrade.is_empty():
        directives.clear()


def main() -> None:
    """Write a migration, or say that none is needed."""
    try:
        path = new_migration(" ".join(sys.argv[1:]))
    except InputError as error:
        sys.exit(str(error))
    sys.stdout.write(f"{path}: read it before you commit it\n" if path else "The tables and the migrations agree.\n")


if __name__ == "__main__":
    main()
