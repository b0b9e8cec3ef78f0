"""Fixtures of the tests that run a whole stack."""

from tests.support.s3_server import s3_process

__all__ = ["s3_process"]
