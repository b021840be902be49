//! Lookups, and the list of an account's clients.

use std::collections::HashMap;
use std::sync::Arc;

use redis::Value;

use super::layout::{Epoch, Place, account_name, login_name, scope_text};
use super::reply::{Broken, flag, list, name, names, number, octets, tuple};
use super::session::{Operation, Session, Stop, Wire};
use crate::assertion::{
    AccountSecret, AccountState, DeviceId, LineageRecord, Origin, Record, Revocations, Scope, Service, Spared,
    TokenRecord, TokenSlot,
};
use crate::store::{Device, Found, Lookup};
use crate::time::Timestamp;

/// One round trip, where the lookup says whose it is; two where it doesn't and nobody asked before.
pub(super) struct Look<'a>(pub(super) &'a Lookup<'a>);

impl Operation for Look<'_> {
    type Output = Found;
    const REPEATABLE: bool = true;

    async fn run<W: Wire>(&self, session: &mut Session<'_, W>) -> Result<Found, Stop> {
        let lookup = self.0;
        let assertion = lookup.assertion.map(|id| *id.as_octets());
        let token = lookup.token.map(|id| *id.as_octets());
        let mut login = lookup.login.map(|login| *login.id().as_octets());
        if login.is_none() {
            for name in [assertion, token].into_iter().flatten() {
                login = login.or(session.place(&name).await?.map(|place| place.login));
            }
        }
        let mut calls = Vec::with_capacity(2);
        if let Some(login) = login.filter(|_| assertion.is_some() || token.is_some() || lookup.account) {
            let call = session.keys.login(&login, "read").at(session.now);
            let [id, token] = [&assertion, &token].map(|name| name.as_ref().map_or(&[][..], |name| &name[..]));
            calls.push(call.octets(id).octets(token).flag(lookup.account));
        }
        let of_login = calls.len();
        if let Some(handle) = lookup.handle {
            calls.push(session.keys.session(handle.as_octets(), "read"));
        }
        let replies = session.run(calls).await?;
        let (of_login, of_session) = replies.split_at(of_login);
        let mut found = Found::default();
        if let Some(reply) = of_login.first() {
            let [record, tokens, account] = tuple(reply)?;
            if let (Value::Array(_), Some(login)) = (record, login) {
                let (read, place) = read_record(record, &session.epoch)?;
                session.shared.names().put(*read.id.as_octets(), Place { login, ..place });
                found.record = Some(Arc::new(read)).into();
            }
            if let (Value::Array(_), Some(login)) = (tokens, login) {
                let (read, place) = read_tokens(tokens, &session.epoch)?;
                session.shared.names().put(*read.id.as_octets(), Place { login, ..place });
                found.token = Some(Arc::new(read)).into();
            }
            if matches!(account, Value::Array(_)) {
                found.account = read_account(account, &session.epoch)?.map(Arc::new).into();
            }
        }
        if let Some(reply @ Value::Array(_)) = of_session.first() {
            found.lineage = Some(Arc::new(read_lineage(reply, &session.epoch)?));
        }
        Ok(found)
    }
}

fn moment(value: &Value) -> Result<Timestamp, Broken> {
    number(value).map(Timestamp::from_secs)
}

fn maybe(value: &Value) -> Result<Option<Timestamp>, Broken> {
    Ok(Some(number(value)?).filter(|&seconds| seconds > 0).map(Timestamp::from_secs))
}

/// Whether the client behind it was revoked, by itself or with everyone.
fn revoked([revoked, full_login, stored_at]: [&Value; 3], epoch: &Epoch) -> Result<bool, Broken> {
    Ok(flag(revoked)? || epoch.revokes(number(stored_at)?, number(full_login)?))
}

/// A place without its login, which is known to who asked.
fn place(account: &Value, device: &Value) -> Result<Place, Broken> {
    Ok(Place { login: [0; 16], account: name(account)?, device: name(device)? })
}

fn read_record(reply: &Value, epoch: &Epoch) -> Result<(Record, Place), Broken> {
    let [record, gone, full_login, stored_at, expires, unused, superseded, account, device] = tuple(reply)?;
    let record = Record::from_bytes(octets(record)?).map_err(|_| Broken)?;
    let record = Record {
        revoked: revoked([gone, full_login, stored_at], epoch)?,
        expires: moment(expires)?,
        unused_until: maybe(unused)?,
        superseded: flag(superseded)?,
        ..record
    };
    Ok((record, place(account, device)?))
}

fn read_tokens(reply: &Value, epoch: &Epoch) -> Result<(TokenRecord, Place), Broken> {
    let [record, gone, full_login, stored_at, current, new, account, device] = tuple(reply)?;
    let slot = |value: &Value| match octets(value)? {
        [] => Ok(None),
        slot => TokenSlot::from_bytes(slot).map(Some).map_err(|_| Broken),
    };
    let record = TokenRecord::from_bytes(octets(record)?).map_err(|_| Broken)?;
    let revoked = revoked([gone, full_login, stored_at], epoch)?;
    let record = TokenRecord { revoked, current: slot(current)?, new: slot(new)?, ..record };
    Ok((record, place(account, device)?))
}

fn read_lineage(reply: &Value, epoch: &Epoch) -> Result<LineageRecord, Broken> {
    let [lineage, shared, gone, full_login, stored_at] = tuple(reply)?;
    let lineage = LineageRecord::from_bytes(octets(lineage)?).map_err(|_| Broken)?;
    let (shared, revoked) = (flag(shared)?, revoked([gone, full_login, stored_at], epoch)?);
    Ok(LineageRecord { shared, revoked, ..lineage })
}

fn read_account(reply: &Value, epoch: &Epoch) -> Result<Option<AccountState>, Broken> {
    let [identity, secret, stored_at, until, spared, after, devices, seen] = tuple(reply)?;
    if number(stored_at)? < epoch.count {
        // It was lost when everyone was revoked.
        return Ok(None);
    }
    let (mut until, after) = (maybe(until)?, maybe(after)?);
    let mut spared = match octets(spared)? {
        [] => None,
        device => Some(Spared { device: DeviceId::new(device.try_into().map_err(|_| Broken)?), after }),
    };
    if number(seen)? < epoch.count {
        // Everyone was revoked since, and nobody spared.
        (until, spared) = (until.max(Some(Timestamp::from_secs(epoch.until))), None);
    }
    let devices = names(octets(devices)?).map(DeviceId::new).collect();
    let revoked = Revocations { until, spared, devices };
    let identity = core::str::from_utf8(octets(identity)?).map_err(|_| Broken)?.into();
    Ok(Some(AccountState { identity, secret: AccountSecret::new(name(secret)?), revoked }))
}

/// Two round trips: where the account has something, and what.
pub(super) struct Devices<'a> {
    pub(super) identity: &'a str,
    pub(super) scope: Option<&'a Scope>,
}

impl Operation for Devices<'_> {
    type Output = Vec<Device>;
    const REPEATABLE: bool = true;

    async fn run<W: Wire>(&self, session: &mut Session<'_, W>) -> Result<Vec<Device>, Stop> {
        let account = account_name(self.identity);
        let now = session.now.as_secs();
        let listed = session.keys.account(&account, "list").number(session.epoch.count);
        let replies = session.run(vec![listed]).await?;
        let [devices, logins] = tuple(replies.first().ok_or(Broken)?)?;
        let wanted = self.scope.map(scope_text);
        let here = |scope: &Value| {
            Ok::<_, Broken>(wanted.as_ref().is_none_or(|wanted| octets(scope) == Ok(wanted.as_bytes())))
        };
        let mut calls = Vec::new();
        for login in list(logins)? {
            let [login, scope] = tuple(login)?;
            if here(scope)? {
                calls.push(session.keys.login(&name(login)?, "list").at(session.now).octets(&account));
            }
        }
        let mut used: HashMap<[u8; 8], (u64, bool)> = HashMap::new();
        for reply in session.run(calls).await? {
            for client in list(&reply)? {
                let [device, last, live, _] = tuple(client)?;
                let known = used.entry(name(device)?).or_default();
                *known = (known.0.max(number(last)?), known.1 | flag(live)?);
            }
        }
        let mut found = Vec::new();
        for client in list(devices)? {
            let [device, created, last, origin, service, sessions] = tuple(client)?;
            let (device, created) = (name(device)?, number(created)?);
            let (elsewhere, mut live) = used.get(&device).copied().unwrap_or_default();
            for one in list(sessions)? {
                let [_, ends, scope] = tuple(one)?;
                live |= now < number(ends)? && here(scope)?;
            }
            if live && !session.epoch.rules_out(created) {
                found.push(Device {
                    id: DeviceId::new(device),
                    created: Timestamp::from_secs(created),
                    last_used: Timestamp::from_secs(number(last)?.max(elsewhere)),
                    origin: read_origin(octets(origin)?)?,
                    service: service_of(octets(service)?)?,
                });
            }
        }
        found.sort_by_key(|device| (device.created, device.id));
        Ok(found)
    }
}

pub(super) const fn origin_text(origin: Origin) -> &'static str {
    match origin {
        Origin::Unbound => "u",
        Origin::Disclosed => "d",
        Origin::Keyed => "k",
        Origin::Bound => "b",
    }
}

fn read_origin(octets: &[u8]) -> Result<Origin, Broken> {
    let all = [Origin::Unbound, Origin::Disclosed, Origin::Keyed, Origin::Bound];
    all.into_iter().find(|&origin| origin_text(origin).as_bytes() == octets).ok_or(Broken)
}

fn service_of(octets: &[u8]) -> Result<Service, Broken> {
    core::str::from_utf8(octets).ok().and_then(|name| Service::parse(name).ok()).ok_or(Broken)
}

/// The names of all logins that a record or a client's tokens are found by.
pub(super) fn login_of(record: &Record) -> [u8; 16] {
    login_name(&record.scope, &record.login_name)
}
