"""Numbers of a night in Prometheus' text format, for the node exporter's textfile collector."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Gauge:
    """One metric with a value per set of labels.

    Attributes:
        name: With its unit, as Prometheus advises: ``uplift_night_step_seconds``.
        help: What it means, one line.
        values: Labels and the value.
    """

    name: str
    help: str
    values: Sequence[tuple[Mapping[str, str], float]] = field(default_factory=tuple)


def exposition(gauges: Iterable[Gauge]) -> str:
    r"""The text of all gauges that have a value (exposition format 0.0.4).

    Examples:
        >>> print(exposition([Gauge("up", "Is it.", [({"job": "a\"b"}, 1.0)])]), end="")
        # HELP up Is it.
        # TYPE up gauge
        up{job="a\"b"} 1
    """
    lines: list[str] = []
    for gauge in gauges:
        if not gauge.values:
            continue
        lines += [f"# HELP {gauge.name} {_plain(gauge.help)}", f"# TYPE {gauge.name} gauge"]
        for labels, value in gauge.values:
            named = ",".join(f'{key}="{_quoted(text)}"' for key, text in sorted(labels.items()))
            braces = f"{{{named}}}" if named else ""
            lines.append(f"{gauge.name}{braces} {value:.10g}")
    return "".join(f"{line}\n" for line in lines)


def _plain(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    return _plain(text).replace('"', '\\"')
