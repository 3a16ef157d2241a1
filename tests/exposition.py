"""What a process serves at /metrics, in comparison with the definitions of its metrics."""

from collections.abc import Iterable

from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from agent_operator.codegen import metrics_reference
from agent_operator.observability.metrics import Definition


def compare(text: str, definitions: Iterable[tuple[str, Definition]]) -> set[str]:
    """Compare a scrape with the definitions and the metrics of a process, and return the metrics that it lacks.

    Raises:
        AssertionError: a metric has no definition, another type, or samples with other labels.
    """
    known = {it.name: (kind, {*it.labels}) for kind, it in (*definitions, *metrics_reference.of_processes())}
    found = set()
    is_openmetrics = text.endswith("# EOF\n")
    parse = openmetrics_parser.text_string_to_metric_families if is_openmetrics else text_string_to_metric_families
    for family in parse(text):
        if family.name.endswith("_created"):
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        kind, labels = known[name]
        assert family.type == kind, name
        for sample in family.samples:
            assert sample.labels.keys() - {"le"} == labels, sample.name
        found.add(name)
    return known.keys() - found
