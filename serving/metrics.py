"""What Prometheus is told. One registry per app: two apps in one process do not mix."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.service import DecisionService
from serving.values import Decision
from uplift.online.decision_log import DecisionLog

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (
    0.0005, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0,
)  # fmt: skip


class Seen(Protocol):
    """What the metrics look at when they are asked."""

    @property
    def service(self) -> DecisionService:
        """The service that answers now."""
        ...

    @property
    def log(self) -> DecisionLog:
        """The decision log."""
        ...

    @property
    def dearer(self) -> float:
        """Factor on 1 + shadow price, from pacing."""
        ...


class Metrics:
    """Counters of one app. No label holds anything that a caller chose."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        registry = self._registry
        self.seconds = Histogram(
            "uplift_request_seconds",
            "Time to answer, by route and status.",
            ["route", "status"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.shed = Counter(
            "uplift_requests_shed", "Requests that were told to come again.", registry=registry
        )
        self.in_flight = Gauge("uplift_requests_in_flight", "Requests now.", registry=registry)
        self.decisions = Counter(
            "uplift_decisions",
            "Decisions, by arm and reason.",
            ["arm", "reason"],
            registry=registry,
        )
        self.degraded = Counter(
            "uplift_degraded", "Answers with a part missing.", ["part"], registry=registry
        )
        self.spend = Counter(
            "uplift_spend_eur",
            "Expected spend of coupons offered; a customer who asks again counts again.",
            ["coupon"],
            registry=registry,
        )
        self.reloads = Counter(
            "uplift_reloads", "Runs loaded and runs refused.", ["outcome"], registry=registry
        )
        self.shadow = Counter(
            "uplift_shadow_decisions",
            "Decisions of the challenger, by whether the champion's arm is the same.",
            ["agrees"],
            registry=registry,
        )

    def watch(self, seen: Seen) -> None:
        """Report also the age of the run and the state of the log."""
        self._registry.register(_Live(seen))

    def count(self, decision: Decision, control: str) -> None:
        """One decision was made."""
        self.decisions.labels(decision.treatment or control, decision.reason.value).inc()
        for part in decision.degraded:
            self.degraded.labels(part.value).inc()
        if decision.treatment is not None and decision.value is not None:
            self.spend.labels(decision.treatment).inc(decision.value.cost_eur)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)


class _Live(Collector):
    """Read off when asked, so that nothing has to be kept up to date."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        """Gauges and counters of this moment."""
        service, log = self._seen.service, self._seen.log
        age = datetime.now(UTC) - service.facts.as_of
        yield GaugeMetricFamily(
            "uplift_features_age_seconds", "Since the features' moment.", age.total_seconds()
        )
        run = GaugeMetricFamily(
            "uplift_run", "The run that serves.", labels=["run_id", "model", "policy"]
        )
        run.add_metric([service.run_id, service.model.version, service.policy.version], 1.0)
        yield run
        yield GaugeMetricFamily(
            "uplift_price_factor", "Factor on 1 + shadow price, from pacing.", self._seen.dearer
        )
        lines = CounterMetricFamily(
            "uplift_decision_log_lines", "Decisions written, shed and refused.", labels=["outcome"]
        )
        for outcome in ("written", "shed", "failed"):
            lines.add_metric([outcome], getattr(log.counts, outcome))
        yield lines
        yield GaugeMetricFamily(
            "uplift_decision_log_waiting", "Decisions not yet written.", log.waiting
        )
