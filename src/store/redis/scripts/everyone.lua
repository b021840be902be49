-- Everyone is revoked who logged in until now.
local at = redis.call('GET', KEYS[1])
local instance, generation, count, before = string.match(at or '', '^(%S+) (%S+) (%d+) (%d+)$')
if generation == ARGV[1] then
  local moment = tonumber(before) > tonumber(ARGV[2]) and before or ARGV[2]
  at = instance .. ' ' .. generation .. ' ' .. string.format('%.0f', tonumber(count) + 1) .. ' ' .. moment
  redis.call('SET', KEYS[1], at)
end
return at
