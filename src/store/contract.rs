//! The contract of a server's store.

use core::fmt;
use std::sync::Arc;

use crate::assertion::{
    AccountSecret, AccountState, AssertionId, DeviceId, LineageRecord, LoginId, Origin, Record, Salt, Scope, Service,
    TokenId, TokenRecord, TokenSlot,
};
use crate::channel::Handle;
use crate::store::Sought;
use crate::time::Timestamp;

/// At most this many successors of an assertion wait for their first use.
pub const MAX_PENDING_SUCCESSORS: usize = 2;

/// The store does not answer, or not in time. The client is told to come back later; nothing is assumed of what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store does not answer")]
pub struct Unavailable;

/// What a mechanism needs to know: at most one record, one lineage, the tokens of one client, and the state of one account.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Lookup<'a> {
    /// Who the client says it is, where its message says so. What else is asked for belongs to this login; a store that is spread over
    /// many machines finds the right one by it.
    pub login: Option<LoginOf<'a>>,
    /// The assertion that the client named.
    pub assertion: Option<AssertionId>,
    /// The connection that this one resumes, where that matters.
    pub handle: Option<Handle>,
    /// The client whose tokens are asked for.
    pub token: Option<TokenId>,
    /// Whether the state of the login's account is asked for.
    pub account: bool,
}

impl Lookup<'_> {
    /// The same, apart from the message that it comes from.
    pub fn owned(&self) -> Lookup<'static> {
        Lookup { login: self.login.map(|login| login.id().into()), ..*self }
    }
}

/// Whose login something belongs to. What a message says of it is hashed only for a store that asks for its [`id`](Self::id).
#[derive(Clone, Copy)]
pub struct LoginOf<'a>(Whose<'a>);

#[derive(Clone, Copy)]
enum Whose<'a> {
    Id(LoginId),
    Names { service: &'a str, server_name: &'a str, login_name: &'a str },
}

impl<'a> LoginOf<'a> {
    pub(crate) fn names(service: &'a str, server_name: &'a str, login_name: &'a str) -> Self {
        Self(Whose::Names { service, server_name, login_name })
    }

    /// The id of the login.
    pub fn id(&self) -> LoginId {
        match self.0 {
            Whose::Id(id) => id,
            Whose::Names { service, server_name, login_name } => LoginId::of_names(service, server_name, login_name),
        }
    }
}

impl From<LoginId> for LoginOf<'_> {
    fn from(id: LoginId) -> Self {
        Self(Whose::Id(id))
    }
}

impl PartialEq for LoginOf<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for LoginOf<'_> {}

impl fmt::Debug for LoginOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id().fmt(f)
    }
}

/// What the store knows of it. Expired and revoked records are given as they are, as long as they are kept: the mechanism
/// decides, and can then tell their own client so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The record of the assertion.
    pub record: Sought<Record>,
    /// Who authenticated on the connection of the handle.
    pub lineage: Option<Arc<LineageRecord>>,
    /// The client's tokens.
    pub token: Sought<TokenRecord>,
    /// The state of the account; there only where the account has a secret.
    pub account: Sought<AccountState>,
}

/// What must be durable before the client is told that it succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Commit {
    /// After a full login.
    Remember(Remember),
    /// An assertion is used, and that changes something.
    Use(Use),
    /// A token is used, and that changes something.
    Token(TokenUse),
    /// An account needs its secret, or needs it for longer. If it isn't this one that the account has then, the outcome is
    /// [`Committed::WithoutSuccessor`]. If the client was revoked, or one that was found is gone, it is [`Committed::Gone`]: what was sealed with it
    /// is over. An account that the store does not know is made for one that is new.
    Secret(NewSecret),
    /// A recognised client's connection may be resumed in its turn. Unlike the others it may follow the reply.
    Link(Link),
}

/// New records and a new token of one client, and its connection's lineage. Of one that leaves none of these, the secret says which it is: it is
/// [`Committed::Gone`] where [`Commit::Secret`] is. So it is where not all of it is of one client of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remember {
    /// One for each mechanism and scope; empty where policy or channel allow none.
    pub records: Vec<Record>,
    /// A new token of the client, which takes the place of all that it had; see [`StoredTokens::following`](super::StoredTokens::following).
    pub token: Option<Box<TokenRecord>>,
    /// This connection, for those that resume it.
    pub link: Option<Link>,
    /// The secret of the account, unless it has one.
    pub secret: Option<NewSecret>,
}

impl Remember {
    /// Whether all of it is one client's of one account.
    pub(super) fn is_of_one_client(&self) -> bool {
        let records = self.records.iter().map(|record| (&record.identity, record.device));
        let token = self.token.iter().map(|token| (&token.identity, token.device));
        let link = self.link.iter().map(|link| (&link.lineage.identity, link.lineage.device));
        let secret = self.secret.iter().map(|new| (&new.identity, new.device));
        let mut all = records.chain(token).chain(link).chain(secret);
        all.next().is_none_or(|first| all.all(|other| other == first))
    }
}

/// The use of an assertion. It is applied as a whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The assertion.
    pub assertion: AssertionId,
    /// The counter to mark as used; when it was used before, nothing else is applied either.
    pub counter: Option<u64>,
    /// It is the first use: the record stops being tentative, those for other mechanisms of the same device and scope go, as do the
    /// other successors of what it succeeds; that itself goes after the grace.
    pub confirm: bool,
    /// When the predecessor of a successor used for the first time ends.
    pub predecessor_until: Timestamp,
    /// A successor to add, unless [`MAX_PENDING_SUCCESSORS`] of them already wait. One that has waited for as long as the grace gives way, the
    /// oldest first. One that is there already is not added twice, and is [`Committed::Done`]; one of another client or account is not added.
    pub successor: Option<Box<Record>>,
    /// The assertion ends by this time at the latest, as a sealed one takes its place.
    pub ends: Option<Timestamp>,
    /// The secret of the account, unless it has one. If it has another one, the outcome is [`Committed::WithoutSuccessor`], and the assertion
    /// does not end either.
    pub secret: Option<NewSecret>,
}

/// A secret for the account of a login, with which something is sealed for a client. The first one stays, until nothing needs it any more, or
/// the account is revoked as a whole; this one is set where there is none, and goes on for longer where it is the account's. Either way the login
/// finds the account's own from then on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSecret {
    /// The login.
    pub login: LoginId,
    /// The account, as the server calls it: 1 to 255 octets.
    pub identity: Arc<str>,
    /// The secret.
    pub secret: AccountSecret,
    /// It is the account's already, by a [lookup](AccountState). If it is no more by now, it isn't set: what was revoked went with it.
    pub found: bool,
    /// The client.
    pub device: DeviceId,
    /// When it logged in fully. A revocation of all clients by a clock that is behind reaches it also when the store knows nothing else of it.
    pub full_login: Timestamp,
    /// Until when the secret is needed: it outlasts whatever is sealed with it.
    pub until: Timestamp,
}

/// The use of a token. It is applied as a whole or not at all, by the rules of [`StoredTokens`](super::StoredTokens).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenUse {
    /// Whose.
    pub token: TokenId,
    /// Which of the client's tokens. The use of the new one makes it the current one.
    pub salt: Salt,
    /// The count to mark as used; when it was used before, nothing else is applied either.
    pub count: Option<u64>,
    /// The client logs out: all its tokens end.
    pub invalidate: bool,
    /// A new token to wait for its first use, unless one for the same mechanism, of this service key or a later one, already does.
    pub issue: Option<Box<TokenSlot>>,
}

/// Who authenticated on a connection.
///
/// A store compares it with what it has under `handle` and `predecessor`. If that is another identity's, two identities share a
/// session: every lineage of the other identity becomes shared, and this one is stored as shared. If it is shared already, so is
/// this one. That happens whatever else comes of the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The connection's own handle.
    pub handle: Handle,
    /// Who it was.
    pub lineage: LineageRecord,
    /// The connection that it resumes.
    pub predecessor: Option<Handle>,
    /// The client need not be known: it holds a sealed assertion, of which the store has no record. It must not have been revoked.
    pub sealed: bool,
}

/// What a commit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// Everything is durable.
    Done,
    /// Everything but the successor or the new token, of which enough wait already.
    WithoutSuccessor,
    /// Nothing: the counter was used before.
    Replayed,
    /// Nothing: the record or the client went, or was revoked, since it was looked up; or the login was before the account was
    /// revoked.
    Gone,
    /// Nothing: there is no room for another client, and none is logged out to make some.
    Full,
}

impl Committed {
    /// Whether what had to be durable is; a successor that found no room costs nothing.
    pub const fn is_durable(self) -> bool {
        matches!(self, Self::Done | Self::WithoutSuccessor)
    }
}

/// A client of an account, for the list that a user is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its id within the account.
    pub id: DeviceId,
    /// When it logged in fully.
    pub created: Timestamp,
    /// When it was last seen to be recognised, or logged in.
    pub last_used: Timestamp,
    /// How strong its full login was.
    pub origin: Origin,
    /// The service that it logged in to.
    pub service: Service,
}

/// Which clients of an account to forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoke {
    /// This one. Where as many were revoked by themselves as are remembered ([`Revocations::MAX_DEVICES`](crate::assertion::Revocations::MAX_DEVICES)), all
    /// that logged in until now, in whatever is stored of them.
    Device(DeviceId),
    /// All but this one: "log out everywhere else".
    AllBut(DeviceId),
    /// All, as after a change of password.
    All,
    /// None, but this one assertion of a client, and the successors of it that wait. The store has to have it: one that is sealed, or was in its
    /// life, ends with its client only.
    Assertion(AssertionId),
}

/// A server's store, as a synchronous library sees it. An asynchronous one has the same calls and the same contract.
///
/// - **Atomicity.** A [`Commit`] is applied as a whole or not at all, as one step against every other commit and revocation, on all
///   nodes that share the store. It is durable when the call returns. A lookup may come upon each thing that it asks for at a
///   different moment.
/// - **Counters.** A fresh counter less than [`Window::WIDTH`](super::Window::WIDTH) behind the highest is accepted, 0 never; one further behind
///   may be. From 2^53 on a store may refuse them.
/// - **No false negative.** A counter that was accepted is never accepted again for that assertion, whatever crashes. A store
///   that can't promise it after a restart has to forget the record with its window: the client then logs in fully, once.
///   A false positive (a fresh counter taken for a replay) costs its client one full login; a lost record the same.
/// - **Revocation.** Once [`revoke`](Self::revoke) returned, no lookup gives an unrevoked record or lineage of that client, and a
///   [`Remember`] of a login that came before a revocation of the account is [`Committed::Gone`]. A client of a known account is revoked also
///   where the store has nothing of it.
/// - **Secrets.** An account's secret is there for as long as a revocation of any of its clients has to be remembered. When the one is
///   lost, so is the other: what was sealed with the secret is then refused, revoked or not.
/// - **Again.** A commit whose outcome was unknown may be made again: what is there already is not added twice. Only a counter or a
///   count that it marked is then one that was used before.
/// - **No change by failure.** A commit that does not answer [`Committed::Done`] or [`Committed::WithoutSuccessor`] changed nothing, but for
///   sessions that became shared by it ([`Link`]).
/// - **Bounds.** It never grows beyond its configured size, and never forgets a used record of one account because of what
///   another does.
pub trait Store: fmt::Debug + Send + Sync {
    /// One read: the record and the lineage asked for.
    ///
    /// # Errors
    /// [`Unavailable`] when the store does not answer in time.
    fn lookup(&self, lookup: &Lookup<'_>, now: Timestamp) -> Result<Found, Unavailable>;

    /// One atomic, durable write.
    ///
    /// # Errors
    /// [`Unavailable`] when the store does not answer in time; whether it was applied is then unknown.
    fn commit(&self, commit: &Commit, now: Timestamp) -> Result<Committed, Unavailable>;

    /// The clients of an account that are known now, oldest first. One whose assertion is sealed is there as long as the store has a session
    /// of it, or a record that was not sealed yet.
    ///
    /// # Errors
    /// [`Unavailable`] when the store does not answer in time.
    fn devices(&self, identity: &str, scope: Option<&Scope>, now: Timestamp) -> Result<Vec<Device>, Unavailable>;

    /// Ends clients of an account, in every service; returns how many that were known, live and not revoked before. An assertion counts
    /// as one.
    ///
    /// # Errors
    /// [`Unavailable`] when the store does not answer in time.
    fn revoke(&self, identity: &str, which: Revoke, now: Timestamp) -> Result<usize, Unavailable>;

    /// Ends every client of every account that logged in until now: the service starts anew. Nothing is counted.
    ///
    /// # Errors
    /// [`Unavailable`] when the store does not answer in time.
    fn revoke_everyone(&self, now: Timestamp) -> Result<(), Unavailable>;
}
