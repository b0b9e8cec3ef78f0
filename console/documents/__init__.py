"""What a script reads with ``--json``: documents made from plain values."""
