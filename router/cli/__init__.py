"""
The command line: arguments in, lines and an exit code out.

`main` is the console script. Exit codes: 0 fine, 1 failed, 2 wrong usage, 78 `serve` with a bad configuration.
"""

from router.cli.group import main

__all__ = ["main"]
