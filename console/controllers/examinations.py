"""The examinations that ``doctor`` makes, one function each."""

from __future__ import annotations

import platform
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from console.controllers.naming import tiers_by_model
from console.controllers.office import Courier, has_work, prepare_home
from console.desk import Desk
from console.values import Finding, Level
from console.views.words import count, moment, size
from pipeline.engines.catalog import engine_class, engine_names, missing_settings
from pipeline.errors import MediaError
from pipeline.production.rules import current_rules
from pipeline.production.studio import Studio
from pipeline.store.files import sha256_of
from pipeline.store.storage import open_storage
from pipeline.units import format_usd
from workers.stackfile import live_stackfile

_OLDEST_PYTHON = (3, 11)
_OLDEST_REDIS = (6, 2)
_LOW_BYTES, _LEAST_BYTES = 5_000_000_000, 500_000_000
_RETIRES_SOON_DAYS = 30
_TOLD_AT_MOST = 20


def python(desk: Desk) -> Iterator[Finding]:
    """Look at the interpreter."""
    del desk
    level = Level.OK if sys.version_info[:2] >= _OLDEST_PYTHON else Level.FAULT
    yield Finding("Python", level, f"{platform.python_version()}, {platform.system()} {platform.machine()}")


def home(desk: Desk) -> Iterator[Finding]:
    """Look whether the state folder can be written and has room.

    Raises:
        InputError: If it can't be made.
    """
    prepare_home(desk.settings)
    folder = desk.settings.home
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        remedy = "Set DAILIES_HOME to a folder that this user may write."
        yield Finding("State folder", Level.FAULT, f"{folder} can't be written ({error.strerror})", remedy)
        return
    free = shutil.disk_usage(folder).free
    level = Level.FAULT if free < _LEAST_BYTES else Level.WARNING if free < _LOW_BYTES else Level.OK
    remedy = "" if level is Level.OK else "Make room, or set DAILIES_HOME to a folder on another disk."
    yield Finding("State folder", level, f"{folder}, {size(free)} free", remedy)


def ffmpeg(desk: Desk) -> Iterator[Finding]:
    """Look whether FFmpeg runs.

    Raises:
        ConfigurationError: If there is none.
        MediaError: If it does not run.
    """
    del desk
    from pipeline.media.ffmpeg import ffmpeg_exe  # noqa: PLC0415 - one examination's own

    exe = ffmpeg_exe()
    said = _output([exe, "-hide_banner", "-version"])
    found = re.search(r"ffmpeg version (\S+)", said)
    if found is None:
        raise MediaError("FFmpeg does not run.", where=exe, remedy="Install the imageio-ffmpeg wheel again.")
    yield Finding("FFmpeg", Level.OK, f"{found[1]}, {exe}")


def redis_server(desk: Desk) -> Iterator[Finding]:
    """Look for the redis-server that the embedded stack starts.

    Raises:
        ConfigurationError: If there is none and none is configured.
    """
    if desk.settings.broker_url is not None:
        yield Finding("redis-server", Level.OK, "not needed: DAILIES_BROKER_URL names a broker")
        return
    from workers.embedded import find_redis_server  # noqa: PLC0415 - one examination's own

    exe = find_redis_server(desk.settings.environment)
    found = re.search(r"v=(\d+)\.(\d+)(\S*)", _output([exe, "--version"]))
    remedy = "Install redis-server 6.2 or newer, or set DAILIES_BROKER_URL."
    if found is None:
        yield Finding("redis-server", Level.FAULT, f"{exe} does not run", remedy)
        return
    old = (int(found[1]), int(found[2])) < _OLDEST_REDIS
    version = f"{found[1]}.{found[2]}{found[3]}"
    yield Finding("redis-server", Level.FAULT if old else Level.OK, f"{version}, {exe}", remedy if old else "")


def broker(desk: Desk) -> Iterator[Finding]:
    """Look whether the broker answers.

    Raises:
        BackendUnavailable: If a configured broker, or a running stack's, does not.
    """
    stack = live_stackfile(desk.settings.home)
    if desk.settings.broker_url is None and stack is None:
        yield Finding("Broker", Level.OK, "embedded; it starts with `dailies run` or `dailies up`")
        return
    Courier(desk.settings).check()
    kind = "configured" if desk.settings.broker_url else f"embedded, process {stack.owner_pid if stack else 0}"
    yield Finding("Broker", Level.OK, f"{kind}; it answers")


def database(desk: Desk) -> Iterator[Finding]:
    """Look whether the database answers and which version its tables are.

    Raises:
        BackendUnavailable: If it does not answer.
        ConfigurationError: If its URL can't be used.
    """
    from pipeline.store.database import Database  # noqa: PLC0415 - imports SQLAlchemy

    found = Database(desk.settings.database_url)
    place = found.url.render_as_string(hide_password=True)
    if not has_work(desk.settings):
        yield Finding("Database", Level.OK, f"{place}; it is made when it is first needed")
        return
    try:
        with found.read():
            version, newest = found.version(), found.newest_version()
    finally:
        found.close()
    if version is not None and version > newest:
        remedy = "Use the newer version of Dailies that made it."
        yield Finding(
            "Database", Level.FAULT, f"{place}; its tables are of version {version}, {newest} is known", remedy
        )
    elif version != newest:
        said = f"{place}; tables of version {version or 'none'}, the next command brings them to {newest}"
        yield Finding("Database", Level.WARNING, said)
    else:
        yield Finding("Database", Level.OK, f"{place}; tables of version {version}")


def books(desk: Desk) -> Iterator[Finding]:
    """Look whether ledger, takes and purses agree.

    Raises:
        BackendUnavailable: If the database does not answer.
    """
    if not has_work(desk.settings):
        return
    from pipeline.production.books import audit  # noqa: PLC0415 - imports SQLAlchemy

    with _studio(desk) as studio:
        if studio is None:
            return
        found = audit(studio, most=_TOLD_AT_MOST)
    said = f"{count(found.entries, 'entry', 'entries')}, {format_usd(found.spent)} spent, "
    said += f"{format_usd(found.reserved)} reserved; "
    if not found.faults:
        yield Finding("Books", Level.OK, f"{said}ledger, takes and {count(found.purses, 'purse')} agree")
        return
    remedy = "Keep a copy of the database and report it; `dailies costs` shows what the ledger says."
    yield Finding("Books", Level.FAULT, f"{said}they do not agree", remedy)
    for fault in found.faults:
        yield Finding("Books", Level.FAULT, fault)
    if found.more:
        yield Finding("Books", Level.FAULT, "and more")


def unknown_takes(desk: Desk) -> Iterator[Finding]:
    """Look for takes of which nobody knows whether they were charged.

    Raises:
        BackendUnavailable: If the database does not answer.
    """
    if not has_work(desk.settings):
        return
    from pipeline.production.resolve import all_unknown  # noqa: PLC0415 - imports SQLAlchemy

    with _studio(desk) as studio:
        listed = all_unknown(studio, most=_TOLD_AT_MOST) if studio is not None else ()
    for take in listed:
        job = f", job {take.provider_job}" if take.provider_job else ""
        yield Finding(
            "Unknown takes",
            Level.WARNING,
            f"take {take.take_id} of {take.storyboard}/{take.shot}, {take.model}{job}: "
            f"{format_usd(take.held_micro_usd)} held since {moment(take.since)}. {take.reason}",
            take.remedy,
        )


@contextmanager
def _studio(desk: Desk) -> Generator[Studio | None]:
    """Open the studio as it is; nothing if its tables are not those of this version, which is another's finding."""
    from workers.composition import open_studio  # noqa: PLC0415 - as above

    studio = open_studio(desk.settings, Courier(desk.settings))
    try:
        with studio.database.read():
            current = studio.database.version() == studio.database.newest_version()
        yield studio if current else None
    finally:
        studio.database.close()


def storage(desk: Desk) -> Iterator[Finding]:
    """Write, read and delete a small file in the storage.

    Raises:
        BackendUnavailable: If it does not answer or refuses.
        CorruptObject: If it gives back other bytes.
        ConfigurationError: If its URL can't be used.
    """
    store = open_storage(desk.settings)
    store.check()
    key = f"probes/doctor-{secrets.token_hex(8)}"
    with tempfile.TemporaryDirectory(prefix="dailies-") as folder:
        probe, back = Path(folder) / "probe", Path(folder) / "back"
        probe.write_bytes(secrets.token_bytes(256))
        try:
            store.put(key, probe, sha256=sha256_of(probe), content_type="application/octet-stream")
            store.get(key, back, sha256=sha256_of(probe))
        finally:
            store.delete(key)
    place = store.locate(key).removesuffix(f"/{key}")
    if store.exists(key):
        yield Finding("Storage", Level.FAULT, f"{place}; it does not delete", "Give this user the right to delete.")
    else:
        yield Finding("Storage", Level.OK, f"{place}; written, read and deleted")


def models(desk: Desk) -> Iterator[Finding]:
    """Look at the registry and the routing table.

    Raises:
        ConfigurationError: If a file is wrong.
    """
    rules = current_rules(desk.settings)
    today = desk.clock().date()
    found = rules.registry.models
    yield Finding("Models", Level.OK, f"{len(found)} in the registry, routing table {rules.table.version}")
    for name in tiers_by_model(rules.table):
        each = found.get(name)
        if each is not None and each.retires_within(today, _RETIRES_SOON_DAYS):
            remedy = f"Route to {each.successor}." if each.successor else "Choose another for its tiers."
            yield Finding("Models", Level.WARNING, f"{each.id} retires on {each.retires}", remedy)


def engines(desk: Desk) -> Iterator[Finding]:
    """Look which engines can work; what the routing table does not name may be missing.

    Raises:
        ConfigurationError: If an added engine can't be imported, or the table names models of one that there is not.
    """
    rules = current_rules(desk.settings)
    named = {name.split("/", 1)[0] for name in tiers_by_model(rules.table)}
    installed = set(engine_names())
    usable, idle = 0, list[str]()
    for name in sorted({each.engine for each in rules.registry.models.values()}):
        if name not in installed and name not in named:
            continue
        engine_class(name)
        missing = missing_settings(name, desk.settings.environment)
        usable += not missing
        if not missing:
            yield Finding("Engines", Level.OK, f"{name}: can work")
        elif name in named:
            said = f"{name}: needs {', '.join(missing)}"
            yield Finding("Engines", Level.WARNING, said, "Set it to use this engine's models.")
        else:
            idle.append(f"{name} ({', '.join(missing)})")
    if idle:
        said = f"not configured, and the routing table names none of their models: {', '.join(idle)}"
        yield Finding("Engines", Level.OK, said)
    if not usable:
        yield Finding("Engines", Level.FAULT, "no engine can work", "Set what one of them needs.")


def fonts(desk: Desk) -> Iterator[Finding]:
    """Look for the typeface of captions and slates.

    Raises:
        ConfigurationError: If Pillow brings none.
    """
    del desk
    from pipeline.media.slate import typeface  # noqa: PLC0415 - imports Pillow

    family, style = typeface(20).getname()
    yield Finding("Fonts", Level.OK, f"{family or 'unnamed'} {style or ''}".strip())


def _output(command: list[str]) -> str:
    """Return what a program says, empty if it can't be run."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=20, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""
