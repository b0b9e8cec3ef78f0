"""One owner per home: who starts the stack, who uses it, and what is left when an owner is killed."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as NotReached

from pipeline.settings import Settings, read_settings
from workers import embedded
from workers.embedded import EmbeddedStack
from workers.stackfile import StackFile, is_alive, read_stackfile, write_stackfile

pytestmark = pytest.mark.stack


def settings_of(home: Path, **more: str) -> Settings:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DAILIES_")}
    return read_settings({**kept, "DAILIES_HOME": str(home), **more})


def broker_of(home: Path, **more: str) -> EmbeddedStack:
    return EmbeddedStack(settings_of(home, **more), with_worker=False)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[EmbeddedStack]:
    """A stack with a broker and no worker."""
    with broker_of(tmp_path) as started:
        yield started


def test_of_commands_that_start_at_once_one_starts_the_stack_and_all_use_it(tmp_path: Path) -> None:
    stacks = [broker_of(tmp_path) for _ in range(3)]
    barrier = threading.Barrier(len(stacks))

    def start(stack: EmbeddedStack) -> None:
        barrier.wait()
        stack.start()

    try:
        with ThreadPoolExecutor(len(stacks)) as pool:
            list(pool.map(start, stacks))

        assert len({stack.broker_url for stack in stacks}) == 1
        assert sum(bool(stack._children) for stack in stacks) == 1
    finally:
        for stack in stacks:
            stack.stop()


def test_a_guest_waits_while_the_owner_starts_its_broker_again(tmp_path: Path, stack: EmbeddedStack) -> None:
    guest = broker_of(tmp_path)
    guest.start()
    stack._end_child("redis")

    with ThreadPoolExecutor(1) as pool:
        tended = pool.submit(guest.tend)
        stack._start_redis(stack.broker_url)
        tended.result()

    assert guest._children == {}
    assert guest.broker_url == stack.broker_url


def test_a_guest_starts_a_stack_of_its_own_when_the_owner_has_ended(tmp_path: Path, stack: EmbeddedStack) -> None:
    with broker_of(tmp_path) as guest:
        stack.stop()

        guest.tend()

        assert Redis.from_url(guest.broker_url).ping()
        assert read_stackfile(tmp_path) == StackFile(
            guest.broker_url, os.getpid(), {"redis": guest._children["redis"].process.pid}
        )


def _killed_owner(home: Path, told: Any, orphans: bool) -> None:
    if orphans:
        embedded._LIBC = None  # as where the kernel ends no orphans
    stack = broker_of(home)
    stack.start()
    told.send(stack._children["redis"].process.pid)
    os._exit(9)


def test_what_a_killed_owner_left_is_ended_though_its_process_number_lives_again(tmp_path: Path) -> None:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_killed_owner, args=(tmp_path, theirs, True))
    process.start()
    orphan = ours.recv()
    process.join()
    left = read_stackfile(tmp_path)
    assert left is not None
    write_stackfile(tmp_path, StackFile(left.broker_url, os.getppid(), left.processes))

    with broker_of(tmp_path) as stack:
        assert stack.broker_url != left.broker_url
        assert stack._children["redis"].process.pid != orphan

    with pytest.raises(NotReached):
        Redis.from_url(left.broker_url).ping()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends orphans")
def test_what_a_killed_owner_started_ends_with_it(tmp_path: Path) -> None:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_killed_owner, args=(tmp_path, theirs, False))
    process.start()
    orphan = ours.recv()
    process.join()

    give_up = time.monotonic() + 60
    while is_alive(orphan):
        assert time.monotonic() < give_up, "redis-server outlived the command that started it"
        time.sleep(0.05)


def test_a_broker_whose_files_are_damaged_starts_empty(tmp_path: Path) -> None:
    with broker_of(tmp_path) as stack:
        Redis.from_url(stack.broker_url).set("a", "b")
    kept = [path for path in (tmp_path / "redis").rglob("*aof*") if path.is_file()]
    for path in kept:
        path.write_bytes(b"not what a broker writes")

    with broker_of(tmp_path) as stack:
        assert Redis.from_url(stack.broker_url).dbsize() == 0
    assert kept


def test_a_stack_on_a_broker_that_is_no_redis_can_be_used_by_a_second_command(tmp_path: Path) -> None:
    broker = {"DAILIES_BROKER_URL": "amqp://127.0.0.1:1//"}
    with broker_of(tmp_path, **broker) as owner, broker_of(tmp_path, **broker) as guest:
        assert guest.broker_url == owner.broker_url == broker["DAILIES_BROKER_URL"]
