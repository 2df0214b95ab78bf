"""Whole books of policies: imported, rated, compared."""
