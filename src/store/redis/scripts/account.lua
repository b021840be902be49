-- One account: its clients, its logins, its secret, and what of it was revoked. Every other key of the account is written after this
-- one, so whoever reads this one knows where to go.
--
-- v revocations; q counts registrations
-- k secret {s, a account, i identity, u until, f the last full login of a client that something is sealed for, n version, g everyone}
-- d<device> {c created, l last used, o origin, s service, e ends, g everyone, q last registration, L login ids, H sessions {h, e ends, s scope, q}}
-- l<login id> {s scope, u until when the secret needs it}

local function clients()
  local all, logins = {}, {}
  local flat = redis.call('HGETALL', key)
  for n = 1, #flat, 2 do
    local kind, name = string.sub(flat[n], 1, 1), string.sub(flat[n], 2)
    if kind == 'd' then all[name] = unpack(flat[n + 1]) end
    if kind == 'l' then logins[name] = unpack(flat[n + 1]) end
  end
  return all, logins
end

local function count(all)
  local n = 0
  for _ in pairs(all) do n = n + 1 end
  return n
end

-- Drops what is over, by any clock that is right to an hour: who goes by a slower one may still renew it. And logins that no client and
-- no secret has.
local function prune(all, logins, now)
  local named = {}
  for name, d in pairs(all) do
    if d.e + 3600 <= now then
      drop('d' .. name)
      all[name] = nil
    else
      named[#named + 1] = d.L
    end
  end
  named = table.concat(named)
  for login, l in pairs(logins) do
    if l.u + 3600 <= now and not has(named, login) then drop('l' .. login) end
  end
end

-- One more session of a client. The oldest ones beyond its number are named, and stay until `forget`.
local function attach(all, device, d, session, connections)
  for name, other in pairs(all) do
    local left, found = {}, false
    for _, each in ipairs(other.H) do
      if each.h == session.h then found = true else left[#left + 1] = each end
    end
    if found then
      other.H = left
      if name ~= device then put('d' .. name, other) end
    end
  end
  d.H[#d.H + 1] = session
  local over = {}
  for n = 1, #d.H - connections do over[n] = d.H[n].h end
  return table.concat(over)
end

local function session(q)
  local handle, ends, scope = arg(), num(), arg()
  return handle ~= '' and { h = handle, e = ends, s = scope, q = q } or nil
end

-- Versions and registrations go on from the clock: the copies of them elsewhere may outlast this key.
local function next_registration(now)
  if redis.call('HEXISTS', key, 'q') == 0 then
    redis.call('HSET', key, 'q', string.format('%.0f', now))
  end
  return redis.call('HINCRBY', key, 'q', 1)
end

local function state()
  return redis.call('HGET', key, 'v') or ''
end

-- A client that logged in fully: before anything of it is written elsewhere.
function ops.register()
  local now, gen, device, created = num(), num(), arg(), num()
  local origin, service, ends, room, connections = arg(), arg(), num(), num(), num()
  if revokes(get('v'), device, created) then return { 'gone' } end
  for _ = 1, num() do
    local name, q = arg(), num()
    local other = get('d' .. name)
    -- What it registered since would be lost from sight.
    if other and other.q == q then drop('d' .. name) end
  end
  local all, logins = clients()
  prune(all, logins, now)
  local d = all[device]
  local namesake = d and d.c ~= created
  if namesake or (not d and count(all) >= room) then
    local list, v = {}, get('v')
    for name, each in pairs(all) do
      if not namesake or name == device then
        local handles, live = {}, 0
        for n, one in ipairs(each.H) do
          handles[n] = one.h
          if now < one.e then live = 1 end
        end
        local gone = (revokes(v, name, each.c) or each.g < gen) and 1 or 0
        list[#list + 1] = { name, each.c, each.l, gone, live, each.q, each.L, table.concat(handles) }
      end
    end
    return { 'room', list }
  end
  local q = next_registration(now)
  d = d or { c = created, l = created, o = origin, s = service, e = ends, g = gen, L = '', H = {} }
  all[device] = d
  d.e, d.q = max(d.e, ends), q
  for _ = 1, num() do
    local login, scope = arg(), arg()
    if not has(d.L, login) then d.L = d.L .. login end
    put('l' .. login, { s = scope, u = logins[login] and logins[login].u or 0 })
  end
  local own, over = session(q), ''
  if own then over = attach(all, device, d, own, connections) end
  put('d' .. device, d)
  keep(d.e - now + num())
  return { 'ok', state(), q, over, created }
end

-- A connection of a client that is known, or that has a sealed assertion.
function ops.link()
  local now, gen, device, full, sealed = num(), num(), arg(), num(), arg() == '1'
  local origin, service, room, connections = arg(), arg(), num(), num()
  local all, logins = clients()
  local d = all[device]
  if revokes(get('v'), device, d and d.c or full) or (d and d.g < gen) or not (d or sealed) then return { 'gone' } end
  local q = next_registration(now)
  local own = session(q)
  if not d then
    prune(all, logins, now)
    if count(all) >= room then
      -- The key is there: it has clients.
      return { 'full' }
    end
    d = { c = full, l = full, o = origin, s = service, e = own.e, g = gen, q = q, L = '', H = {} }
    all[device] = d
  end
  local over = attach(all, device, d, own, connections)
  d.l, d.e, d.q = max(d.l, now), max(d.e, own.e), q
  put('d' .. device, d)
  keep(d.e - now + num())
  return { 'ok', state(), q, over, d.c }
end

-- Something of the client lasts longer from now on.
function ops.extend()
  local now, device, ends = num(), arg(), num()
  local d = get('d' .. device)
  if not d then return 0 end
  if d.e < ends then
    d.e = ends
    put('d' .. device, d)
  end
  keep(ends - now + num())
  return 1
end

-- Sessions that are gone, which were named as too many by that registration or before.
function ops.forget()
  local device, q = arg(), num()
  local d, gone = get('d' .. device), arg()
  if not d then return 0 end
  local left = {}
  for _, each in ipairs(d.H) do
    if not (has(gone, each.h) and each.q <= q) then left[#left + 1] = each end
  end
  d.H = left
  put('d' .. device, d)
  return 1
end

-- The secret, unless there is one. One that was found here once and is gone is not set again: what was revoked went with it.
function ops.secret()
  local now, gen, login, secret, ends, account, most = num(), num(), arg(), arg(), num(), arg(), num()
  local identity, found, device, full = arg(), arg() == '1', arg(), num()
  local v, k = get('v'), get('k')
  if revokes(v, device, full) then return { 'gone' } end
  local live = k and now < k.u and k.g >= gen and k.n >= (v and v.x or 0)
  if found and not live then return { 'none' } end
  local l = get('l' .. login)
  if not l then
    local all, logins = clients()
    prune(all, logins, now)
    if count(logins) >= most then return { 'none' } end
    l = { s = '', u = 0 }
  end
  local other = live and k.s ~= secret
  if not live then k = { a = account, i = identity, s = secret, u = ends, f = full, n = v and v.n or now, g = gen } end
  if not other then k.u, k.f = max(k.u, ends), max(k.f, full) end
  l.u = max(l.u, k.u)
  put('k', k)
  put('l' .. login, l)
  keep(k.u - now + num())
  return { other and 'other' or 'ok', pack(k), state() }
end

-- Revokes clients; says where what they have is to be marked.
function ops.revoke()
  local now, gen, everyone, kind, device = num(), num(), num(), arg(), arg()
  local before = get('v')
  local k = get('k')
  local v = get('v') or { n = max(now, k and k.n or 0), x = 0, e = 0, d = '' }
  local function all_until(moment)
    v.u = v.u and max(v.u, moment) or moment
  end
  if v.e < gen then
    v.s, v.a, v.e = nil, nil, gen
    all_until(everyone)
  end
  local all, logins = clients()
  local spare = kind == 'but' and device or nil
  if kind == 'device' and not has(v.d, device) then
    -- `Revocations::MAX_DEVICES`
    if #v.d >= 256 * #device then
      kind = 'all of them'
    else
      v.d = v.d .. device
    end
  end
  if kind ~= 'device' then
    if v.s ~= spare then v.a = v.u end
    v.s, v.a = spare, spare and v.a or nil
    v.d = spare and has(v.d, spare) and spare or ''
    -- Also those whose login was by a clock that is ahead.
    all_until(max(now, k and k.f or 0))
    for name, d in pairs(all) do
      if d.c > now and name ~= spare and #v.d < 256 * #name then v.d = v.d .. name end
    end
    if kind == 'all of them' and not has(v.d, device) then v.d = v.d .. device end
  end
  v.n = v.n + 1
  if kind == 'all' then
    v.x = v.n
    drop('k')
  end
  put('v', v)
  local sessions, devices, names = {}, {}, {}
  for name, d in pairs(all) do
    local meant = (kind == 'device' and name == device) or (kind ~= 'device' and name ~= spare)
    local new = meant and not (revokes(before, name, d.c) or d.g < gen)
    if new then devices[#devices + 1] = name end
    for _, each in ipairs(d.H) do
      sessions[#sessions + 1] = { each.h, each.e, new and now < each.e and name or '' }
    end
  end
  for login in pairs(logins) do names[#names + 1] = login end
  keep(num())
  return { pack(v), names, sessions, devices }
end

function ops.list()
  local gen = num()
  local all, logins = clients()
  local v, devices, names = get('v'), {}, {}
  for name, d in pairs(all) do
    if not (revokes(v, name, d.c) or d.g < gen) then
      local sessions = {}
      for n, each in ipairs(d.H) do sessions[n] = { each.h, each.e, each.s } end
      devices[#devices + 1] = { name, d.c, d.l, d.o, d.s, sessions }
    end
  end
  for login, l in pairs(logins) do names[#names + 1] = { login, l.s } end
  return { devices, names }
end
