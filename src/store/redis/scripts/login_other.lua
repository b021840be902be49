-- The same key, for lookups and for what is done to clients.

local function each_client(account, what)
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if string.sub(field, 1, 1 + #account) == 'd' .. account then what(string.sub(field, 2 + #account), get(field)) end
  end
end

local function is_live(account, device, d, now)
  local live = false
  each(d.r, 16, function(id)
    local r = get('r' .. id)
    live = live or (r and now < ends(r)) or false
  end)
  local t = d.t ~= '' and get('t' .. d.t)
  return live or (t and t.a == account and t.d == device and now < last(t)) or false
end

-- Whether something of it was used, which in the second of its login no time tells.
local function is_used(account, device, d)
  local used = false
  each(d.r, 16, function(id)
    local r = get('r' .. id)
    used = used or (r and r.u == 0) or false
  end)
  local t = d.t ~= '' and get('t' .. d.t)
  return used or (t and t.a == account and t.d == device and t.c ~= nil) or false
end

-- A record, tokens, and the account's state, as they are kept.
function ops.read()
  local now, id, token, account = num(), arg(), arg(), arg() == '1'
  local found = { false, false, false }
  local r = id ~= '' and get('r' .. id)
  if r then found[1] = { r.o, is_revoked(r) and 1 or 0, r.f, r.g, r.e, r.u, r.s or 0, r.a, r.d } end
  local t = token ~= '' and get('t' .. token)
  if t then
    found[2] = { t.o, is_revoked(t) and 1 or 0, t.f, t.g, t.c and t.c.o or '', t.n and t.n.o or '', t.a, t.d }
  end
  local k = account and get('k')
  local v = k and get('v' .. k.a)
  if k and now < k.u and k.n >= (v and v.x or 0) then
    v = v or { d = '', e = 0 }
    found[3] = { k.i, k.s, k.g, v.u or 0, v.s or '', v.a or 0, v.d, v.e }
  end
  return found
end

-- A copy of what was revoked; the clients that were live here.
function ops.revoke()
  local now, account, packed, slack = num(), arg(), arg(), num()
  local v, k, live = known(account, packed), get('k'), {}
  if k and k.a == account and k.n < v.x then drop('k') end
  each_client(account, function(device, d)
    if is_live(account, device, d, now) then live[#live + 1] = device end
  end)
  keep(slack)
  return live
end

-- Of one client nothing but this one assertion, and the successors of it that wait. Whether it was live, and since when.
function ops.assertion()
  local now, account, id = num(), arg(), arg()
  local r = get('r' .. id)
  if not r or r.a ~= account or is_revoked(r) then return { 0, 0, 0 } end
  r.x = 1
  put('r' .. id, r)
  local d = get('d' .. account .. r.d)
  each(d and d.r or '', 16, function(other)
    local o = get('r' .. other)
    if o and o.p == id and o.u > 0 then
      o.x = 1
      put('r' .. other, o)
    end
  end)
  return { now < ends(r) and 1 or 0, r.f, r.g }
end

-- A client that is given up for another, as of that registration.
function ops.drop()
  local account, device, created, q, slack = arg(), arg(), num(), num(), num()
  local d = get('d' .. account .. device)
  if d and d.c == created then remove(account, device, d) end
  put('z' .. account, max(get('z' .. account) or 0, q))
  keep(slack)
  return 1
end

function ops.list()
  local now, account, list = num(), arg(), {}
  each_client(account, function(device, d)
    list[#list + 1] = { device, d.l, is_live(account, device, d, now) and 1 or 0, is_used(account, device, d) and 1 or 0 }
  end)
  return list
end
