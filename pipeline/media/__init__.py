"""Probe, conform, stitch, loudness, captions, sheets."""
