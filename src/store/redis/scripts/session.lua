-- One session: who authenticated on it, a copy of what of that account was revoked, and whether it is shared. A mark may come before
-- what it marks.
--
-- o octets; m {a account, d device, f full login, g everyone, q registration}; s shared
-- v<account> revocations; z<account> the last registration that was given up

function ops.read()
  local m, octets = get('m'), redis.call('HGET', key, 'o')
  if not m or not octets then return false end
  local revoked = revokes(get('v' .. m.a), m.d, m.f)
  return { octets, redis.call('HEXISTS', key, 's'), revoked and 1 or 0, m.f, m.g }
end

-- Whose it is, and whether it is shared.
function ops.who()
  local m = get('m')
  return { m and m.a or '', redis.call('HEXISTS', key, 's') }
end

function ops.write()
  local lasts, account, revocations, q = num(), arg(), arg(), num()
  local device, full, gen, shared, octets = arg(), num(), num(), arg() == '1', arg()
  local v, m, given_up = known(account, revocations), get('m'), get('z' .. account)
  local other = m and m.a ~= account and m.a or ''
  -- Another identity was here. That is noticed whatever else comes of this.
  if shared or other ~= '' then redis.call('HSET', key, 's', '1') end
  keep(lasts)
  if (given_up and q <= given_up) or revokes(v, device, full) then return { 'gone', other } end
  redis.call('HSET', key, 'o', octets)
  put('m', { a = account, d = device, f = full, g = gen, q = q })
  keep(lasts)
  return { 'done', other }
end

-- What was revoked of an account that it belongs to, or is about to belong to.
function ops.mark()
  local lasts, account, packed = num(), arg(), arg()
  known(account, packed)
  keep(lasts)
  return 1
end

function ops.share()
  local lasts = num()
  redis.call('HSET', key, 's', '1')
  keep(lasts)
  return 1
end

-- One session too many of a client, unless it was registered anew since. That two identities were on it stays known.
function ops.drop()
  local lasts, account, q = num(), arg(), num()
  local m = get('m')
  if m and (m.a ~= account or m.q > q) then return 0 end
  redis.call('HDEL', key, 'o', 'm')
  put('z' .. account, max(get('z' .. account) or 0, q))
  keep(lasts)
  return 1
end
