"""
What nobody thought of: texts, rules, events and histories that Hypothesis makes up, against what must always be true.

`make test` runs a small, repeatable part; `make fuzz` looks for new counter-examples.
"""
