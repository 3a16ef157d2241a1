if obj.metadata.annotations == nil then
    obj.metadata.annotations = {}
end
local command = "rollback"
local revision = actionParams["revision"]
if revision ~= nil and revision ~= "" then
    command = command .. "=" .. revision
end
obj.metadata.annotations["agent-operator.dev/rollout"] = command
return obj
