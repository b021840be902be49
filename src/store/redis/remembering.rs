//! Full logins and sessions: the account's own key first, then everything else.
//!
//! A revocation writes the account's key, and then visits every login and every session that is registered there. So whatever is
//! registered before it is written is either refused by the account, or found by the revocation, or refused where the revocation
//! was already.

use std::collections::{BTreeMap, BTreeSet};

use redis::Value;
use zeroize::Zeroizing;

use super::layout::{ACCOUNT_SLACK, Call, Name, Place, SLACK, account_name, login_name, scope_text, seconds};
use super::linking::session_of;
use super::reading::{login_of, origin_text};
use super::reply::{Broken, flag, list, name, names, number, octets, tuple, word};
use super::session::{Session, Stop, Wire};
use crate::assertion::{DeviceId, LineageRecord, Origin, Record, Scope, Service, TokenSlot};
use crate::store::{Committed, NewSecret, Remember};
use crate::time::Timestamp;

/// Which client it is that logs in.
pub(super) struct Client<'a> {
    pub(super) identity: &'a str,
    pub(super) device: DeviceId,
    pub(super) created: Timestamp,
    pub(super) origin: Origin,
    pub(super) service: &'a Service,
}

impl<'a> Client<'a> {
    fn of(remember: &'a Remember) -> Option<Self> {
        let client = match (remember.records.first(), &remember.token, &remember.link) {
            (Some(Record { identity, device, full_login, origin, scope, .. }), ..) => {
                Self { identity, device: *device, created: *full_login, origin: *origin, service: &scope.service }
            }
            (None, Some(token), _) => {
                let slot = token.new.as_ref()?;
                let (created, origin) = (slot.full_login, slot.origin);
                Self { identity: &token.identity, device: token.device, created, origin, service: &token.scope.service }
            }
            (None, None, Some(link)) => Self::of_lineage(&link.lineage),
            (None, None, None) => return None,
        };
        Some(client)
    }

    pub(super) fn of_lineage(
        LineageRecord { identity, device, full_login, origin, scope, .. }: &'a LineageRecord,
    ) -> Self {
        Self { identity, device: *device, created: *full_login, origin: *origin, service: &scope.service }
    }
}

/// How an account's key answered to a registration.
pub(super) struct Registered {
    pub(super) revocations: Vec<u8>,
    pub(super) turn: u64,
    /// Sessions that are too many.
    pub(super) over: Vec<Name>,
    pub(super) created: u64,
}

impl Registered {
    pub(super) fn read(reply: &Value) -> Result<Self, Broken> {
        let [_, revocations, turn, over, created] = tuple(reply)?;
        Ok(Self {
            revocations: octets(revocations)?.to_vec(),
            turn: number(turn)?,
            over: names(octets(over)?).collect(),
            created: number(created)?,
        })
    }
}

/// What became of a secret in its account's own key.
pub(super) enum Secret {
    /// The client was revoked.
    Gone,
    /// The account has none: there was no room for it, or it is no more what was found.
    None,
    Kept(Kept),
}

/// The secret that the account has now.
pub(super) struct Kept {
    pub(super) is_this: bool,
    pub(super) packed: Zeroizing<Vec<u8>>,
    pub(super) revocations: Vec<u8>,
    /// Puts it where its login looks for it.
    pub(super) copy: Call,
}

impl Secret {
    pub(super) fn kept(self) -> Option<Kept> {
        match self {
            Self::Kept(kept) => Some(kept),
            Self::Gone | Self::None => None,
        }
    }
}

/// A client that may have to make room.
struct Known {
    device: [u8; 8],
    created: u64,
    last: u64,
    gone: bool,
    live: bool,
    /// In the second of its login or later.
    used: bool,
    turn: u64,
    logins: Vec<Name>,
    sessions: Vec<Name>,
}

impl Known {
    fn read(reply: &Value) -> Result<Self, Broken> {
        let [device, created, last, gone, live, turn, logins, sessions] = tuple(reply)?;
        Ok(Self {
            device: name(device)?,
            created: number(created)?,
            last: number(last)?,
            gone: flag(gone)?,
            live: flag(live)?,
            used: false,
            turn: number(turn)?,
            logins: names(octets(logins)?).collect(),
            sessions: names(octets(sessions)?).collect(),
        })
    }
}

pub(super) fn slot(call: Call, slot: &TokenSlot) -> Call {
    let call = call.octets(&slot.to_bytes()).octets(slot.salt.as_octets()).number(u64::from(slot.key));
    call.text(slot.mechanism.name()).at(slot.expires)
}

pub(super) fn record(call: Call, record: &Record) -> Call {
    let call = call.octets(record.id.as_octets()).octets(&record.to_bytes()).at(record.issued).at(record.full_login);
    let call = call.at(record.expires).number(record.unused_until.map_or(0, seconds));
    call.octets(record.renews.as_ref().map_or(&[], |id| &id.as_octets()[..]))
}

impl<W: Wire> Session<'_, W> {
    /// How much longer than now something lasts, and some more.
    pub(super) fn lasts(&self, until: Timestamp) -> u64 {
        self.now.seconds_until(until).saturating_add(SLACK)
    }

    /// Two round trips; one more where the client takes another's place, one where it brings a secret, two where a second identity
    /// is on the session.
    pub(super) async fn remember(&mut self, remember: &Remember) -> Result<Committed, Stop> {
        if !remember.is_of_one_client() {
            return Ok(Committed::Gone);
        }
        let Some(client) = Client::of(remember) else {
            return match &remember.secret {
                Some(new) if self.set_secret(new).await? == Committed::Gone => Ok(Committed::Gone),
                // Also where the account goes on with another one, or has no room for one: then what was sealed is unknown.
                _ => Ok(Committed::Done),
            };
        };
        let account = account_name(client.identity);
        let created = seconds(client.created);
        if self.shared.is_before_floor(created, self.now) || self.epoch.rules_out(created) {
            self.compare(&account, remember.link.as_ref()).await?;
            return Ok(Committed::Gone);
        }
        let (registered, shared) = match self.register(&account, &client, remember).await? {
            (Some(registered), shared) => (registered, shared),
            (None, _) => return Ok(Committed::Gone),
        };
        let mut secret = None;
        if let Some(new) = &remember.secret {
            secret = self.secret(new).await?.kept();
        }
        let (device, stored_at) = (*client.device.as_octets(), self.epoch.count);
        let mut calls = Vec::new();
        for (login, _) in logins(remember) {
            let here = |name: Name| name == login;
            let records: Vec<_> = remember.records.iter().filter(|record| here(login_of(record))).collect();
            let call = self.keys.growing_login(&login, "remember").at(self.now).octets(&account);
            let call = call.octets(&registered.revocations).number(registered.turn).number(SLACK);
            let call = call.octets(&device).number(created).number(stored_at).number(records.len() as u64);
            let mut call = records.into_iter().fold(call, record);
            let token = remember.token.as_deref().filter(|token| here(login_name(&token.scope, &token.authcid)));
            call = match token.and_then(|token| Some((token, token.new.as_ref()?))) {
                Some((token, new)) => slot(call.octets(token.id.as_octets()).octets(&token.to_bytes()), new),
                None => call.text(""),
            };
            calls.push(call);
        }
        let of_logins = calls.len();
        if let Some(link) = &remember.link {
            calls.push(self.write_session(&account, &registered, link, shared));
        }
        for (id, login, expires) in placed(remember) {
            let place = Place { login, account, device };
            self.shared.names().put(id, place);
            calls.push(self.keys.put_place(&id, &place, self.lasts(expires)));
        }
        calls.extend(secret.map(|kept| kept.copy));
        self.drop_sessions(&mut calls, &account, &registered);
        let replies = self.run(calls).await?;
        let mut gone = self.epoch.revokes(stored_at, created);
        for (at, reply) in replies.iter().enumerate().take(of_logins + usize::from(remember.link.is_some())) {
            gone |= word(reply)? == b"gone";
            if at == of_logins {
                self.share_if_other(reply).await?;
            }
        }
        self.forget_sessions(&account, &device, &registered).await?;
        Ok(if gone { Committed::Gone } else { Committed::Done })
    }

    /// The client's place in its account, and whether its session is another identity's too. None where it was revoked.
    async fn register(
        &mut self,
        account: &Name,
        client: &Client<'_>,
        remember: &Remember,
    ) -> Result<(Option<Registered>, bool), Stop> {
        let mut given_up: Vec<([u8; 8], u64)> = Vec::new();
        // Each time around another login may have taken the place that was made.
        for _ in 0..8 {
            let call = self.registration(account, client, remember, &given_up);
            let mut calls = vec![call];
            calls.extend(self.who(remember.link.as_ref()));
            let replies = self.run(calls).await?;
            let (first, sessions) = replies.split_first().ok_or(Broken)?;
            let shared = self.share_others(account, remember.link.as_ref(), sessions).await?;
            match word(first)? {
                b"ok" => return Ok((Some(Registered::read(first)?), shared)),
                b"gone" => return Ok((None, shared)),
                _ => given_up = self.make_room(account, client, list(first)?.get(1).ok_or(Broken)?).await?,
            }
        }
        Err(Stop::Late)
    }

    fn registration(
        &self,
        account: &Name,
        client: &Client<'_>,
        remember: &Remember,
        given_up: &[([u8; 8], u64)],
    ) -> Call {
        let settings = &self.shared.settings;
        let link = remember.link.as_ref();
        let ends = placed(remember).map(|(_, _, expires)| expires).chain(link.map(|link| link.lineage.expires));
        let call = self.keys.growing_account(account, "register").at(self.now).number(self.epoch.count);
        let call = call.octets(client.device.as_octets()).at(client.created);
        let call = call.text(origin_text(client.origin)).text(client.service.as_str());
        let call = call.at(ends.max().unwrap_or(self.now));
        let call = call.number(settings.devices_per_account as u64).number(settings.lineages_per_device as u64);
        let call = call.number(given_up.len() as u64);
        let call = given_up.iter().fold(call, |call, (device, turn)| call.octets(device).number(*turn));
        let logins = logins(remember);
        let call = call.number(logins.len() as u64);
        let call = logins.iter().fold(call, |call, (login, scope)| call.octets(login).text(&scope_text(scope)));
        let call = match link {
            Some(link) => session_of(call, link),
            None => call.text("").number(0).text(""),
        };
        call.number(ACCOUNT_SLACK)
    }

    /// Takes out what the client of the same id had, or the client that is needed least: everywhere else first, so that nothing is left
    /// that a revocation would not find.
    async fn make_room(
        &mut self,
        account: &Name,
        client: &Client<'_>,
        known: &Value,
    ) -> Result<Vec<([u8; 8], u64)>, Stop> {
        let mut all = list(known)?.iter().map(Known::read).collect::<Result<Vec<_>, _>>()?;
        let namesake = |known: &Known| known.device == *client.device.as_octets();
        if all.iter().any(namesake) {
            all.retain(namesake);
        } else {
            let logins: BTreeSet<Name> = all.iter().flat_map(|known| known.logins.iter().copied()).collect();
            let ask = |login: &Name| self.keys.login(login, "list").at(self.now).octets(account);
            let calls = logins.iter().map(ask).collect();
            for reply in self.run(calls).await? {
                for used in list(&reply)? {
                    let [device, last, live, used] = tuple(used)?;
                    let (device, last, live, used) = (name::<8>(device)?, number(last)?, flag(live)?, flag(used)?);
                    if let Some(known) = all.iter_mut().find(|known| known.device == device) {
                        (known.last, known.live) = (known.last.max(last), known.live | live);
                        known.used |= used;
                    }
                }
            }
            // One of which nothing is left, then a revoked one, then one that was never used again, then the one used least lately.
            let came_back = |one: &Known| one.used || one.last > one.created;
            all.sort_by_key(|one| (one.live, !one.gone, came_back(one), one.last, one.turn));
            all.truncate((all.len() + 1).saturating_sub(self.shared.settings.devices_per_account));
        }
        let mut calls = Vec::new();
        for one in &all {
            let drop = |login| {
                let call = self.keys.login(login, "drop").octets(account).octets(&one.device);
                call.number(one.created).number(one.turn).number(SLACK)
            };
            calls.extend(one.logins.iter().map(drop));
            let drop = |handle: &Name| self.keys.session(handle, "drop").number(SLACK).octets(account).number(one.turn);
            calls.extend(one.sessions.iter().map(drop));
        }
        self.run(calls).await?;
        Ok(all.into_iter().map(|one| (one.device, one.turn)).collect())
    }

    /// The secret in the account's own key; then what puts a copy of it to its login.
    pub(super) async fn secret(&mut self, new: &NewSecret) -> Result<Secret, Stop> {
        let full_login = seconds(new.full_login);
        // In the time of another process of the server, which may have known of a revocation; or revoked with everyone.
        if (!new.found && self.shared.is_before_floor(full_login, self.now)) || self.epoch.rules_out(full_login) {
            return Ok(Secret::Gone);
        }
        let account = account_name(&new.identity);
        let most = 4 * self.shared.settings.devices_per_account;
        let keys = &self.keys;
        // One that is there needs no more room.
        let call = if new.found { keys.account(&account, "secret") } else { keys.growing_account(&account, "secret") };
        let call = call.at(self.now).number(self.epoch.count);
        let call = call.octets(new.login.as_octets()).octets(new.secret.expose()).at(new.until);
        let call = call.octets(&account).number(most as u64).text(&new.identity).flag(new.found);
        let call = call.octets(new.device.as_octets()).at(new.full_login).number(ACCOUNT_SLACK);
        let replies = match self.run(vec![call]).await {
            Err(Stop::Full) => return Ok(Secret::None),
            replies => replies?,
        };
        let reply = replies.first().ok_or(Broken)?;
        let is_this = match word(reply)? {
            _ if self.epoch.rules_out(full_login) => return Ok(Secret::Gone),
            b"gone" => return Ok(Secret::Gone),
            b"none" => return Ok(Secret::None),
            word => word == b"ok",
        };
        let [_, packed, revocations] = tuple(reply)?;
        let copy = self.put_secret(new, octets(packed)?, octets(revocations)?);
        let (packed, revocations) = (Zeroizing::new(octets(packed)?.to_vec()), octets(revocations)?.to_vec());
        Ok(Secret::Kept(Kept { is_this, packed, revocations, copy }))
    }

    fn put_secret(&self, new: &NewSecret, packed: &[u8], revocations: &[u8]) -> Call {
        let (keys, login) = (&self.keys, new.login.as_octets());
        let call = if new.found { keys.login(login, "secret") } else { keys.growing_login(login, "secret") };
        let call = call.at(self.now).number(SLACK);
        call.octets(&account_name(&new.identity)).octets(revocations).octets(packed)
    }
}

/// The logins that something is stored under.
fn logins(remember: &Remember) -> BTreeMap<Name, &Scope> {
    let records = remember.records.iter().map(|record| (login_of(record), &record.scope));
    let token = remember.token.iter().map(|token| (login_name(&token.scope, &token.authcid), &token.scope));
    records.chain(token).collect()
}

/// What is stored under them, and until when.
fn placed(remember: &Remember) -> impl Iterator<Item = (Name, Name, Timestamp)> + '_ {
    let records = remember.records.iter().map(|record| (*record.id.as_octets(), login_of(record), record.expires));
    let tokens = remember
        .token
        .iter()
        .map(|token| (*token.id.as_octets(), login_name(&token.scope, &token.authcid), token.expires()));
    records.chain(tokens)
}
