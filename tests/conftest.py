"""Shared by all tests."""

from hypothesis import settings

# Machines are shared: how long one example takes says nothing.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")
