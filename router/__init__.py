"""Spaces Router: rule-based forwarding of Teamwork Spaces webhooks."""

from importlib.metadata import version

__version__ = version("spaces-router")
