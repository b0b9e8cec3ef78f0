"""Fixtures of the store's tests."""

from tests.support.s3_server import s3_process, s3_proxy, s3_server

__all__ = ["s3_process", "s3_proxy", "s3_server"]
