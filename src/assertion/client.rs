//! The client's half of an assertion.

use core::fmt;

use zeroize::Zeroizing;

use super::origin::valid_login_name;
use super::renewal::Renewal;
use super::schedule::{self, Keys};
use super::serial::{self, InvalidAssertion, origin_octet, read_lp, read_origin, read_str, read_u64};
use super::{AssertionId, CannotDerive, FullLogin, OfferHash, Origin, Pin, Policy, Scope, Sealed, Service};
use crate::channel::{ChannelFacts, Exporter, ServerName};
use crate::crypto::{Absorb, Kept, Secret};
use crate::time::Timestamp;

/// What the client keeps: the key that proves who it is, and the key that proves who the server is.
///
/// [`to_bytes`](Self::to_bytes) gives what an application puts into the platform's keyring, to be read back after a restart.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientAssertion {
    pub(crate) pin: Pin,
    pub(crate) scope: Scope,
    pub(crate) login_name: Box<str>,
    pub(crate) id: AssertionId,
    pub(crate) client_key: Kept,
    pub(crate) server_key: Kept,
    /// The id of the assertion that the full login made; its successors keep it.
    pub(crate) family: AssertionId,
    /// The assertion that this one succeeds, until this one worked.
    pub(crate) renews: Option<AssertionId>,
    /// The server's record of it, which the server does not keep: sent with each proof instead of the id.
    pub(crate) sealed: Option<Box<str>>,
    pub(crate) offer: Option<OfferHash>,
    pub(crate) origin: Origin,
    pub(crate) full_login: Timestamp,
    pub(crate) issued: Timestamp,
    pub(crate) expires: Timestamp,
    pub(crate) counter: u64,
}

impl ClientAssertion {
    /// A *derived* assertion, right after a full login on this channel.
    ///
    /// Specified by the draft in "Derived Assertions".
    ///
    /// # Errors
    /// [`CannotDerive`] when the channel is not fit for `pin`, or `policy` refuses the login's origin.
    pub fn derive(
        pin: Pin,
        service: &Service,
        login: &FullLogin,
        facts: &ChannelFacts,
        exporter: &dyn Exporter,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Self, CannotDerive> {
        pin.check_channel(facts)?;
        let scope = Scope::new(service.clone(), facts.name().clone());
        Self::derive_for(pin, &scope, login, facts, exporter, policy, now)
    }

    /// A derived assertion for a *sibling*: another service of the same provider, which the server makes known there too.
    ///
    /// Specified by the draft in "Sibling Services".
    ///
    /// The channel binding of `pin` is asked of that service's own channel when the assertion is used, not of this one.
    ///
    /// # Errors
    /// As for [`derive`](Self::derive).
    pub fn derive_for(
        pin: Pin,
        scope: &Scope,
        login: &FullLogin,
        facts: &ChannelFacts,
        exporter: &dyn Exporter,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Self, CannotDerive> {
        facts.keys_are_private()?;
        if !facts.is_of(exporter)? {
            return Err(CannotDerive::OtherConnection);
        }
        let context = schedule::context(pin, scope, login);
        let seed = schedule::derived_seed(exporter, &context)?;
        Self::from_seed(pin, scope, login, &seed, &context, policy, now)
    }

    /// A *granted* assertion, from the 32 octets that the server sent after a full login on this channel.
    ///
    /// Specified by the draft in "Granted Assertions".
    ///
    /// # Errors
    /// As for [`derive`](Self::derive), and [`CannotDerive::WeakBinding`] for a pin that the policy does not take; no exporter is needed, except
    /// for `-EXPR`.
    pub fn granted(
        pin: Pin,
        service: &Service,
        login: &FullLogin,
        facts: &ChannelFacts,
        seed: &[u8; 32],
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Self, CannotDerive> {
        if !policy.takes(pin.binding()) {
            return Err(CannotDerive::WeakBinding);
        }
        pin.check_channel(facts)?;
        let scope = Scope::new(service.clone(), facts.name().clone());
        let context = schedule::context(pin, &scope, login);
        let mut secret = Secret::zeroed(32);
        secret.as_mut().copy_from_slice(seed);
        Self::from_seed(pin, &scope, login, &secret, &context, policy, now)
    }

    fn from_seed(
        pin: Pin,
        scope: &Scope,
        login: &FullLogin,
        seed: &Secret,
        context: &Secret,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Self, CannotDerive> {
        let expires = policy.expiry(login.origin(), now, now).ok_or(CannotDerive::Origin)?;
        // Until it was used, the server keeps it for a shorter time.
        let expires = expires.min(now.after(policy.tentative_lifetime));
        let session_key = login.session_key.as_ref().map_or(&b""[..], AsRef::as_ref);
        let Keys { id, client, server } = schedule::keys(pin, seed.as_ref(), session_key, context.as_ref());
        Ok(Self {
            pin,
            scope: scope.clone(),
            login_name: login.login_name.clone(),
            id,
            client_key: client.into(),
            server_key: server.into(),
            family: id,
            renews: None,
            sealed: None,
            offer: None,
            origin: login.origin(),
            full_login: now,
            issued: now,
            expires,
            counter: 0,
        })
    }

    /// The successor that the server announced with `renewal` in an exchange whose transcript hash is `transcript`.
    pub(crate) fn renewed(
        &self,
        renewal: &Renewal,
        transcript: &Secret,
        facts: &ChannelFacts,
        expires: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Self> {
        let seed = renewal.seed(self.pin, self.server_key.secret(), transcript, facts)?;
        let Keys { id, client, server } = schedule::keys(self.pin, seed.as_ref(), b"", b"");
        Some(Self {
            id,
            client_key: client.into(),
            server_key: server.into(),
            renews: Some(self.id),
            issued: now,
            expires: expires.unwrap_or(self.expires),
            counter: 0,
            ..self.clone()
        })
    }

    /// The server sent its record of this assertion, sealed, for the client to keep. `None` for what can't be one.
    #[must_use]
    pub fn sealed(mut self, text: &str) -> Option<Self> {
        Sealed::parse(text)?;
        self.sealed = Some(text.into());
        Some(self)
    }

    /// Whether the client keeps the server's record of it.
    pub fn is_sealed(&self) -> bool {
        self.sealed.is_some()
    }

    /// Remembers what the server offered before the login, to be compared by the server at every reconnect (`f=`).
    #[must_use]
    pub fn offered<'a>(mut self, mechanisms: impl IntoIterator<Item = &'a str>) -> Self {
        self.offer = Some(OfferHash::of(self.pin.hash(), mechanisms));
        self
    }

    /// The next counter, for a mechanism that needs one and for early data. Store the assertion before the message is sent: a counter that is
    /// used twice is refused as a replay. The first is 1.
    pub fn next_counter(&mut self) -> u64 {
        self.counter = self.counter.saturating_add(1);
        self.counter
    }

    /// The mechanism it is for.
    pub fn pin(&self) -> Pin {
        self.pin
    }

    /// The service and server name it is for.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The name that the client logged in under.
    pub fn login_name(&self) -> &str {
        &self.login_name
    }

    /// The name that messages call it by.
    pub fn id(&self) -> &AssertionId {
        &self.id
    }

    /// The id of the assertion that the full login made, which all its successors share.
    pub fn family(&self) -> &AssertionId {
        &self.family
    }

    /// When it was made.
    pub fn issued(&self) -> Timestamp {
        self.issued
    }

    /// When it ends as far as the client knows; the server's word, where it gave one.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// How strong the full login behind it was.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The assertion as octets, secret ones: version 1, then every field with its length. About 300 octets, 500 with a sealed
    /// one, 1,500 at most.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        // Never grown: what a vector leaves behind when it grows is not wiped.
        let mut out = Zeroizing::new(Vec::with_capacity(1536));
        out.absorb(MAGIC);
        out.absorb(&[VERSION]);
        out.lp(self.pin.name().as_bytes());
        out.lp(self.scope.service.as_str().as_bytes());
        out.lp(self.scope.server_name.as_str().as_bytes());
        out.lp(self.login_name.as_bytes());
        out.lp(&self.id.0);
        out.lp(&self.family.0);
        out.lp(self.renews.as_ref().map_or(&[][..], |id| &id.0));
        out.lp(self.client_key.as_ref());
        out.lp(self.server_key.as_ref());
        out.lp(self.offer.as_ref().map_or(&[][..], |offer| &offer.0));
        out.lp(self.sealed.as_deref().unwrap_or_default().as_bytes());
        out.absorb(&[origin_octet(self.origin)]);
        for number in [self.full_login.as_secs(), self.issued.as_secs(), self.expires.as_secs(), self.counter] {
            out.absorb(&number.to_be_bytes());
        }
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// [`InvalidAssertion`]: other octets, another version, or damage.
    pub fn from_bytes(octets: &[u8]) -> Result<Self, InvalidAssertion> {
        let rest = serial::body(octets, MAGIC, VERSION)?;
        Self::read(rest).ok_or(InvalidAssertion::Damaged)
    }

    fn read(mut rest: &[u8]) -> Option<Self> {
        let input = &mut rest;
        let name = read_str(input)?;
        let pin = Pin::from_name(name).filter(|pin| pin.name() == name)?;
        let service = Service::parse(read_str(input)?).ok()?;
        let name = read_str(input)?;
        let server_name = ServerName::parse(name).ok().filter(|parsed| parsed.as_str() == name)?;
        let login_name = Some(read_str(input)?).filter(|name| valid_login_name(name))?.into();
        let id = AssertionId(read_lp(input)?.try_into().ok()?);
        let family = AssertionId(read_lp(input)?.try_into().ok()?);
        let renews = match read_lp(input)? {
            [] => None,
            id => Some(AssertionId(id.try_into().ok()?)),
        };
        let client_key = Kept::from(Secret::new(read_lp(input)?)?);
        let server_key = Kept::from(Secret::new(read_lp(input)?)?);
        let client_len = if pin.signs() { 32 } else { pin.hash().output_len() };
        if client_key.as_ref().len() != client_len || server_key.as_ref().len() != pin.hash().output_len() {
            return None;
        }
        let offer = match read_lp(input)? {
            [] => None,
            offer => Some(OfferHash(offer.try_into().ok()?)),
        };
        let sealed = match read_str(input)? {
            "" => None,
            sealed => Some(Sealed::parse(sealed).map(|_| sealed.into())?),
        };
        let origin = read_origin(input)?;
        let full_login = Timestamp::from_secs(read_u64(input)?);
        let issued = Timestamp::from_secs(read_u64(input)?);
        let expires = Timestamp::from_secs(read_u64(input)?);
        let counter = read_u64(input)?;
        let scope = Scope { service, server_name };
        rest.is_empty().then_some(Self {
            pin,
            scope,
            login_name,
            id,
            client_key,
            server_key,
            family,
            renews,
            sealed,
            offer,
            origin,
            full_login,
            issued,
            expires,
            counter,
        })
    }
}

const MAGIC: &[u8] = b"IKnowYou";
const VERSION: u8 = 1;

impl fmt::Debug for ClientAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAssertion")
            .field("pin", &self.pin)
            .field("scope", &self.scope)
            .field("login_name", &self.login_name)
            .field("id", &self.id)
            .field("family", &self.family)
            .field("origin", &self.origin)
            .field("issued", &self.issued)
            .field("expires", &self.expires)
            .field("counter", &self.counter)
            .finish_non_exhaustive()
    }
}
