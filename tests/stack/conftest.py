"""Fixtures of the tests that run a whole stack."""

from tests.support.postgres import postgres
from tests.support.s3_server import s3_process

__all__ = ["postgres", "s3_process"]
