-- The operator executes no command of a suspended agent.
local suspended = obj.spec.suspend == true
local rollout = {}
if obj.status ~= nil and obj.status.rollout ~= nil then
    rollout = obj.status.rollout
end
local phase = ""
if rollout.canary ~= nil then
    phase = rollout.canary.phase
end
local runsCanary = phase ~= "" and phase ~= "Promoting"
local canPromote = phase == "Watching" or phase == "Paused"
local rolledBackByUser = rollout.rolledBack ~= nil and rollout.rolledBack.manual == true

local actions = {}
actions["restart"] = { ["disabled"] = suspended, ["iconClass"] = "fa fa-fw fa-redo" }
actions["pause"] = { ["disabled"] = suspended or not runsCanary or rollout.paused == true, ["iconClass"] = "fa fa-fw fa-pause-circle" }
actions["resume"] = { ["disabled"] = suspended or rollout.paused ~= true, ["iconClass"] = "fa fa-fw fa-play-circle" }
actions["promote"] = { ["disabled"] = suspended or not canPromote, ["iconClass"] = "fa fa-fw fa-step-forward" }
actions["promote-full"] = { ["disabled"] = suspended or not canPromote, ["iconClass"] = "fa fa-fw fa-fast-forward" }
actions["abort"] = { ["disabled"] = suspended or not runsCanary, ["iconClass"] = "fa fa-fw fa-stop-circle" }
actions["retry"] = { ["disabled"] = suspended or rollout.rolledBack == nil, ["iconClass"] = "fa fa-fw fa-redo-alt" }
actions["rollback"] = {
    ["disabled"] = suspended or rollout.stable == nil or rolledBackByUser,
    ["iconClass"] = "fa fa-fw fa-undo",
    -- A revision of `agentctl history`. Empty: the last good one.
    ["params"] = { { ["name"] = "revision" } },
}
return actions
