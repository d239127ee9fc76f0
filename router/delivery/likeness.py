"""Where two rule sets surely write the same message: comparing their settings once saves writing it every time."""

from __future__ import annotations

from router.config.model import Configuration
from router.config.style import style_of
from router.delivery.attempt import own_spec
from router.destinations.base import Destination
from router.messages.spec import MessageSpec
from router.payload import same_json
from router.rules.ruleset import Route


class Likeness:
    """
    What two rule sets have in common, found out for each rule and destination when it is first asked.

    Args:
        new: Shares the names of its sources with `old` where they are equal.
    """

    def __init__(self, old: Configuration, new: Configuration) -> None:
        self._old = old
        self._new = new
        self._templates = old.files == new.files and old.renderer.zone == new.renderer.zone
        self._routes: dict[Route, bool] = {}
        self._sources: dict[str, bool] = {}

    def surely(self, route: Route, source: str) -> bool:
        """
        Say whether a rule of this name surely says the same at this destination, whatever the event.

        Args:
            source: That the event came from; it makes links and names.
        """
        if not self._templates:
            return False
        if source not in self._sources:
            self._sources[source] = self._is_source_alike(source)
        if route not in self._routes:
            self._routes[route] = self._is_route_alike(route)
        return self._sources[source] and self._routes[route]

    def _is_source_alike(self, name: str) -> bool:
        old, new = self._old.sources.get(name), self._new.sources.get(name)
        if old is None or new is None:
            return False
        return (old.kind, old.site) == (new.kind, new.site) and old.given is new.given

    def _is_route_alike(self, route: Route) -> bool:
        old, new = (by.destinations.get(route.destination) for by in (self._old, self._new))
        if old is None or new is None or old.type_name != new.type_name:
            return False
        if style_of(old) != style_of(new) or _is_checked_differently(old, new):
            return False
        before, after = (self._spec(by, route, each) for by, each in ((self._old, old), (self._new, new)))
        # For Python, 1, 1.0 and true are equal; whoever reads the JSON may think otherwise.
        return before == after and same_json(before.body, after.body) and same_json(before.blocks, after.blocks)

    @staticmethod
    def _spec(by: Configuration, route: Route, destination: Destination) -> MessageSpec:
        return own_spec(by.specs.get(route.rule) or MessageSpec(), destination)


def _is_checked_differently(old: Destination, new: Destination) -> bool:
    """Whether settings that take part in writing a message, such as a URL whose path is a template, may differ."""
    return type(old).check is not Destination.check and old != new
