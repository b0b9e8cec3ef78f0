"""Thin Celery tasks: decode, call one use case, return."""
