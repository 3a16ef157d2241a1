if obj.metadata.annotations == nil then
    obj.metadata.annotations = {}
end
obj.metadata.annotations["agent-operator.dev/rollout"] = "abort"
return obj
