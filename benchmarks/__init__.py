"""Benches: each measures its promises, peers included, and prints them as claims (see claims.py)."""
