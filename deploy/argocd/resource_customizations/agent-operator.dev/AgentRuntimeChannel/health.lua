local health = { status = "Progressing", message = "Waiting for the operator to observe the AgentRuntimeChannel" }
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
if ready.status == "True" then
    health.status = "Healthy"
elseif ready.reason == "Paused" then
    health.status = "Suspended"
elseif stalled ~= nil and stalled.status == "True" then
    health.status = "Degraded"
end
return health
