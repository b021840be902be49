//! Sessions: who authenticated on them, and what happens where two identities meet.

use redis::Value;

use super::layout::{ACCOUNT_SLACK, Call, Name, SLACK, account_name, scope_text, seconds};
use super::reading::origin_text;
use super::remembering::{Client, Registered};
use super::reply::{Broken, flag, list, name, number, octets, tuple, word};
use super::session::{Session, Stop, Wire};
use crate::channel::Handle;
use crate::store::{Committed, Link};
use crate::time::Timestamp;

impl<W: Wire> Session<'_, W> {
    /// Two round trips after the reply; two more where a second identity is on the session.
    pub(super) async fn link(&mut self, link: &Link) -> Result<Committed, Stop> {
        let lineage = &link.lineage;
        let (client, settings) = (Client::of_lineage(lineage), &self.shared.settings);
        let account = account_name(client.identity);
        let device = *client.device.as_octets();
        // What a client with a sealed assertion says of itself is all that is known of it.
        let sealed = link.sealed && !self.shared.is_before_floor(seconds(client.created), self.now);
        let stored_at = self.epoch.count;
        if self.epoch.rules_out(seconds(client.created)) {
            self.compare(&account, Some(link)).await?;
            return Ok(Committed::Gone);
        }
        let call = self.keys.growing_account(&account, "link").at(self.now).number(stored_at);
        let call = call.octets(&device).at(client.created).flag(sealed);
        let call = call.text(origin_text(client.origin)).text(client.service.as_str());
        let call = call.number(settings.devices_per_account as u64).number(settings.lineages_per_device as u64);
        let call = session_of(call, link).number(ACCOUNT_SLACK);
        let mut calls = vec![call];
        calls.extend(self.who(Some(link)));
        let replies = self.run(calls).await?;
        let (first, sessions) = replies.split_first().ok_or(Broken)?;
        let shared = self.share_others(&account, Some(link), sessions).await?;
        match word(first)? {
            b"ok" => {}
            b"full" => return Ok(Committed::Full),
            _ => return Ok(Committed::Gone),
        }
        let registered = Registered::read(first)?;
        let mut calls = vec![self.write_session(&account, &registered, link, shared)];
        self.drop_sessions(&mut calls, &account, &registered);
        let replies = self.run(calls).await?;
        let reply = replies.first().ok_or(Broken)?;
        self.share_if_other(reply).await?;
        self.forget_sessions(&account, &device, &registered).await?;
        let gone = word(reply)? == b"gone" || self.epoch.revokes(stored_at, registered.created);
        Ok(if gone { Committed::Gone } else { Committed::Done })
    }

    /// Asks who is on the session, and on the one that it resumes: after the registration, so that either this connection sees that
    /// another identity is there, or the other one sees this connection.
    pub(super) fn who(&self, link: Option<&Link>) -> Vec<Call> {
        handles(link).map(|handle| self.keys.session(handle.as_octets(), "who")).collect()
    }

    /// Compares only, for a commit that fails.
    pub(super) async fn compare(&mut self, account: &Name, link: Option<&Link>) -> Result<(), Stop> {
        let calls = self.who(link);
        let replies = self.run(calls).await?;
        self.share_others(account, link, &replies).await?;
        Ok(())
    }

    /// Whether one of these sessions is shared; where it is another identity's, all of that one's are from now on.
    pub(super) async fn share_others(
        &mut self,
        account: &Name,
        link: Option<&Link>,
        sessions: &[Value],
    ) -> Result<bool, Stop> {
        let mut shared = false;
        for (handle, reply) in handles(link).zip(sessions) {
            let [whose, marked] = tuple(reply)?;
            shared |= flag(marked)?;
            match octets(whose)? {
                [] => {}
                other if other == account => {}
                _ => {
                    shared = true;
                    self.share_all_of(&name(whose)?, Some(handle)).await?;
                }
            }
        }
        Ok(shared)
    }

    pub(super) async fn share_if_other(&mut self, written: &Value) -> Result<(), Stop> {
        let [_, other] = tuple(written)?;
        match octets(other)? {
            [] => Ok(()),
            // The writing marked this one.
            _ => self.share_all_of(&name(other)?, None).await,
        }
    }

    /// First the session where they met: a connection that resumes it sees that, or is registered by then.
    async fn share_all_of(&mut self, account: &Name, met: Option<Handle>) -> Result<(), Stop> {
        let met = met.map(|handle| self.keys.session(handle.as_octets(), "share").number(SLACK));
        let listed = self.keys.account(account, "list").number(0);
        let replies = self.run(met.into_iter().chain([listed]).collect()).await?;
        let [devices, _] = tuple(replies.last().ok_or(Broken)?)?;
        let mut calls = Vec::new();
        for client in list(devices)? {
            let [_, _, _, _, _, sessions] = tuple(client)?;
            for one in list(sessions)? {
                let [handle, ends, _] = tuple(one)?;
                let lasts = self.lasts(Timestamp::from_secs(number(ends)?));
                calls.push(self.keys.session(&name::<16>(handle)?, "share").number(lasts));
            }
        }
        self.run(calls).await?;
        Ok(())
    }

    pub(super) fn write_session(&self, account: &Name, registered: &Registered, link: &Link, shared: bool) -> Call {
        let Link { handle, lineage, .. } = link;
        let call = self.keys.growing_session(handle, "write").number(self.lasts(lineage.expires)).octets(account);
        let call = call.octets(&registered.revocations).number(registered.turn);
        let call = call.octets(lineage.device.as_octets()).number(registered.created).number(self.epoch.count);
        call.flag(shared || lineage.shared).octets(&lineage.to_bytes())
    }

    pub(super) fn drop_sessions(&self, calls: &mut Vec<Call>, account: &Name, registered: &Registered) {
        let drop =
            |handle: &Name| self.keys.session(handle, "drop").number(SLACK).octets(account).number(registered.turn);
        calls.extend(registered.over.iter().map(drop));
    }

    /// The account forgets sessions once they are gone.
    pub(super) async fn forget_sessions(
        &mut self,
        account: &Name,
        device: &[u8; 8],
        registered: &Registered,
    ) -> Result<(), Stop> {
        if registered.over.is_empty() {
            return Ok(());
        }
        let call = self.keys.account(account, "forget").octets(device).number(registered.turn);
        self.run(vec![call.octets(&registered.over.concat())]).await?;
        Ok(())
    }
}

/// The connection's own session, and the one that it resumes.
fn handles(link: Option<&Link>) -> impl Iterator<Item = Handle> {
    link.map(|link| [Some(link.handle), link.predecessor]).into_iter().flatten().flatten()
}

pub(super) fn session_of(call: Call, link: &Link) -> Call {
    let Link { handle, lineage, .. } = link;
    call.octets(Handle::as_octets(handle)).at(lineage.expires).text(&scope_text(&lineage.scope))
}
