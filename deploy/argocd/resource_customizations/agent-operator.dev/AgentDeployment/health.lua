-- The operator writes a condition Ready that includes all others:
-- https://github.com/OWNER/agent-operator/blob/main/docs/explanation/status.md
local health = { status = "Progressing", message = "Waiting for the operator to observe the AgentDeployment" }
if obj.status == nil or obj.status.conditions == nil then
    return health
end

local conditions = {}
for _, condition in ipairs(obj.status.conditions) do
    if condition.type ~= nil then
        conditions[condition.type] = condition
    end
end
local ready = conditions["Ready"]
if ready == nil or ready.observedGeneration ~= obj.metadata.generation then
    return health
end

health.message = ready.message or ""
local stalled = conditions["Stalled"]
local components = conditions["ComponentsHealthy"]
if ready.status == "True" then
    health.status = "Healthy"
    if components ~= nil and components.status == "False" then
        -- The pods serve, although a model, Redis or an MCP server fails.
        health.message = health.message .. "; " .. (components.message or "")
    end
elseif ready.reason == "Suspended" or ready.reason == "CanaryPaused" then
    health.status = "Suspended"
elseif stalled ~= nil and stalled.status == "True" then
    health.status = "Degraded"
end
return health
