"""Fuzzing: whatever comes from outside is understood, or refused in our own words, and never anything else."""

__all__ = ["Wrong"]


class Wrong(AssertionError):
    """Something was said that must not be, or accepted that would be written otherwise."""
