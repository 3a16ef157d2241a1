"""Keys of the aiohttp application, under which handlers find the parts of the agent."""

from aiohttp import web

from agent_runtime.agent.agent import Agent
from agent_runtime.agent.budget import Budget
from agent_runtime.agent.embeddings import Embeddings
from agent_runtime.health import Health
from agent_runtime.http.client_address import ClientAddresses
from agent_runtime.http.limits import Gate
from agent_runtime.logs import RequestLog
from agent_runtime.metrics import Metrics

AGENT = web.AppKey("agent", Agent)
# Only if the config has a budget.
BUDGET = web.AppKey("budget", Budget)
EMBEDDINGS = web.AppKey("embeddings", Embeddings)
CLIENTS = web.AppKey("clients", ClientAddresses)
GATE = web.AppKey("gate", Gate)
HEALTH = web.AppKey("health", Health)
# Seconds without an event after which a stream sends a comment.
KEEP_ALIVE = web.AppKey("keep_alive", float)
METRICS = web.AppKey("metrics", Metrics)
REQUEST_LOG = web.AppKey("request_log", RequestLog)
