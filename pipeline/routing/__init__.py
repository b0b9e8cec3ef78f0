"""Tiers and the routing table as data; every choice explains itself."""
