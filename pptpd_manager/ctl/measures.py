"""What is measured of the tunnels, by Prometheus' library: from their properties on the bus. See docs/fleet.md.

What there is not at the moment has no sample. Only pptpctl metrics needs the library, so nothing else imports this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

# tunnel.State, which would bring all of the configuration along.
STATES = ("idle", "waiting", "resolving", "connecting", "up", "stopping", "failed")
Properties = Mapping[str, Any]
Samples = list[tuple[list[str], float]]  # the values of the labels behind the tunnel's, and the sample's


@dataclass(frozen=True)
class Measure:
    """One. samples: of a tunnel, in seconds or bytes where they have a unit; labels: those behind the tunnel's."""

    name: str
    text: str
    samples: Callable[[Properties], Samples]
    labels: tuple[str, ...] = ()
    family: type[CounterMetricFamily | GaugeMetricFamily] = GaugeMetricFamily


def registry(manager: Properties | None, tunnels: Sequence[Properties]) -> CollectorRegistry:
    """All metrics. manager: its properties; None: there is none, and so there are no tunnels."""
    made, of_tunnels = CollectorRegistry(), MEASURES if manager else ()
    made.register(_Collected([*_of_manager(manager), *(_of_tunnels(measure, tunnels) for measure in of_tunnels)]))
    return made


class _Collected(Collector):
    """What a registry asks for metrics."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        return self._metrics


def _of_manager(manager: Properties | None) -> Iterator[Metric]:
    yield GaugeMetricFamily("pptp_manager_up", "Whether pptp-manager runs and answers.", manager is not None)
    if manager is None:
        return
    version = GaugeMetricFamily("pptp_manager_info", "The manager's version.", labels=["version"])
    version.add_metric([manager["Version"]], 1)
    yield version
    problems = len(manager["ConfigurationProblems"])
    name, in_force = "pptp_manager_configuration", not problems and not manager["NeedReload"]
    yield GaugeMetricFamily(f"{name}_problems", "Mistakes in the configuration file as last read.", problems)
    yield GaugeMetricFamily(f"{name}_in_force", "Whether the tunnels are what the file says now.", in_force)


def _of_tunnels(measure: Measure, tunnels: Sequence[Properties]) -> Metric:
    made = measure.family(measure.name, measure.text, labels=["tunnel", *measure.labels])
    for tunnel in tunnels:
        for labels, value in measure.samples(tunnel):
            made.add_metric([tunnel["Name"], *labels], value)
    return made


def _number(name: str, unit: float = 1) -> Callable[[Properties], Samples]:
    """The property in units; an older manager may not have it."""
    return lambda t: [([], t[name] / unit)] if name in t else []


def _seconds(name: str) -> Callable[[Properties], Samples]:
    """The property in seconds, where it is not 0: it is in microseconds."""
    return lambda t: [([], t[name] / 1e6)] if t.get(name) else []


def _info(t: Properties) -> Samples:
    return [([t["Server"], t["Interface"]], 1)]


def _state(t: Properties) -> Samples:
    return [([state], t["State"] == state) for state in STATES]


def _last_error(t: Properties) -> Samples:
    return [([t["LastError"][0]], 1)] if t["LastError"][0] else []


def _failed_at(t: Properties) -> Samples:
    return [([], t["LastError"][3] / 1e6)] if t["LastError"][0] else []


def _encrypted(t: Properties) -> Samples:
    return [([], t["Encrypted"])] if t["State"] == "up" and "Encrypted" in t else []


def _counter(name: str, text: str, property: str) -> Measure:
    return Measure(name, text, _number(property), family=CounterMetricFamily)


MEASURES = (
    Measure("pptp_tunnel_info", "Its server as configured, and its interface.", _info, ("server", "interface")),
    Measure("pptp_tunnel_state", "1 for the state that the tunnel is in, 0 for the others.", _state, ("state",)),
    Measure("pptp_tunnel_state_since_timestamp_seconds", "When the state began.", _number("Since", 1e6)),
    Measure("pptp_tunnel_last_error_info", "The reason of the last failure.", _last_error, ("reason",)),
    Measure("pptp_tunnel_last_error_timestamp_seconds", "When the last failure was.", _failed_at),
    Measure("pptp_tunnel_next_attempt_timestamp_seconds", "When the pause ends.", _seconds("NextAttempt")),
    Measure("pptp_tunnel_needs_password", "Whether somebody is to give its password.", _number("NeedsPassword")),
    Measure("pptp_tunnel_encrypted", "Whether the link encrypts, of a tunnel that is up.", _encrypted),
    Measure("pptp_tunnel_connect_seconds", "How long the last connect took.", _seconds("ConnectTime")),
    _counter("pptp_tunnel_attempts", "How often it has been dialled.", "Attempts"),
    _counter("pptp_tunnel_connects", "How often it came up.", "Connects"),
    _counter("pptp_tunnel_reconnects", "How often it came up again, not stopped nor given up before.", "Reconnects"),
    _counter("pptp_tunnel_received_bytes", "Through its interface; each connect makes a new one.", "ReceivedBytes"),
    _counter("pptp_tunnel_sent_bytes", "Through its interface; each connect makes a new one.", "SentBytes"),
)
