"""Python's search for rings of objects: when it must not run, because much is made and nothing of it is garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """
    Look for no rings meanwhile: for what makes many objects that stay.

    Reading 10,000 rules takes half the time so, and loading the program a tenth less. What was made counts as old
    afterwards, or all of it would be looked at right away; but where something is frozen, thawing would be worse.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            if not gc.get_freeze_count():
                gc.freeze()
                gc.unfreeze()
            gc.enable()
