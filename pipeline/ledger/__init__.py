"""Reservations, charges and releases in integer micro-USD."""
