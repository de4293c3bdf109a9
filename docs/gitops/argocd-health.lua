-- Health of a MeshInstall for Argo CD: resource.customizations.health.meshwright.io_MeshInstall
local health = { status = "Progressing", message = "No operator has looked at it yet" }

if obj.metadata.deletionTimestamp ~= nil then
  health.message = "Being removed"
  return health
end
if obj.status == nil or obj.status.conditions == nil then
  return health
end
if obj.status.observedGeneration ~= obj.metadata.generation then
  health.message = "The last change has not been looked at yet"
  return health
end

local conditions = {}
for _, condition in ipairs(obj.status.conditions) do
  conditions[condition.type] = condition
end
local function is(name)
  return conditions[name] ~= nil and conditions[name].status == "True"
end

if is("Stalled") then
  health.status = "Degraded"
  health.message = conditions.Stalled.message
elseif is("Reconciling") then
  health.message = conditions.Reconciling.message
elseif is("Ready") then
  health.status = "Healthy"
  health.message = conditions.Ready.message
  if is("Degraded") then
    health.message = conditions.Degraded.message
  end
elseif conditions.Ready ~= nil then
  health.message = conditions.Ready.message
end
return health
