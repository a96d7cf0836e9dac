"""The bot in Prometheus's terms (https://prometheus.io/docs/concepts/data_model/). Labels hold what
is known beforehand: tasks, kinds, platforms; never a group, a person or words."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from bot.health import Report
from bot.metrics import Asked, Failure
from bot.model_state import Stage
from bot.photos import Task

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds of the histogram of questions."""


class PrometheusMeter:
    """A Meter with a registry of its own. What is known from the start is there as 0, so that its
    first increase shows."""

    def __init__(self) -> None:
        # process_start_time_seconds says it once for all
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._indexed = Counter(
            "shoebox_photos_indexed",
            "Photos done with a task since the start",
            ["task"],
            registry=self._registry,
        )
        self._errors = Counter(
            "shoebox_errors", "Errors since the start", ["kind"], registry=self._registry
        )
        self._questions = Histogram(
            "shoebox_query_seconds",
            "How long questions took to answer",
            ["query"],
            buckets=SECONDS,
            registry=self._registry,
        )
        for task in Task:
            self._indexed.labels(task.value)
        for kind in Failure:
            self._errors.labels(kind.value)
        for asked in Asked:
            self._questions.labels(asked.value)
        ProcessCollector(registry=self._registry)

    def indexed(self, task: Task, photos: int) -> None:
        self._indexed.labels(task.value).inc(photos)

    def answered(self, asked: Asked, seconds: float) -> None:
        self._questions.labels(asked.value).observe(seconds)

    def failed(self, error: Exception) -> None:
        self._errors.labels(Failure.of(error).value).inc()

    def exposition(self, report: Report) -> bytes:
        """What was counted, and how the bot is now, as text to be scraped."""
        return generate_latest(self._registry) + generate_latest(_Now(report))


class _Now(Collector):
    """One report as metrics; what is not known is not there."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def collect(self) -> Iterator[Metric]:
        report = self._report
        yield _gauge("shoebox_healthy", "Whether all is well (/healthz says)", not report.problems)
        up = GaugeMetricFamily(
            "shoebox_adapter_up", "Whether a chat takes part", labels=["platform"]
        )
        for platform, is_up in report.platforms.items():
            up.add_metric([platform], is_up)
        yield up
        waiting = GaugeMetricFamily(
            "shoebox_photos_waiting", "Photos for which a task is to be done", labels=["task"]
        )
        oldest = GaugeMetricFamily(
            "shoebox_oldest_waiting_seconds",
            "How long a photo has waited at most for what could have been done",
            labels=["task"],
        )
        for task, each in report.waiting.items():
            waiting.add_metric([task.value], each.photos)
            oldest.add_metric([task.value], each.oldest)
        yield from (waiting, oldest)
        if (totals := report.totals) is not None:
            yield _gauge("shoebox_photos", "Photos that are remembered", totals.photos)
            yield _gauge("shoebox_photos_refused", "Photos given up", totals.refused)
            yield _gauge("shoebox_groups", "Groups that the bot is in", totals.groups)
        state = GaugeMetricFamily("shoebox_model_state", "How far the model is", labels=["state"])
        for stage in Stage:
            state.add_metric([stage.value], stage is report.stage)
        yield state
        if report.progress is not None:
            yield _gauge(
                "shoebox_model_progress_ratio",
                "Of the download or preparation that is going on",
                report.progress,
            )
        if report.model is not None:
            model = GaugeMetricFamily(
                "shoebox_model_info", "The model in use", labels=["name", "fingerprint"]
            )
            model.add_metric(report.model, 1)
            yield model
        yield CounterMetricFamily(
            "shoebox_decoder_restarts", "Decoders that hung or died", report.restarts
        )


def _gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_, value)
