//! Which TLS facts are those of a stream.

use crate::channel::{ChannelFacts, EndPoint, ServerName};
use crate::mechanism::{Connection, Server};
use crate::store::client::{self, Account, Accounts};

/// What carries a stream between client and server, as far as TLS goes.
///
/// A recognised client is recognised on a TLS connection. Where that connection is not the stream's alone, it says nothing of
/// who is at the other end of this stream, and this type forgets what must not be believed. The last two are a [`Manager`].
///
/// | carried by | EXTERNAL, lineage | `-EXPR` | `-ENDP` | `-NONE` |
/// | --- | --- | --- | --- | --- |
/// | TCP; a WebSocket on a connection of its own; either through a front end that forwards its facts | yes | yes | yes | yes |
/// | BOSH; WebSockets that share a connection | never | never | yes | yes |
/// | the operator's own connection manager | never | never | by its certificate | yes |
/// | somebody else's connection manager | never | never | never | no assertion comes of it |
///
/// Without lineage nothing ties an `-ENDP` or `-NONE` proof to one client: whoever ends TLS in the client's sight can use it
/// once. [`Policy::weakest_binding`](crate::assertion::Policy::weakest_binding) is where an operator says whether that will do.
#[derive(Clone, Debug)]
pub struct Path(ChannelFacts);

impl Path {
    /// TCP with TLS, whose facts these are.
    pub const fn tcp(facts: ChannelFacts) -> Self {
        Self(facts)
    }

    /// A WebSocket on a TLS connection of its own, whose facts these are: one that began with an Upgrade of HTTP/1.1, after
    /// which nothing else can be on it.
    pub const fn websocket(facts: ChannelFacts) -> Self {
        Self(facts)
    }

    /// A WebSocket on a TLS connection that carries other streams or requests too, as with HTTP/2 and HTTP/3 (RFC 8441, RFC
    /// 9220).
    pub fn shared_websocket(facts: ChannelFacts) -> Self {
        Self(facts.of_no_single_connection())
    }

    /// BOSH, of which these are the facts of the connection that the login comes on, at the server, or of any at the client. A
    /// session's requests come on several connections, of which each may carry other sessions.
    pub fn bosh(facts: ChannelFacts) -> Self {
        Self(facts.of_no_single_connection())
    }

    /// Client: a WebSocket or BOSH by something that tells nothing of its TLS, such as a browser; only the host of the URL is
    /// known. Whether the channel is private is left to the server, which sees the same connection.
    pub fn untold(host: ServerName) -> Self {
        Self(ChannelFacts::tls13().server_name(host))
    }

    /// The facts that may be believed.
    pub const fn facts(&self) -> &ChannelFacts {
        &self.0
    }

    /// Server: the connection that mechanisms are tried on. One that was resumed has something to look up first.
    pub fn accept(self, server: &Server) -> Connection<'_> {
        Connection::new(server, self.0)
    }

    /// Client: the connection that mechanisms are tried on.
    pub fn connect<'a>(self, accounts: &'a Accounts, account: &Account) -> client::Connection<'a> {
        accounts.connect(account, self.0)
    }
}

/// Server: a connection manager, or a front end that forwards nothing and may carry several users over one TLS session.
///
/// Only configuration can say that a peer is one, by its address or its TLS client certificate: nothing in the protocol does. Of
/// the TLS connection between it and the server nothing is asked, as that is none of its users'.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manager {
    /// Somebody else's. It may carry logins, and no client becomes known by them: what a grant would be sent in, it reads.
    Foreign,
    /// The operator's own, which the operator trusts like the server itself to tell its users apart, and to accept nothing but
    /// TLS 1.3, or TLS 1.2 with the extended master secret and sessions that it keeps itself, and no early data (a request that could be sent again).
    Own {
        /// The name that its users connect to; one of the server's.
        host: ServerName,
        /// The tls-server-end-point of the one certificate that it shows to them.
        certificate: Option<EndPoint>,
    },
}

impl Manager {
    /// The connection that the mechanisms of one of its users are tried on.
    pub fn accept<'s>(&self, server: &'s Server) -> Connection<'s> {
        let facts = ChannelFacts::tls13().configured();
        match self {
            Self::Foreign => Connection::new(server, facts).through_manager(),
            Self::Own { host, certificate } => {
                let facts = facts.assumed_server_name(host.clone());
                let facts = match certificate {
                    Some(end_point) => facts.end_point(end_point.clone()),
                    None => facts,
                };
                Connection::new(server, facts)
            }
        }
    }
}
