"""Hypothesis profiles: `pytest --hypothesis-profile=slow` searches twenty times as long."""

from hypothesis import settings

settings.register_profile("slow", max_examples=20 * settings.get_profile("default").max_examples)
