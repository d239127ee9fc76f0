"""Warnings: what works, but hardly as it was meant. They never guess; `codes.py` lists them all."""
