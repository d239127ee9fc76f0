"""Spaces Router: rule-based forwarding of Teamwork Spaces webhooks."""

__version__ = "0.1.0"
"""The package takes it from here. Asking the installed package for it would cost every start a tenth of its time."""
