-- Which server this is, and which generation of keys it has: `instance generation everyone until`. What another server process wrote, or
-- one whose history is another, is of an earlier generation.
local at = redis.call('GET', KEYS[1])
local instance, rest = string.match(at or '', '^(%S+) %S+ (%d+ %d+)$')
if instance ~= ARGV[1] then
  at = ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. (rest or '0 0')
  redis.call('SET', KEYS[1], at)
end
return at
