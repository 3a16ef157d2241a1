"""Panels of an agent: its tools, the health of its pods, and its rollout."""

from agent_operator.monitoring import expressions as of
from agent_operator.monitoring.agent_queries import AGENT, WINDOW, rates
from agent_operator.monitoring.expressions import CALLERS, FAILED
from agent_operator.monitoring.panels import Panel, Query

# Prometheus has the revision of a pod only in agent_info.
_REVISION = f"on (namespace, pod) group_left (revision) max by (namespace, pod, revision) (agent_info{{{AGENT}}})"
TOOLS = (
    Panel("Tool calls", "Calls of tools per second.", "reqps", rates("tool", "agent_tool_calls_total"), stacked=True),
    Panel(
        "Failed tool calls",
        "Calls of tools per second that ended with an error, which the model gets as the result.",
        "reqps",
        rates("tool", "agent_tool_calls_total", 'outcome="error"'),
        stacked=True,
    ),
    Panel(
        "Tools left out",
        "Tools of an MCP server that models do not get, because of a limit. Select tools with config.mcp[].tools.",
        "short",
        (Query(f"max by (server) (agent_tools_left_out{{{AGENT}}})", "{{server}}"),),
    ),
)
HEALTH = (
    Panel(
        "Component health",
        "Share of the pods that reach the model, the memory or the MCP server. 100 %: all pods.",
        "percentunit",
        (Query(f"avg by (component) (agent_component_healthy{{{AGENT}}})", "{{component}}"),),
    ),
    Panel(
        "Memory",
        "Resident memory of a pod's process. Compare it with the limit of the container.",
        "bytes",
        (Query(f"sum by (pod) (process_resident_memory_bytes{{{AGENT}}})", "{{pod}}"),),
    ),
    Panel("CPU", "CPU seconds per second of a pod's process.", "short", rates("pod", "process_cpu_seconds_total")),
    Panel(
        "Restarts",
        "How often the process of a pod started in the last hour.",
        "short",
        (Query(f"sum by (pod) (changes(process_start_time_seconds{{{AGENT}}}[1h]))", "{{pod}}"),),
    ),
    Panel(
        "Open files",
        "Share of the file descriptors that a process may open. Each connection of a caller is one.",
        "percentunit",
        (Query(f"sum by (pod) (process_open_fds{{{AGENT}}} / process_max_fds{{{AGENT}}})", "{{pod}}"),),
    ),
)
ROLLOUT = (
    Panel(
        "Pods by revision",
        "Pods of each revision: a hash of image, config, prompt and pod template. Two revisions run during a rollout.",
        "short",
        (
            Query(
                f"count by (revision, version) (max by (namespace, pod, revision, version) (agent_info{{{AGENT}}}))",
                "{{revision}} (runtime {{version}})",
            ),
        ),
        stacked=True,
    ),
    Panel(
        "Request rate by revision",
        "Requests of callers per second. Compare the canary with the stable revision.",
        "reqps",
        (
            Query(
                "sum by (revision) ("
                + of.total(("namespace", "pod"), of.rate("agent_requests_total", CALLERS, AGENT, window=WINDOW))
                + f" * {_REVISION})",
                "{{revision}}",
            ),
        ),
        stacked=True,
    ),
    Panel(
        "Failed requests by revision",
        "Requests per second that were answered with 5xx.",
        "reqps",
        (
            Query(
                "sum by (revision) ("
                + of.total(("namespace", "pod"), of.rate("agent_requests_total", CALLERS, FAILED, AGENT, window=WINDOW))
                + f" * {_REVISION})",
                "{{revision}}",
            ),
        ),
        stacked=True,
    ),
    Panel(
        "Latency p95 by revision",
        "95 % of the requests to pods of a revision took no longer than this.",
        "s",
        (
            Query(
                "histogram_quantile(0.95, sum by (le, revision) ("
                + of.total(
                    ("le", "namespace", "pod"),
                    of.rate("agent_request_duration_seconds_bucket", CALLERS, AGENT, window=WINDOW),
                )
                + f" * {_REVISION}))",
                "{{revision}}",
            ),
        ),
    ),
)
