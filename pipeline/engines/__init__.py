"""Adapters that generate takes; one file or package per provider."""
