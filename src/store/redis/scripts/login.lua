-- One login: the records and tokens of its clients, its account's secret, and a copy of what of the account was revoked.
--
-- v<account> revocations; z<account> the last registration of those that were given up; k secret
-- d<account><device> {c created, l last used, r ids of records, t id of tokens}
-- r<id> {o octets, a account, d device, f full login, g everyone, i issued, e expires, u unused until, p renews, s superseded, x revoked, w}
-- t<id> {o octets, a, d, f, g, c current slot, n new slot}; slot {o octets, s salt, k service key, m mechanism, e expires, w}
-- w window: {highest, used}, each in two halves of 32 bits

local function halves()
  return { num(), num() }
end

-- `Window::accept`. Numbers here are exact up to 2^53, so each counter is two of them.
local function accept(w, counter)
  local ahead = (counter[1] - w[1]) * 4294967296 + (counter[2] - w[2])
  if ahead > 0 then
    local high, low = w[3], w[4]
    if ahead >= 64 then
      high, low = 0, 0
    elseif ahead >= 32 then
      high, low = bit.lshift(low, ahead - 32), 0
    else
      high, low = bit.bor(bit.lshift(high, ahead), bit.rshift(low, 32 - ahead)), bit.lshift(low, ahead)
    end
    w[1], w[2], w[3], w[4] = counter[1], counter[2], high % 4294967296, bit.bor(low, 1) % 4294967296
    return true
  end
  local behind = -ahead
  if behind >= 64 or (counter[1] == 0 and counter[2] == 0) then return false end
  local half, place = behind < 32 and 4 or 3, behind % 32
  if bit.band(bit.rshift(w[half], place), 1) == 1 then return false end
  w[half] = bit.bor(w[half], bit.lshift(1, place)) % 4294967296
  return true
end

local function each(names, length, what)
  for from = 1, #names, length do what(string.sub(names, from, from + length - 1)) end
end

-- `Record::expires`
local function ends(r)
  return r.u > 0 and r.u < r.e and r.u or r.e
end

local function last(t)
  return max(t.c and t.c.e or 0, t.n and t.n.e or 0)
end

local function slot()
  return { o = arg(), s = arg(), k = num(), m = arg(), e = num(), w = { 0, 0, 0, 0 } }
end

local function record(account, device, gen)
  local id = arg()
  local r = { o = arg(), a = account, d = device, g = gen, i = num(), f = num(), e = num(), u = num(), p = arg(), w = { 0, 0, 0, 0 } }
  return id, r
end

local function is_revoked(item)
  return item.x or revokes(get('v' .. item.a), item.d, item.f)
end

-- Takes a client out, with what is still its own.
local function remove(account, device, d)
  each(d.r, 16, function(id) drop('r' .. id) end)
  local t = d.t ~= '' and get('t' .. d.t)
  if t and t.a == account and t.d == device then drop('t' .. d.t) end
  drop('d' .. account .. device)
end

local function prune(now)
  local fields = redis.call('HKEYS', key)
  for _, field in ipairs(fields) do
    if string.sub(field, 1, 1) == 'd' then
      local d = get(field)
      each(d.r, 16, function(id)
        local r = get('r' .. id)
        if not r or ends(r) <= now then
          drop('r' .. id)
          d.r = without(d.r, id)
        end
      end)
      local t = d.t ~= '' and get('t' .. d.t)
      if t and last(t) <= now then drop('t' .. d.t) end
      if not t or last(t) <= now then d.t = '' end
      if d.r == '' and d.t == '' then drop(field) else put(field, d) end
    end
  end
end

-- The account's secret, where it was not made before all of the account was revoked. Copies may come in any order.
local function set_secret(packed, v)
  local k, have = unpack(packed), get('k')
  if k.n < (v and v.x or 0) or (have and have.a == k.a and have.n > k.n) then return end
  if have and have.a == k.a and have.s == k.s and have.u >= k.u then return end
  redis.call('HSET', key, 'k', packed)
end

function ops.remember()
  local now, account, packed, q, slack = num(), arg(), arg(), num(), num()
  local device, created, gen = arg(), num(), num()
  local v, given_up = known(account, packed), get('z' .. account)
  keep(slack)
  if (given_up and q <= given_up) or revokes(v, device, created) then return 'gone' end
  prune(now)
  local field, latest = 'd' .. account .. device, now
  local d = get(field)
  if d and d.c ~= created then
    remove(account, device, d)
    d = nil
  end
  d = d or { c = created, l = created, r = '', t = '' }
  for _ = 1, num() do
    local id, r = record(account, device, gen)
    if not has(d.r, id) then
      put('r' .. id, r)
      d.r = d.r .. id
    end
    latest = max(latest, r.e)
  end
  local token = arg()
  if token ~= '' then
    local octets, new, before = arg(), slot(), get('t' .. token)
    local mine = before and before.a == account
    local again = mine and ((before.c and before.c.s == new.s) or (before.n and before.n.s == new.s))
    if before and not (mine and before.d == device) then
      local other = 'd' .. before.a .. before.d
      local had = get(other)
      if had and had.t == token then
        had.t = ''
        put(other, had)
      end
    end
    if d.t ~= '' and d.t ~= token then drop('t' .. d.t) end
    d.t = token
    -- The same commit, made again, undoes nothing that came of it.
    local t = again and before or { o = octets, a = account, g = gen, n = new }
    t.d, t.f = device, created
    put('t' .. token, t)
    latest = max(latest, new.e)
  end
  put(field, d)
  keep(latest - now + slack)
  return 'done'
end

-- The first use of a record: what was made beside it goes, and what it succeeds ends.
local function confirm(id, r, d, predecessor_until)
  each(d.r, 16, function(other)
    local o = other ~= id and get('r' .. other)
    if o and other == r.p then
      o.e, o.s = math.min(o.e, predecessor_until), 1
      put('r' .. other, o)
    end
    if o and o.u > 0 and o.p == r.p then
      drop('r' .. other)
      d.r = without(d.r, other)
    end
  end)
end

-- Whether one more successor may wait; one that waited longer than the grace gives way.
local function room_for(successor, d, now, predecessor_until, most)
  local waiting, oldest, since = 0, nil, nil
  each(d.r, 16, function(id)
    local r = get('r' .. id)
    if r and r.p == successor.p and r.u > 0 then
      waiting = waiting + 1
      if not since or r.i < since then oldest, since = id, r.i end
    end
  end)
  if waiting < most then return true end
  if now - since < max(0, predecessor_until - now) then return false end
  drop('r' .. oldest)
  d.r = without(d.r, oldest)
  return true
end

function ops.use()
  local now, gen, slack, most, id = num(), num(), num(), num(), arg()
  local counted, counter = arg() == '1', halves()
  local confirms, predecessor_until, over = arg() == '1', num(), num()
  local r = get('r' .. id)
  if not r or is_revoked(r) or r.g < gen then return { 'gone', 0, 0 } end
  if counted and not accept(r.w, counter) then return { 'replayed', r.f, r.g } end
  local field = 'd' .. r.a .. r.d
  local d = get(field) or { c = r.f, l = r.f, r = id, t = '' }
  d.l = max(d.l, now)
  if over > 0 then r.e = math.min(r.e, over) end
  if confirms and r.u > 0 then
    r.u = 0
    confirm(id, r, d, predecessor_until)
  end
  put('r' .. id, r)
  each(d.r, 16, function(other)
    local o = other ~= id and get('r' .. other)
    if o and ends(o) <= now then
      drop('r' .. other)
      d.r = without(d.r, other)
    end
  end)
  local answer, successor = 'done', arg() == '1'
  if successor then
    local next_id, next_r = record(r.a, r.d, r.g)
    if has(d.r, next_id) then
      answer = 'done'
    elseif not room_for(next_r, d, now, predecessor_until, most) then
      answer = 'without'
    else
      put('r' .. next_id, next_r)
      d.r = d.r .. next_id
      keep(next_r.e - now + slack)
    end
  end
  put(field, d)
  local packed, revocations = arg(), arg()
  if packed ~= '' then
    set_secret(packed, known(r.a, revocations))
    keep(unpack(packed).u - now + slack)
  end
  return { answer, r.f, r.g }
end

-- `StoredTokens::apply`
function ops.token()
  local now, gen, slack, id, salt = num(), num(), num(), arg(), arg()
  local counted, counter, invalidate, issue = arg() == '1', halves(), arg() == '1', arg() == '1'
  local t = get('t' .. id)
  if not t or is_revoked(t) or t.g < gen then return { 'gone', 0, 0 } end
  local is_new = t.n and t.n.s == salt
  local used = is_new and t.n or (t.c and t.c.s == salt and t.c)
  if not used then return { 'gone', 0, 0 } end
  if counted and not accept(used.w, counter) then return { 'replayed', t.f, t.g } end
  if is_new then t.c, t.n = t.n, nil end
  if invalidate then t.c, t.n = nil, nil end
  -- What ends earlier than a token that is used ends with its use.
  if t.c and t.n and t.n.e < t.c.e then t.n = nil end
  local answer = 'done'
  if issue then
    local new = slot()
    if not (t.n and t.n.s == new.s) then
      if t.n and t.n.m == new.m and (t.n.k or 0) >= new.k and now < t.n.e then
        answer = 'without'
      else
        t.n = new
        keep(new.e - now + slack)
      end
    end
  end
  local field = 'd' .. t.a .. t.d
  local d = get(field)
  local over = last(t) <= now
  if over then drop('t' .. id) else put('t' .. id, t) end
  if d then
    d.l = max(d.l, now)
    if over and d.t == id then d.t = '' end
    put(field, d)
  end
  return { answer, t.f, t.g }
end

function ops.secret()
  local now, slack, account, revocations, packed = num(), num(), arg(), arg(), arg()
  set_secret(packed, known(account, revocations))
  keep(unpack(packed).u - now + slack)
  return 'done'
end
