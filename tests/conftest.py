"""What all tests share: how Hypothesis looks for counter-examples, and that programs can be ended by Ctrl-C."""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

# A busy machine is no fault of the product, and a run that passed must pass again: no time limits, no dice.
settings.register_profile("repeatable", deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
# `make fuzz`: new dice every time; what it finds is kept in .hypothesis/ and tried first in the next run.
settings.register_profile(
    "explore",
    deadline=None,
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "2000")),
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

# A shell starts what runs in the background with Ctrl-C switched off, and programs that tests start inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
