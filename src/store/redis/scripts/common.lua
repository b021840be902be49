-- What every script begins with: one key, a hash, and its fields, packed.
local key, at = KEYS[1], 0
local pack, unpack = cmsgpack.pack, cmsgpack.unpack
local ops = {}

local function arg()
  at = at + 1
  return ARGV[at]
end

local function num()
  return tonumber(arg())
end

local function get(field)
  local packed = redis.call('HGET', key, field)
  return packed and unpack(packed) or nil
end

local function put(field, value)
  redis.call('HSET', key, field, pack(value))
end

local function drop(field)
  redis.call('HDEL', key, field)
end

local function max(a, b)
  return a > b and a or b
end

-- The key lasts so many seconds at least. Never less than before, and by the server's own clock from the caller's difference.
local function keep(seconds)
  seconds = max(1, seconds)
  if redis.call('TTL', key) < seconds then
    redis.call('EXPIRE', key, string.format('%.0f', seconds))
  end
end

-- Names of one length, one behind the other.
local function has(names, name)
  for from = 1, #names, #name do
    if string.sub(names, from, from + #name - 1) == name then return true end
  end
  return false
end

local function without(names, name)
  local left = {}
  for from = 1, #names, #name do
    local each = string.sub(names, from, from + #name - 1)
    if each ~= name then left[#left + 1] = each end
  end
  return table.concat(left)
end

-- `Revocations::revokes`. v: u until, s spared device, a spared after, d devices; n version, x version of the last that revoked
-- all, e which revocation of everyone came before.
local function revokes(v, device, full)
  if not v then return false end
  local spared = v.s == device and (not v.a or v.a < full)
  return (v.u and full <= v.u and not spared) or has(v.d, device)
end

-- What was revoked of an account, as far as this key knows; a newer copy takes the place of an older one.
local function known(account, packed)
  local have = get('v' .. account)
  if packed ~= '' then
    local new = unpack(packed)
    if not have or new.n > have.n then
      redis.call('HSET', key, 'v' .. account, packed)
      return new
    end
  end
  return have
end
