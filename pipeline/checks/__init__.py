"""One decode feeding every measure; the gate; the consistency check."""
