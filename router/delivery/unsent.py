"""What a delivery that was never sent would say."""

from __future__ import annotations

from router.config.reload import RuleSets
from router.delivery.attempt import Attempts
from router.errors import RenderFailure
from router.events import Delivery, Message
from router.store.base import Store


async def would_say(delivery: Delivery, *, store: Store, rulesets: RuleSets, attempts: Attempts) -> Message | str:
    """
    Render what would be sent now, or say in a sentence why nothing can be.

    Raises:
        StoreUnavailable: The event or its rule set could not be looked up.
    """
    destination = rulesets.current.destinations.get(delivery.destination)
    if destination is None:
        return f"destination {delivery.destination!r} is gone from the rule file"
    judged = await rulesets.get(delivery.ruleset)
    if judged is None:
        return f"the rule set {delivery.ruleset[:16]} that judged the event is not kept any more"
    event = await store.event(delivery.event_id)
    if event is None:
        return f"event {delivery.event_id} is not in the store any more"
    try:
        return attempts.render(delivery, event, destination, judged)
    except RenderFailure as failure:
        return failure.detail
