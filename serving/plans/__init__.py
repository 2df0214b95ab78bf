"""Inspection plans of a home: a week planned, replanned, replayed, and what came of its visits."""
