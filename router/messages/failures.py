"""What to tell a person about a template that failed: one sentence, with the place."""

from __future__ import annotations

from jinja2 import TemplateNotFound, TemplateSyntaxError, UndefinedError

from router.messages.limits import TemplateRefused


def failure_sentence(error: Exception, place: str) -> str:
    """
    Say which template failed, at which line, and why.

    Args:
        place: What was rendered: a key of the rule (`message`), or the name of a template.
    """
    name, line = _where(error, place)
    at = f"{name}, line {line}" if line else name
    return f"{at}: {why(error)}"


def _where(error: Exception, place: str) -> tuple[str, int]:
    """Find the innermost template that was running."""
    if isinstance(error, TemplateSyntaxError):
        return error.name or place, error.lineno
    found = (place, 0)
    step = error.__traceback__
    while step is not None:
        template = step.tb_frame.f_globals.get("__jinja_template__")
        if template is not None:
            found = (template.name or place, template.get_corresponding_lineno(step.tb_lineno))
        step = step.tb_next
    return found


def why(error: Exception) -> str:
    """Say in a few words what a template or an expression ran into."""
    if isinstance(error, TemplateRefused):
        return str(error)
    if isinstance(error, UndefinedError):
        return "a missing value stands where a value is needed"
    if isinstance(error, TemplateNotFound):
        return f"no template is named '{error.name}'"
    if isinstance(error, TemplateSyntaxError):
        return error.message or "the template cannot be read"
    if isinstance(error, RecursionError | MemoryError):
        return "the template is nested too deeply or needs too much memory"
    if isinstance(error, TypeError):
        return "a filter, test or macro got arguments that it does not take"
    if isinstance(error, ValueError):
        return "a value does not have the form that is needed here"
    return "the template could not be rendered"
