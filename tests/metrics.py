"""What tests of `/metrics` share: how a scrape is read."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.running import RunningRouter

PREFIX = "spaces_router_"


class Scrape:
    """
    One answer of `/metrics`, read by Prometheus' own rules.

    Attributes:
        text: As an admin sees it.
        families: By name; those of counters without `_total`.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        found: list[Metric] = list(text_string_to_metric_families(text))
        self.families = {metric.name: metric for metric in found}
        assert len(found) == len(self.families), "a family is there twice"

    def samples(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        for metric in self.families.values():
            for sample in metric.samples:
                if sample.name == PREFIX + name:
                    yield dict(sample.labels), sample.value

    def value(self, name: str, **labels: str) -> float | None:
        """The value of the one series that has exactly these labels; None where there is none."""
        values = [value for found, value in self.samples(name) if found == labels]
        assert len(values) <= 1
        return values[0] if values else None

    def by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        """The values that are not 0, by one label; the others as given."""
        return {
            found[label]: value
            for found, value in self.samples(name)
            if value and all(found[key] == wanted for key, wanted in labels.items())
        }


async def scrape(router: RunningRouter) -> Scrape:
    answered = await router.client.get(f"{router.app.admin_url}/metrics")
    assert answered.status_code == 200
    assert answered.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return Scrape(answered.text)
