//! HT and HT2, the server's side.

use core::fmt;
use std::borrow::Cow;
use std::sync::Arc;

use super::message::{InitiatorMessage, ResponderMessage, initiator_hash, responder_hash};
use super::{Fresh, Pairs};
use crate::assertion::{
    HtMechanism, HtVersion, Issued, Origin, OwnToken, Salt, TokenId, TokenRecord, TokenSlot, valid_login_name,
};
use crate::crypto::{Redacted, choose, constant_time_eq};
use crate::mechanism::exchange::{AwaitRecordOf, PendingOf, Recognised};
use crate::mechanism::server::Fast;
use crate::mechanism::{AwaitCommit, AwaitRecord, Connection, Outcome, Received, Step, Verdict};
use crate::store::{Commit, Committed, Found, LoginOf, Lookup, Sought, TokenUse};
use crate::time::Timestamp;

/// A client's attempt with a token: its message, and what XEP-0484 has beside it.
#[derive(Clone)]
pub struct Request<'m> {
    mechanism: HtMechanism,
    message: &'m [u8],
    client: Cow<'m, str>,
    random: Fresh<'m>,
    count: Option<u64>,
    invalidate: bool,
    wants: Option<HtMechanism>,
    answer: Pairs,
}

impl<'m> Request<'m> {
    /// The initial response with this mechanism, from the installation with this id (`<user-agent id='…'/>`).
    pub fn new(mechanism: HtMechanism, message: &'m [u8], client: &'m str, random: impl Into<Fresh<'m>>) -> Self {
        let (random, answer) = (random.into(), Pairs::none());
        Self { mechanism, message, client: client.into(), random, count: None, invalidate: false, wants: None, answer }
    }

    /// `count` of `<fast/>` (XEP-0484 section 3.4): how often the client used the token, this time included, so from 1 on.
    #[must_use]
    pub fn count(mut self, count: Option<u64>) -> Self {
        self.count = count;
        self
    }

    /// `invalidate` of `<fast/>`: all tokens of the client end, and no TLS session goes on from this connection. What else it is known by does
    /// not end: for a client that logs out for good there is [`Revoke::Device`](crate::store::Revoke::Device).
    #[must_use]
    pub fn invalidate(mut self, invalidate: bool) -> Self {
        self.invalidate = invalidate;
        self
    }

    /// `<request-token/>`: the client asks for another token, for this mechanism. A mechanism without a binding to the connection gets none
    /// with one: that takes a full login.
    #[must_use]
    pub fn wants(mut self, mechanism: Option<HtMechanism>) -> Self {
        self.wants = mechanism;
        self
    }

    /// The key/value pairs to answer with; HT has none, and says none of them.
    #[must_use]
    pub fn answering(mut self, pairs: Pairs) -> Self {
        self.answer = pairs;
        self
    }
}

/// What XEP-0484 has beside the message of an HT mechanism, where it is said apart from the message, by
/// [`Connection::beside`]. A protocol without XEP-0484 has a fixed `client`, and neither counts nor asks.
#[derive(Clone, PartialEq, Eq)]
pub struct Beside {
    /// Which installation it is (`<user-agent id='…'/>`).
    pub client: String,
    /// 32 fresh octets from a cryptographically secure random number generator, for a token that may be due.
    pub random: [u8; Salt::LEN],
    /// How often the client used the token: see [`Request::count`].
    pub count: Option<u64>,
    /// All tokens of the client end: see [`Request::invalidate`].
    pub invalidate: bool,
    /// The client asks for another token: see [`Request::wants`].
    pub wants: Option<HtMechanism>,
}

impl Beside {
    pub(crate) fn request(self, mechanism: HtMechanism, message: &[u8]) -> Request<'_> {
        let Self { client, random, count, invalidate, wants } = self;
        let (random, answer) = (random.into(), Pairs::none());
        Request { mechanism, message, client: client.into(), random, count, invalidate, wants, answer }
    }
}

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beside").field("client", &self.client).field("count", &self.count).finish_non_exhaustive()
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("mechanism", &self.mechanism)
            .field("message", &Redacted(self.message.len()))
            .field("client", &self.client)
            .field("count", &self.count)
            .field("invalidate", &self.invalidate)
            .field("wants", &self.wants)
            .field("answer", &self.answer)
            .finish_non_exhaustive()
    }
}

/// The client's message.
pub(crate) fn receive<'m>(connection: &'m Connection<'_>, request: Request<'m>) -> Received<'m> {
    let Ok(message) = InitiatorMessage::parse(request.mechanism, request.message) else {
        return Received::Done(Verdict::of(Outcome::Malformed));
    };
    if request.client.is_empty() || !valid_login_name(&request.client) || request.count == Some(0) {
        return Received::Done(Verdict::of(Outcome::Malformed));
    }
    let facts = &connection.facts;
    let Some(fast) = connection.server.fast.as_ref().filter(|fast| fast.mechanisms.contains(&request.mechanism)) else {
        return Received::Done(Verdict::of(Outcome::BindingMismatch));
    };
    let listed = connection.listed_ht().any(|mechanism| mechanism == request.mechanism);
    if !listed || facts.is_early_data() || facts.exporter_is_to_come() {
        return Received::Done(Verdict::of(Outcome::BindingMismatch));
    }
    let (service, server_name) = (connection.server.service.as_str(), facts.name().as_str());
    let id = TokenId::of_names(service, server_name, message.authcid, &request.client);
    let login = Some(LoginOf::names(service, server_name, message.authcid));
    let state = AwaitTokens { connection, fast, id, request, message };
    Received::Lookup(AwaitRecord {
        lookup: Lookup { login, token: Some(id), ..Lookup::default() },
        mechanism: AwaitRecordOf::Ht(state),
    })
}

/// An attempt that waits for the tokens that the client may have.
#[derive(Debug)]
pub(crate) struct AwaitTokens<'m> {
    connection: &'m Connection<'m>,
    fast: &'m Fast,
    id: TokenId,
    request: Request<'m>,
    message: InitiatorMessage<'m>,
}

impl AwaitTokens<'_> {
    pub(crate) fn verify(self, found: &Found, now: Timestamp) -> Step {
        // From here to the comparison everything costs the same, whether there are two tokens or none.
        let (sought, is_there) = (&found.token, found.token.is_there());
        let is_meant = self.is_meant(sought);
        let record = sought.any().filter(|_| is_meant);
        let slots = record.map_or([None, None], |record| [record.new.as_ref(), record.current.as_ref()]);
        let [new, current] = slots.map(|slot| self.check(slot));
        // Of what stands in for tokens that aren't there, nothing is believed.
        let Some(((slot, token), record)) = new.or(current).zip(record.filter(|_| is_there)) else {
            let outcome = choose(is_there, Outcome::BadProof, Outcome::Stale);
            return Step::Done(Verdict::of(outcome));
        };
        if let Some(outcome) = self.objection(record, slot, now) {
            return Step::Done(Verdict::of(outcome));
        }
        self.accept(record, slot, &token, now)
    }

    /// Whether the client can mean these tokens at all. Where there are none, what the message says is compared with itself.
    fn is_meant(&self, sought: &Sought<TokenRecord>) -> bool {
        let (record, is_there) = (sought.any(), sought.is_there());
        let (server, facts, authcid) = (self.connection.server, &self.connection.facts, self.message.authcid);
        let id = choose(is_there, record.map_or(&self.id, |record| &record.id), &self.id);
        let known_as = choose(is_there, record.map_or(authcid, |record| &record.authcid), authcid);
        let service = choose(is_there, record.map_or(&server.service, |record| &record.scope.service), &server.service);
        let name = facts.name();
        let server_name = choose(is_there, record.map_or(name, |record| &record.scope.server_name), name);
        *id == self.id && known_as == authcid && *service == server.service && server_name == name
    }

    /// The token of this slot, if the message proves it: with the mechanism that it is pinned to, and no other.
    fn check<'s>(&self, slot: Option<&'s TokenSlot>) -> Option<(&'s TokenSlot, OwnToken)> {
        let mechanism = self.request.mechanism;
        let pinned = slot.filter(|slot| slot.mechanism == mechanism);
        let (token, is_there) = OwnToken::of_or_stand_in(&self.fast.keys, &self.id, mechanism, pinned);
        let expected = initiator_hash(token.key(), self.binding(), &self.message.pairs);
        let verified = constant_time_eq(expected.as_ref(), self.message.hashed_token.as_ref());
        match pinned {
            Some(slot) if is_there && verified => Some((slot, token)),
            _ => None,
        }
    }

    fn binding(&self) -> &[u8] {
        // It is there: the mechanism is listed on this channel.
        self.request.mechanism.binding_data(&self.connection.facts).unwrap_or_default()
    }

    /// What speaks against a client that proved that it has a token.
    fn objection(&self, record: &TokenRecord, slot: &TokenSlot, now: Timestamp) -> Option<Outcome> {
        let policy = &self.connection.server.policy;
        if record.revoked {
            return Some(Outcome::Revoked);
        }
        let due = slot.full_login.after(policy.full_login_every) <= now;
        if slot.expires <= now || due || policy.lifetime_of(slot.origin.of_the_channel()).is_none() {
            return Some(Outcome::FullAuthenticationDue);
        }
        None
    }

    fn accept(self, record: &Arc<TokenRecord>, slot: &TokenSlot, token: &OwnToken, now: Timestamp) -> Step {
        let request = &self.request;
        let is_new = record.new.as_ref().is_some_and(|new| new.salt == slot.salt);
        let (issue, issued) =
            self.rotation(record, slot, is_new, now).map_or((None, None), |(slot, told)| (slot, Some(told)));
        let change = TokenUse {
            token: self.id,
            salt: slot.salt,
            // Where nothing can be replayed there is nothing to write down.
            count: request.count.filter(|_| request.mechanism.is_replayable()),
            invalidate: request.invalidate,
            issue: issue.map(Box::new),
        };
        let pairs = match request.mechanism.version() {
            HtVersion::Ht => Pairs::none(),
            HtVersion::Ht2 => request.answer.clone(),
        };
        let answer = responder_hash(token.key(), self.binding(), &pairs);
        let accepted = Verdict {
            outcome: Outcome::Accepted,
            message: Some(ResponderMessage::success(request.mechanism, &pairs, &answer)),
            recognised: Some(self.recognised(record, slot)),
            token: issued,
            pairs: self.message.pairs,
        };
        if !is_new && change.count.is_none() && !change.invalidate && change.issue.is_none() {
            return Step::Done(accepted);
        }
        let pending = PendingOf::Ht(AwaitUse { accepted });
        Step::Commit(AwaitCommit { commit: Commit::Token(change), pending })
    }

    /// The token that the client is to have from now on: what to add to the store, and what to tell it.
    ///
    /// A token that waits already is told once more, as the reply with it may have been lost.
    fn rotation(
        &self,
        record: &TokenRecord,
        used: &TokenSlot,
        is_new: bool,
        now: Timestamp,
    ) -> Option<(Option<TokenSlot>, Issued)> {
        let (policy, keys) = (&self.connection.server.policy, &self.fast.keys);
        let told = |slot: &TokenSlot| {
            let token = OwnToken::of(keys, &self.id, slot)?.token();
            Some(Issued { token, mechanism: slot.mechanism, expires: slot.expires })
        };
        let origin = used.origin.of_the_channel();
        let expires = policy.expiry(origin, used.full_login, now)?;
        let ending = policy.renews(origin, used.expires, now) && expires > used.expires;
        let due = !self.request.invalidate && (ending || used.key != keys.current_id());
        let mechanism = match self.request.wants {
            Some(wanted) => self.may_have(wanted).then_some(wanted)?,
            None => due.then_some(used.mechanism)?,
        };
        // A token crosses no channel that a full login would get none on.
        self.connection.facts.keys_are_private().ok()?;
        let waits = |slot: &&TokenSlot| !is_new && slot.mechanism == mechanism && now < slot.expires;
        let waiting = record.new.as_ref().filter(waits).filter(|_| !self.request.invalidate);
        if let Some(issued) = waiting.and_then(told) {
            return Some((None, issued));
        }
        let salt = self.request.random.draw()?;
        let (key, origin, full_login) = (keys.current_id(), used.origin, used.full_login);
        let slot = TokenSlot { salt, key, mechanism, origin, full_login, expires };
        let issued = told(&slot)?;
        Some((Some(slot), issued))
    }

    /// Whether a client that used its token like this may have one for that mechanism. A message that is bound to no connection may have been
    /// sent on by a man in the middle, who gets nothing for it that lasts longer or is worth more.
    fn may_have(&self, wanted: HtMechanism) -> bool {
        let stronger = self.request.mechanism.is_replayable() && !wanted.is_replayable();
        !stronger && self.connection.listed_ht().any(|listed| listed == wanted)
    }

    fn recognised(&self, record: &TokenRecord, slot: &TokenSlot) -> Recognised {
        // What is not bound to this connection may have been sent by whoever ends TLS in the client's sight.
        let strength = if self.request.mechanism.is_replayable() { Origin::Unbound } else { slot.origin };
        Recognised {
            identity: record.identity.clone(),
            login_name: record.authcid.clone(),
            device: record.device,
            origin: slot.origin,
            full_login: slot.full_login,
            strength,
            sealed: false,
            leaves: self.request.invalidate,
        }
    }
}

/// An attempt that is accepted as soon as its use is durable.
#[derive(Debug)]
pub(crate) struct AwaitUse {
    accepted: Verdict,
}

impl AwaitUse {
    pub(crate) fn finish(self, committed: Committed) -> Verdict {
        match committed {
            Committed::Done => self.accepted,
            // A parallel connection was first, and has the token.
            Committed::WithoutSuccessor => Verdict { token: None, ..self.accepted },
            Committed::Replayed => Verdict::of(Outcome::Replayed),
            Committed::Gone | Committed::Full => Verdict::of(Outcome::Stale),
        }
    }
}
