//! What is known of one TLS connection.

use core::fmt;

use super::{EndPoint, Handle, Lineage, ServerName};
use crate::crypto::Secret;

/// The protocol versions that can carry fast reauthentication at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

/// Where the server keeps the state of a session between two connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tickets {
    /// In the server: the ticket or session id is a name for it.
    Stateful,
    /// In the ticket, under the server's ticket key; also the answer when it is not known which.
    Stateless,
}

/// How this connection came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// A full handshake: the server showed its certificate.
    Full,
    /// TLS really resumed an earlier session; an offer to resume alone is not this.
    Resumed,
}

/// RFC 5705 and RFC 8446 section 7.5 keying material, as any TLS stack can give it.
///
/// Every closure of the same shape is one: `|label, context, out| connection.export(out, label, Some(context))`.
/// The context is always present, also where it is empty: TLS 1.2 tells the two apart.
pub trait Exporter {
    /// Fills `out` with `TLS-Exporter(label, context, out.len())`.
    ///
    /// # Errors
    /// [`ExporterUnavailable`] when the handshake is not finished, or the stack or front end has no exporter.
    fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), ExporterUnavailable>;
}

impl<F> Exporter for F
where
    F: Fn(&[u8], &[u8], &mut [u8]) -> Result<(), ExporterUnavailable>,
{
    fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), ExporterUnavailable> {
        self(label, context, out)
    }
}

/// The TLS exporter can't be had here, or not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no TLS exporter: the handshake is unfinished, or whoever terminates TLS forwards none")]
pub struct ExporterUnavailable;

/// Why a channel can't carry an exporter-based assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsuitable {
    /// TLS 1.2 without the extended master secret (RFC 7627): two connections can share a secret, and so an exporter.
    #[error("TLS 1.2 without the extended master secret")]
    NoExtendedMasterSecret,
    /// No (EC)DHE: whoever has the ticket or the pre-shared key can recompute the exporter.
    #[error("the key exchange had no (EC)DHE")]
    NoForwardSecrecy,
    /// TLS 1.2 with stateless tickets: they carry the master secret, so whoever has the ticket key can recompute the exporter.
    #[error("TLS 1.2 with stateless tickets")]
    Tls12StatelessTickets,
    /// There is no exporter.
    #[error("no TLS exporter")]
    NoExporter,
    /// The server's certificate is not known, or has no tls-server-end-point.
    #[error("no tls-server-end-point")]
    NoEndPoint,
    /// There is no tls-unique: TLS 1.3 has none, and not every stack gives it for TLS 1.2.
    #[error("no tls-unique")]
    NoUnique,
    /// The login came as TLS 1.3 early data, so it may be a replay.
    #[error("the login came as early data")]
    EarlyData,
}

/// What one end knows of its TLS connection, after the handshake.
///
/// Specified by the draft in "Facts".
///
/// Made with [`ChannelFacts::tls13`] or [`ChannelFacts::tls12`], then one method a fact. Both stand for a handshake with (EC)DHE:
/// a stack that knows the other kinds has to say [`without_forward_secrecy`](Self::without_forward_secrecy). Any other fact that
/// is not given counts as unknown, and what would need it is refused.
#[derive(Clone)]
pub struct ChannelFacts {
    version: TlsVersion,
    extended_master_secret: bool,
    forward_secret: bool,
    handshake: Handshake,
    tickets: Tickets,
    early_data: bool,
    server_name: ServerName,
    server_name_seen: bool,
    exported: Option<Exported>,
    early_exported: Option<Secret>,
    exporter_to_come: bool,
    end_point: Option<EndPoint>,
    unique: Option<Secret>,
    handle: Option<Handle>,
    predecessor: Option<Handle>,
    whose: Whose,
}

/// What the connection that was asked carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// One user, all of whose octets are on it.
    One,
    /// Others too, or not all of this one's.
    Several,
    /// A connection manager's own octets: these facts are configured, and no connection is asked.
    #[cfg(feature = "xmpp")]
    Configured,
}

#[derive(Clone)]
struct Exported {
    tls_exporter: Secret,
    iky: Option<ForIky>,
}

/// What only the exporter itself gives.
#[derive(Clone)]
struct ForIky {
    lineage: Lineage,
    renewal: Secret,
}

impl ChannelFacts {
    /// TLS 1.3 with (EC)DHE, a full handshake, nothing else known yet.
    pub fn tls13() -> Self {
        Self {
            version: TlsVersion::Tls13,
            extended_master_secret: true,
            forward_secret: true,
            handshake: Handshake::Full,
            tickets: Tickets::Stateless,
            early_data: false,
            server_name: ServerName::none(),
            server_name_seen: false,
            exported: None,
            early_exported: None,
            exporter_to_come: false,
            end_point: None,
            unique: None,
            handle: None,
            predecessor: None,
            whose: Whose::One,
        }
    }

    /// TLS 1.2, saying whether the extended master secret (RFC 7627) was negotiated; a stack that can't tell says `false`.
    pub fn tls12(extended_master_secret: bool) -> Self {
        Self { version: TlsVersion::Tls12, extended_master_secret, ..Self::tls13() }
    }

    /// The key exchange had no (EC)DHE: TLS 1.3 `psk_ke`, or TLS 1.2 with static RSA.
    #[must_use]
    pub fn without_forward_secrecy(mut self) -> Self {
        self.forward_secret = false;
        self
    }

    /// TLS really resumed an earlier session.
    #[must_use]
    pub fn resumed(mut self) -> Self {
        self.handshake = Handshake::Resumed;
        self
    }

    /// Where the server keeps the sessions of this connection, resumed or to come; [`Tickets::Stateless`] until said otherwise.
    #[must_use]
    pub fn tickets(mut self, tickets: Tickets) -> Self {
        self.tickets = tickets;
        self
    }

    /// What the client sends now travels, or may have travelled, as TLS 1.3 early data (RFC 8446 section 2.3).
    ///
    /// That is so for a message of which one octet came as early data, also if it is read after the handshake. What comes behind
    /// it on the same connection is as good as anything else: the facts for that are those without this.
    #[must_use]
    pub fn in_early_data(mut self) -> Self {
        self.early_data = true;
        self
    }

    /// The server name that the client sent, or [`ServerName::none`] where it is known to have sent none.
    ///
    /// A server behind a front end that does not forward it gives the name that it is configured with instead, by
    /// [`assumed_server_name`](Self::assumed_server_name).
    #[must_use]
    pub fn server_name(mut self, name: ServerName) -> Self {
        self.server_name = name;
        self.server_name_seen = true;
        self
    }

    /// The server name that a server assumes because it can't see the client's.
    #[must_use]
    pub fn assumed_server_name(mut self, name: ServerName) -> Self {
        self.server_name = name;
        self.server_name_seen = false;
        self
    }

    /// The tls-exporter binding (RFC 9266) and the exporter values of IKY, read once, now.
    ///
    /// # Errors
    /// [`ExporterUnavailable`] as the exporter says.
    pub fn exporter(mut self, exporter: &dyn Exporter) -> Result<Self, ExporterUnavailable> {
        let read = |label: &[u8]| {
            let mut value = Secret::zeroed(32);
            exporter.export(label, b"", value.as_mut()).map(|()| value)
        };
        let tls_exporter = read(b"EXPORTER-Channel-Binding")?;
        let lineage = Lineage::from_secret(read(b"EXPORTER-SASL-IKY-Lineage")?);
        let renewal = read(b"EXPORTER-SASL-IKY-Renew")?;
        self.exported = Some(Exported { tls_exporter, iky: Some(ForIky { lineage, renewal }) });
        self.exporter_to_come = false;
        Ok(self)
    }

    /// The tls-exporter binding alone (RFC 9266), of 32 octets, where an application hands over its channel binding and no
    /// exporter: enough to be recognised by. There is no lineage then, and a renewal takes granted octets.
    ///
    /// # Errors
    /// [`ExporterUnavailable`] for any other length.
    pub fn tls_exporter_alone(mut self, binding: &[u8]) -> Result<Self, ExporterUnavailable> {
        let tls_exporter = Secret::new(binding).filter(|_| binding.len() == 32).ok_or(ExporterUnavailable)?;
        self.exported = Some(Exported { tls_exporter, iky: None });
        self.exporter_to_come = false;
        Ok(self)
    }

    /// The early exporter (RFC 8446 section 7.5), read once, now: `exporter` is that of the early exporter secret, which some TLS
    /// stacks have (`SSL_export_keying_material_early`); an [`ExporterSecret`](super::ExporterSecret) of that secret is one. It binds
    /// what is sent as early data, and nothing else.
    ///
    /// # Errors
    /// [`ExporterUnavailable`] as the exporter says.
    pub fn early_exporter(mut self, exporter: &dyn Exporter) -> Result<Self, ExporterUnavailable> {
        let mut value = Secret::zeroed(32);
        exporter.export(b"EXPORTER-SASL-IKY-Early", b"", value.as_mut())?;
        self.early_exported = Some(value);
        Ok(self)
    }

    /// The handshake is not finished yet, and will give an exporter: enough to list mechanisms in a half-RTT greeting.
    #[must_use]
    pub fn exporter_to_come(mut self) -> Self {
        self.exporter_to_come = true;
        self
    }

    /// The tls-server-end-point binding (RFC 5929 section 4).
    #[must_use]
    pub fn end_point(mut self, end_point: EndPoint) -> Self {
        self.end_point = Some(end_point);
        self
    }

    /// The tls-unique binding (RFC 5929 section 3): the first Finished message of the last handshake, 12 octets or, with a cipher
    /// suite that says so, up to 64. It counts on TLS 1.2 with the extended master secret only.
    #[must_use]
    pub fn unique(mut self, finished: &[u8]) -> Self {
        self.unique = Secret::new(finished).filter(|_| finished.len() >= 12);
        self
    }

    /// Server: the fresh handle that was put into this connection's resumption data.
    #[must_use]
    pub fn handle(mut self, handle: Handle) -> Self {
        self.handle = Some(handle);
        self
    }

    /// Server: the handle that the resumed session brought back. It counts only on a connection that really resumed.
    #[must_use]
    pub fn predecessor(mut self, handle: Handle) -> Self {
        self.predecessor = Some(handle);
        self
    }

    /// What is left of these facts where they are those of one connection among several, or of one that carries several users: with HTTP,
    /// say. It is neither resumed nor to be resumed, and has no exporter.
    #[must_use]
    pub fn of_no_single_connection(mut self) -> Self {
        self.handshake = Handshake::Full;
        (self.exported, self.exporter_to_come, self.unique) = (None, false, None);
        self.early_exported = None;
        (self.handle, self.predecessor) = (None, None);
        self.whose = Whose::Several;
        self
    }

    /// The connection is a manager's, of which nothing is asked: these facts are all that there will be.
    #[cfg(feature = "xmpp")]
    pub(crate) fn configured(mut self) -> Self {
        self.whose = Whose::Configured;
        self
    }

    /// What is known once TLS says `facts` of the connection: no more than it can say of this user.
    pub(crate) fn updated(&self, facts: Self) -> Self {
        match self.whose {
            Whose::One => facts,
            Whose::Several => facts.of_no_single_connection(),
            #[cfg(feature = "xmpp")]
            Whose::Configured => self.clone(),
        }
    }

    /// The protocol version.
    pub fn version(&self) -> TlsVersion {
        self.version
    }

    /// Full or resumed.
    pub fn handshake(&self) -> Handshake {
        self.handshake
    }

    /// Whether TLS really resumed an earlier session.
    pub fn is_resumed(&self) -> bool {
        self.handshake == Handshake::Resumed
    }

    /// Where the server keeps the sessions of this connection.
    pub fn session_tickets(&self) -> Tickets {
        self.tickets
    }

    /// Whether what the client sends now is, or may be, early data.
    pub fn is_early_data(&self) -> bool {
        self.early_data
    }

    /// The server name, seen or assumed.
    pub fn name(&self) -> &ServerName {
        &self.server_name
    }

    /// Whether [`name`](Self::name) is what the client really sent.
    pub fn name_was_seen(&self) -> bool {
        self.server_name_seen
    }

    /// The tls-exporter channel binding (RFC 9266), 32 octets.
    pub fn tls_exporter(&self) -> Option<&[u8]> {
        self.exported.as_ref().map(|exported| exported.tls_exporter.as_ref())
    }

    /// What stands in for it in early data, 32 octets.
    pub(crate) fn tls_early_exporter(&self) -> Option<&[u8]> {
        self.early_exported.as_ref().map(AsRef::as_ref)
    }

    /// The tls-server-end-point channel binding (RFC 5929), 28 to 64 octets.
    pub fn tls_server_end_point(&self) -> Option<&[u8]> {
        self.end_point.as_ref().map(EndPoint::as_octets)
    }

    /// The tls-unique channel binding (RFC 5929), 12 to 64 octets; `None` on TLS 1.3, and without the extended master secret.
    pub fn tls_unique(&self) -> Option<&[u8]> {
        let defined = self.version == TlsVersion::Tls12 && self.extended_master_secret;
        self.unique.as_ref().filter(|_| defined).map(AsRef::as_ref)
    }

    pub(crate) fn exporter_is_to_come(&self) -> bool {
        self.exporter_to_come
    }

    /// The lineage of this connection itself, for its successors.
    pub fn lineage(&self) -> Option<&Lineage> {
        self.exported.as_ref()?.iky.as_ref().map(|values| &values.lineage)
    }

    /// Whether `exporter` is that of this very connection.
    pub(crate) fn is_of(&self, exporter: &dyn Exporter) -> Result<bool, ExporterUnavailable> {
        let mut value = Secret::zeroed(32);
        exporter.export(b"EXPORTER-Channel-Binding", b"", value.as_mut())?;
        Ok(self.exported.as_ref().is_some_and(|exported| exported.tls_exporter == value))
    }

    pub(crate) fn renewal(&self) -> Option<&Secret> {
        self.exported.as_ref()?.iky.as_ref().map(|values| &values.renewal)
    }

    /// Server: this connection's own handle.
    pub fn own_handle(&self) -> Option<&Handle> {
        self.handle.as_ref()
    }

    /// Server: the handle of the connection that this one resumes; `None` unless TLS really resumed.
    pub fn resumed_handle(&self) -> Option<&Handle> {
        if self.is_resumed() { self.predecessor.as_ref() } else { None }
    }

    /// Whether the exporter of this connection belongs to its two ends alone.
    ///
    /// Specified by the draft in "Private Channels".
    ///
    /// # Errors
    /// [`Unsuitable`], saying why a man in the middle or a thief of tickets may share it.
    pub fn exporter_is_private(&self) -> Result<(), Unsuitable> {
        self.keys_are_private()?;
        if self.exported.is_none() {
            return Err(Unsuitable::NoExporter);
        }
        Ok(())
    }

    /// The same question about the connection's keys, where no exporter is needed.
    ///
    /// # Errors
    /// As for [`exporter_is_private`](Self::exporter_is_private), except that an exporter may be missing.
    pub fn keys_are_private(&self) -> Result<(), Unsuitable> {
        self.handshake_is_private()?;
        if self.version == TlsVersion::Tls12 && self.tickets == Tickets::Stateless {
            return Err(Unsuitable::Tls12StatelessTickets);
        }
        Ok(())
    }

    /// Whether a full login here is one that its client makes now.
    pub(crate) fn is_no_early_data(&self) -> Result<(), Unsuitable> {
        if self.early_data { Err(Unsuitable::EarlyData) } else { Ok(()) }
    }

    /// Whether the handshake made keys that no other connection shares, whatever may become of its tickets.
    pub(crate) fn handshake_is_private(&self) -> Result<(), Unsuitable> {
        if !self.extended_master_secret {
            return Err(Unsuitable::NoExtendedMasterSecret);
        }
        if !self.forward_secret {
            return Err(Unsuitable::NoForwardSecrecy);
        }
        Ok(())
    }
}

impl fmt::Debug for ChannelFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelFacts")
            .field("version", &self.version)
            .field("extended_master_secret", &self.extended_master_secret)
            .field("forward_secret", &self.forward_secret)
            .field("handshake", &self.handshake)
            .field("tickets", &self.tickets)
            .field("early_data", &self.early_data)
            .field("server_name", &self.server_name)
            .field("server_name_seen", &self.server_name_seen)
            .field("exporter", &self.exported.is_some())
            .field("early_exporter", &self.early_exported.is_some())
            .field("end_point", &self.end_point.is_some())
            .field("unique", &self.unique.is_some())
            .field("handle", &self.handle)
            .field("predecessor", &self.predecessor)
            .finish()
    }
}
