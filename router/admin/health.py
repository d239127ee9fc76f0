"""Whether the process lives, whether it can work, and a new look at the rule file."""

from __future__ import annotations

from router.admin.handler import AdminHandler
from router.admin.query import read_object
from router.admin.refusal import Refused
from router.admin.serialise import loaded
from router.clock import rfc3339
from router.config.problems import ConfigurationInvalid, summary
from router.payload import JSON

_STORE_UNAVAILABLE = "store_unavailable"
_LASTING = ("disk_full", "queue_full")
"""Troubles of ingress, beside the store's own, that do not pass by themselves within a moment."""


class HealthyHandler(AdminHandler):
    """`GET /-/healthy`: the process answers."""

    needs_token = False

    async def get(self) -> None:
        self.query()
        self.answer({"status": "healthy"})


class ReadyHandler(AdminHandler):
    """`GET /-/ready`: whether events are taken and sent; for those who know the token, how the rule file stands."""

    needs_token = False

    async def get(self) -> None:
        self.query()
        status, message = self._status()
        answer: dict[str, JSON] = {"status": status}
        if status != "ready":
            answer |= {"error": "not_ready", "message": message}
        if self.guard.knows(self.request.headers.get("Authorization")):
            answer |= self._detail()
        self.answer(answer, 200 if status == "ready" else 503)

    def _status(self) -> tuple[str, str]:
        """The state in a word, and what to say where it is not `ready`."""
        stage, trouble = self.parts.stage(), self.parts.trouble()
        if stage != "serving":
            return stage, f"the router is {stage}"
        if not self.parts.store.available:
            return _STORE_UNAVAILABLE, "the store cannot write now; the log says why"
        return trouble if trouble is not None and trouble[0] in _LASTING else ("ready", "")

    def _detail(self) -> dict[str, JSON]:
        state = self.parts.reloader.state
        failed = None
        if state.failed_at is not None:
            failed = {
                "failed_at": rfc3339(state.failed_at),
                "problems": [self.shown.problem(problem) for problem in state.problems],
            }
        return {
            "store": "available" if self.parts.store.available else "unavailable",
            "waiting": self.parts.store.waiting,
            "reload": {
                "ruleset": self.parts.rulesets.current.hash,
                "loaded_at": rfc3339(state.loaded_at),
                "failed": failed,
            },
        }


class ReloadHandler(AdminHandler):
    """`POST /-/reload`: load the rule file again."""

    methods = ("POST",)

    async def post(self) -> None:
        self.query()
        read_object(bytes(self.body))
        try:
            configuration = await self.parts.reloader.reload("api")
        except ConfigurationInvalid as invalid:
            raise self._invalid(invalid) from None
        self.answer(loaded(configuration, self.shown))

    def _invalid(self, invalid: ConfigurationInvalid) -> Refused:
        found = summary(invalid.problems, "the rule file")
        return Refused(
            422,
            "invalid_rules",
            f"{found}; the rules loaded at {rfc3339(self.parts.reloader.state.loaded_at)} stay in use",
            more={"problems": [self.shown.problem(problem) for problem in invalid.problems]},
        )
