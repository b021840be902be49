//! The use of assertions and tokens, an account's secret, and revocations.

use std::collections::BTreeMap;

use redis::Value;

use super::layout::{ACCOUNT_SLACK, Call, Name, Place, SLACK, account_name, seconds};
use super::reading::login_of;
use super::remembering::{Secret, record, slot};
use super::reply::{Broken, list, name, number, octets, tuple};
use super::session::{Operation, Session, Stop, Wire};
use crate::assertion::Record;
use crate::store::{Commit, Committed, MAX_PENDING_SUCCESSORS, NewSecret, Revoke, TokenUse, Use};
use crate::time::Timestamp;

/// A commit.
pub(super) struct Make<'a>(pub(super) &'a Commit);

impl Operation for Make<'_> {
    type Output = Committed;
    /// A counter that was marked once already would be a replay.
    const REPEATABLE: bool = false;

    async fn run<W: Wire>(&self, session: &mut Session<'_, W>) -> Result<Committed, Stop> {
        let committed = match self.0 {
            Commit::Remember(remember) => session.remember(remember).await,
            Commit::Use(change) => session.apply(change).await,
            Commit::Token(change) => session.apply_token(change).await,
            Commit::Secret(new) => session.set_secret(new).await,
            Commit::Link(link) => session.link(link).await,
        };
        match committed {
            // The server's memory is full: the login stands, and the client is not remembered.
            Err(Stop::Full) if matches!(self.0, Commit::Remember(_) | Commit::Link(_)) => Ok(Committed::Full),
            committed => committed,
        }
    }
}

/// What became of a use. One that everyone's revocation overtook is none.
fn outcome<W: Wire>(session: &Session<'_, W>, reply: &Value) -> Result<Committed, Broken> {
    let [what, full_login, stored_at] = tuple(reply)?;
    let gone = session.epoch.revokes(number(stored_at)?, number(full_login)?);
    Ok(match octets(what)? {
        _ if gone => Committed::Gone,
        b"done" => Committed::Done,
        b"without" => Committed::WithoutSuccessor,
        b"replayed" => Committed::Replayed,
        _ => Committed::Gone,
    })
}

fn place_of(record: &Record) -> Place {
    Place { login: login_of(record), account: account_name(&record.identity), device: *record.device.as_octets() }
}

impl<W: Wire> Session<'_, W> {
    /// One round trip after the lookup by the same handle; another one with a successor or a secret.
    async fn apply(&mut self, change: &Use) -> Result<Committed, Stop> {
        let id = *change.assertion.as_octets();
        let Some(place) = self.place(&id).await? else { return Ok(Committed::Gone) };
        let successor = match change.successor.as_deref() {
            // It is this very client's, or it is none.
            Some(successor) if place_of(successor) == place && self.outlasts(&place, successor.expires).await? => {
                Some(successor)
            }
            _ => None,
        };
        let secret = match &change.secret {
            Some(new) if change.successor.is_none() => Some((new, self.secret(new).await?.kept())),
            _ => None,
        };
        // What can't be sealed under the account's secret goes on here.
        let is_sealed = secret.as_ref().is_none_or(|(_, kept)| kept.as_ref().is_some_and(|kept| kept.is_this));
        let ends = change.ends.filter(|_| is_sealed);
        let call = self.keys.login(&place.login, "use").at(self.now).number(self.epoch.count).number(SLACK);
        let call = call.number(MAX_PENDING_SUCCESSORS as u64).octets(&id).counter(change.counter);
        let call = call.flag(change.confirm).at(change.predecessor_until).number(ends.map_or(0, Timestamp::as_secs));
        let mut calls = Vec::with_capacity(2);
        let call = match successor {
            Some(successor) => {
                let next = *successor.id.as_octets();
                self.shared.names().put(next, place);
                calls.push(self.keys.put_place(&next, &place, self.lasts(successor.expires)));
                record(call.flag(true), successor)
            }
            None => call.flag(false),
        };
        // One that is for another login than the assertion's goes to that one by itself.
        let here = |new: &NewSecret| *new.login.as_octets() == place.login;
        calls.push(match &secret {
            Some((new, Some(kept))) if here(new) => call.octets(&kept.packed).octets(&kept.revocations),
            _ => call.text("").text(""),
        });
        let replies = self.run(calls).await?;
        let committed = outcome(self, replies.last().ok_or(Broken)?)?;
        if committed != Committed::Done {
            return Ok(committed);
        }
        if let Some((_, Some(kept))) = secret.filter(|(new, _)| !here(new)) {
            match self.run(vec![kept.copy]).await {
                Err(Stop::Full) => return Ok(Committed::WithoutSuccessor),
                copied => copied?,
            };
        }
        let is_added = successor.is_some() || change.successor.is_none();
        Ok(if is_sealed && is_added { committed } else { Committed::WithoutSuccessor })
    }

    /// Whether the account's key lasts longer than what is to be in it. One that has forgotten the client, as a clock far ahead had it do,
    /// leads no revocation to it, so nothing of it may be added.
    async fn outlasts(&mut self, place: &Place, ends: Timestamp) -> Result<bool, Stop> {
        let call = self.extend(place, ends);
        let replies = self.run(vec![call]).await?;
        Ok(number(replies.first().ok_or(Broken)?)? > 0)
    }

    async fn apply_token(&mut self, change: &TokenUse) -> Result<Committed, Stop> {
        let id = *change.token.as_octets();
        let Some(place) = self.place(&id).await? else { return Ok(Committed::Gone) };
        let call = self.keys.login(&place.login, "token").at(self.now).number(self.epoch.count).number(SLACK);
        let call = call.octets(&id).octets(change.salt.as_octets()).counter(change.count);
        let call = call.flag(change.invalidate);
        let issue = match change.issue.as_deref() {
            Some(new) if self.outlasts(&place, new.expires).await? => Some(new),
            _ => None,
        };
        let call = call.flag(issue.is_some());
        let mut calls = Vec::with_capacity(2);
        let call = match issue {
            Some(new) => {
                calls.push(self.keys.put_place(&id, &place, self.lasts(new.expires)));
                slot(call, new)
            }
            None => call,
        };
        calls.push(call);
        let replies = self.run(calls).await?;
        let committed = outcome(self, replies.last().ok_or(Broken)?)?;
        let without = committed == Committed::Done && issue.is_none() && change.issue.is_some();
        Ok(if without { Committed::WithoutSuccessor } else { committed })
    }

    fn extend(&self, place: &Place, ends: Timestamp) -> Call {
        let call = self.keys.account(&place.account, "extend").at(self.now);
        call.octets(&place.device).at(ends).number(ACCOUNT_SLACK)
    }

    /// Two round trips.
    pub(super) async fn set_secret(&mut self, new: &NewSecret) -> Result<Committed, Stop> {
        let kept = match self.secret(new).await? {
            Secret::Gone => return Ok(Committed::Gone),
            // What is sealed was opened with it. Lost, it took along what was revoked.
            Secret::None => return Ok(if new.found { Committed::Gone } else { Committed::WithoutSuccessor }),
            Secret::Kept(kept) => kept,
        };
        match self.run(vec![kept.copy]).await {
            Err(Stop::Full) => return Ok(Committed::WithoutSuccessor),
            copied => copied?,
        };
        if self.epoch.rules_out(seconds(new.full_login)) {
            return Ok(Committed::Gone);
        }
        Ok(if kept.is_this { Committed::Done } else { Committed::WithoutSuccessor })
    }

    /// The account's key, and then every login and session that is registered there.
    async fn revoke(&mut self, identity: &str, which: Revoke) -> Result<usize, Stop> {
        let account = account_name(identity);
        let (kind, device) = match which {
            Revoke::Device(device) => ("device", *device.as_octets()),
            Revoke::AllBut(device) => ("but", *device.as_octets()),
            Revoke::All => ("all", [0; 8]),
            Revoke::Assertion(id) => return self.revoke_assertion(&account, id.as_octets()).await,
        };
        let call = self.keys.account(&account, "revoke").at(self.now).number(self.epoch.count);
        let call = call.number(self.epoch.until).text(kind).octets(&device).number(ACCOUNT_SLACK);
        let replies = self.run(vec![call]).await?;
        let [packed, logins, sessions, revoked] = tuple(replies.first().ok_or(Broken)?)?;
        let packed = octets(packed)?;
        let mut revoked: BTreeMap<[u8; 8], bool> =
            list(revoked)?.iter().map(|device| Ok((name(device)?, false))).collect::<Result<_, Broken>>()?;
        let mut live = |device: &Value| {
            if let Some(live) = name(device).ok().and_then(|device| revoked.get_mut(&device)) {
                *live = true;
            }
        };
        let mut calls = Vec::new();
        for login in list(logins)? {
            let call = self.keys.login(&name(login)?, "revoke").at(self.now);
            calls.push(call.octets(&account).octets(packed).number(SLACK));
        }
        let of_logins = calls.len();
        for each in list(sessions)? {
            let [handle, ends, device] = tuple(each)?;
            live(device);
            let lasts = self.lasts(Timestamp::from_secs(number(ends)?));
            let call = self.keys.session(&name::<16>(handle)?, "mark").number(lasts);
            calls.push(call.octets(&account).octets(packed));
        }
        let replies = self.run(calls).await?;
        for reply in replies.iter().take(of_logins) {
            list(reply)?.iter().for_each(&mut live);
        }
        Ok(revoked.into_values().filter(|&live| live).count())
    }

    async fn revoke_assertion(&mut self, account: &Name, id: &Name) -> Result<usize, Stop> {
        let logins = match self.place(id).await? {
            Some(place) => vec![place.login],
            // A server that was full has gone without, so it is looked for wherever the account has something.
            None => self.logins_of(account).await?,
        };
        let calls = logins
            .iter()
            .map(|login| self.keys.login(login, "assertion").at(self.now).octets(account).octets(id))
            .collect();
        let mut count = 0;
        for reply in self.run(calls).await? {
            let [live, full_login, stored_at] = tuple(&reply)?;
            let was_revoked = self.epoch.revokes(number(stored_at)?, number(full_login)?);
            count += usize::from(number(live)? > 0 && !was_revoked);
        }
        Ok(count)
    }

    async fn logins_of(&mut self, account: &Name) -> Result<Vec<Name>, Stop> {
        let listed = self.keys.account(account, "list").number(self.epoch.count);
        let replies = self.run(vec![listed]).await?;
        let [_, logins] = tuple(replies.first().ok_or(Broken)?)?;
        let of = |login: &Value| tuple(login).and_then(|[login, _]: &[Value; 2]| name(login));
        Ok(list(logins)?.iter().map(of).collect::<Result<_, Broken>>()?)
    }
}

/// A revocation of clients. One that is made again revokes no more.
pub(super) struct Revoking<'a> {
    pub(super) identity: &'a str,
    pub(super) which: Revoke,
}

impl Operation for Revoking<'_> {
    type Output = usize;
    const REPEATABLE: bool = true;

    async fn run<W: Wire>(&self, session: &mut Session<'_, W>) -> Result<usize, Stop> {
        session.revoke(self.identity, self.which).await
    }
}

/// The service starts anew.
pub(super) struct Everyone;

impl Operation for Everyone {
    type Output = ();
    const REPEATABLE: bool = true;

    async fn run<W: Wire>(&self, session: &mut Session<'_, W>) -> Result<(), Stop> {
        session.revoke_everyone().await
    }
}
