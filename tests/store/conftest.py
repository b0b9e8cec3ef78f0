"""Fixtures of the store's tests."""

from tests.support.postgres import postgres
from tests.support.s3_server import s3_process, s3_proxy, s3_server

__all__ = ["postgres", "s3_process", "s3_proxy", "s3_server"]
