"""How hypothesis runs here: the same examples each time, so that a red build means a change and not a new die."""

from hypothesis import settings

settings.register_profile("unit", derandomize=True, deadline=None)
settings.register_profile("search", max_examples=2_000, deadline=None)  # pytest --hypothesis-profile=search
settings.load_profile("unit")
