"""What all tests share: how Hypothesis looks for counter-examples."""

from __future__ import annotations

import os

from hypothesis import settings

# A busy machine is no fault of the product, and a run that passed must pass again: no time limits, no dice.
# To look for new counter-examples: HYPOTHESIS_PROFILE=explore make test
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=2000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
