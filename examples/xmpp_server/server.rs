//! The server: one account, a password, and this library. It takes messages, and delivers them to its standard output.
//!
//! tokio-xmpp has the stream, xmpp-parsers what is in its features and stanzas; the elements of a login are the library's.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fast_reauth::assertion::{self, HtMechanism, Issued};
use fast_reauth::mechanism::{Connection, Outcome, Verdict};
use fast_reauth::profile::xmpp::{
    Authenticate, Bound, ClientElement, Failure, IssuedToken, StreamHeader, Success, Version, challenge,
};
use fast_reauth::rustls::Recognition;
use fast_reauth::store::Store;
use futures::SinkExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;
use tokio_xmpp::xmlstream::{StreamHeader as Header, accept_stream};
use xmpp_parsers::bind2::BindFeature;
use xmpp_parsers::fast::{FastQuery, Mechanism};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::message::Message;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::sasl_cb::{SaslChannelBinding, Type};
use xmpp_parsers::sasl2::{Authentication, InlineFeatures};
use xmpp_parsers::stream_features::StreamFeatures;
use xmpp_parsers::{ns, sm};

use crate::common::service::Service;
use crate::common::wire::Counted;
use crate::common::{Fault, listen, now, random, scram, tls};
use crate::xmpp::{Ahead, PATIENCE, Xml, element, need, next, octets};

/// The host that it serves, unless told otherwise.
pub(crate) const NAME: &str = "xmpp.example.com";

const DAY: u64 = 86_400;

type Stream = Xml<Counted<TlsStream<TcpStream>>>;

/// A server with one account.
pub(crate) struct Peer {
    service: Service,
    name: String,
    mode: String,
}

/// Who logged in, and what `<success/>` is to say.
struct Welcome {
    name: String,
    message: Option<Vec<u8>>,
    token: Option<Issued>,
}

impl Peer {
    /// A server that, beside IKY and EXTERNAL, takes tokens for these mechanisms.
    pub(crate) fn new(
        name: &str,
        account: (&str, &str),
        store: Arc<dyn Store>,
        tokens: Vec<HtMechanism>,
        mode: &str,
    ) -> Result<Self, Fault> {
        const MODES: [&str; 6] = ["normal", "renew", "expire", "missing", "empty", "wrong"];
        if !MODES.contains(&mode) {
            return Err(format!("there is no mode {mode}: {}", MODES.join(", ")).into());
        }
        let service = Service::new(assertion::Service::XMPP, name, account, store)?.with_tokens(tokens)?;
        Ok(Self { service, name: name.to_owned(), mode: mode.to_owned() })
    }

    /// The same with nothing but tokens, as servers of others.
    #[allow(dead_code)] // only the client that shows itself has such a peer
    pub(crate) fn with_tokens_only(self) -> Self {
        Self { service: self.service.with_tokens_only(), ..self }
    }

    /// Serves its clients, and tells `say` what comes of each.
    pub(crate) async fn run(self, listener: &TcpListener, config: Arc<ServerConfig>, say: fn(String)) {
        let (peer, recognition) = (Arc::new(self), Arc::new(Recognition::new(config)));
        loop {
            let tcp = listen::accept(listener).await;
            let (peer, recognition) = (Arc::clone(&peer), Arc::clone(&recognition));
            tokio::spawn(async move {
                if let Err(fault) = peer.serve(&recognition, tcp, say).await {
                    say(format!("error {fault}"));
                }
            });
        }
    }

    async fn serve(&self, recognition: &Recognition, tcp: TcpStream, say: fn(String)) -> Result<(), Fault> {
        let (wire, mut connection) = tls::accept(&self.service, recognition, tcp).await?;
        let accepted = accept_stream(Ahead::new(wire.stream, Bytes::new()), ns::JABBER_CLIENT, PATIENCE).await?;
        let from = accepted.header().from.map(|from| from.into_owned());
        let header = StreamHeader { from: from.clone(), ..StreamHeader::default() };
        let (own, id) = (self.name.clone().into(), hex(random::<8>()?).into());
        let pending = accepted.send_header(Header { to: from.map(Into::into), from: Some(own), id: Some(id) }).await?;
        let mut xml: Stream = pending.send_features(&Self::features(&connection)).await?;
        while let Some(asked) = next(&mut xml).await? {
            let asked = octets(&asked);
            let ClientElement::Authenticate(login) = ClientElement::parse(&asked)? else {
                return Err(format!("a login was due, not {}", String::from_utf8_lossy(&asked)).into());
            };
            let mechanism = login.request.mechanism.as_str();
            let welcome = match mechanism {
                scram::MECHANISM => self.password(&mut xml, &mut connection, &login).await?,
                _ => self.known(&mut connection, &header, &login, say)?,
            };
            match welcome {
                Ok(welcome) => {
                    if mechanism == scram::MECHANISM {
                        let token = if welcome.token.is_some() { " token" } else { "" };
                        say(format!("login {mechanism} {}{token}", welcome.name));
                    }
                    xml.send(&self.success(welcome)?).await?;
                    xml.send(&StreamFeatures::default()).await?;
                    return self.stanzas(&mut xml, say).await;
                }
                Err(failure) => xml.send(&element(&failure.to_octets(Version::Sasl2)?)?).await?,
            }
        }
        Ok(())
    }

    /// What the server lists: for whom it knows by the TLS session, EXTERNAL is there already.
    fn features(connection: &Connection<'_>) -> StreamFeatures {
        let mechanisms = connection.mechanisms(now()).into_iter().map(str::to_owned).collect();
        let tokens = connection.fast_mechanisms().into_iter().map(|token| Mechanism(token.name().to_owned())).collect();
        let fast = FastQuery { tls_0rtt: false, mechanisms: tokens };
        let bind2 = Some(BindFeature { inline_features: Vec::new() });
        let inline = InlineFeatures { bind2, sm: None::<sm::StreamManagement>, payloads: vec![fast.into()] };
        let bindings = vec![Type::TlsExporter, Type::TlsServerEndPoint];
        StreamFeatures {
            sasl2: Some(Authentication { mechanisms, inline: Some(inline) }),
            sasl_cb: Some(SaslChannelBinding { types: bindings }),
            ..StreamFeatures::default()
        }
    }

    /// A full login, and the token that the client asks for with it.
    async fn password(
        &self,
        xml: &mut Stream,
        connection: &mut Connection<'_>,
        login: &Authenticate,
    ) -> Result<Result<Welcome, Failure>, Fault> {
        let mut scram = self.service.full_login(connection)?;
        let mut message = login.request.initial_response.clone().unwrap_or_default().to_vec();
        for last in [false, true] {
            // What is wrong with it is the server's own business.
            let Ok(answer) = scram.step(&message) else { break };
            message = answer;
            if !last {
                xml.send(&element(&challenge(Version::Sasl2, &message)?)?).await?;
                let ClientElement::Response(response) = ClientElement::parse(&octets(&need(xml).await?))? else {
                    return Err("a response was due".into());
                };
                message = response.message.to_vec();
            }
        }
        let Some(name) = scram.who() else { return Ok(Err(Failure::new(Outcome::BadProof, None))) };
        let request = login.token_request(&name, random()?)?;
        let tls = xml.get_stream().get_ref().stream.get_ref().1;
        let token = self.service.logged_in_with_token(connection, tls, &name, request.as_ref())?;
        Ok(Ok(Welcome { name, message: Some(message), token }))
    }

    /// A login by EXTERNAL, IKY or a token.
    fn known(
        &self,
        connection: &mut Connection<'_>,
        header: &StreamHeader,
        login: &Authenticate,
        say: fn(String),
    ) -> Result<Result<Welcome, Failure>, Fault> {
        let mechanism = login.request.mechanism;
        let mut verdict: Verdict = if login.fast.is_some() {
            self.service.judge_token(connection, login.ht_request(header, random()?)?, now().after(self.later()))
        } else {
            let message = login.request.initial_response.clone().unwrap_or_default();
            let verdict = self.service.judge(connection, mechanism, &message);
            verdict.ok_or_else(|| format!("{mechanism} recognises nobody"))?
        };
        let Some(client) = verdict.recognised.take() else {
            say(format!("refused {mechanism} {:?}", verdict.outcome));
            return Ok(Err(Failure::new(verdict.outcome, verdict.message.as_deref())));
        };
        let name = client.identity().to_owned();
        say(format!("recognised {mechanism} {name}{}", if verdict.token.is_some() { " token" } else { "" }));
        self.service.recognised(connection, &client)?;
        let message = match (self.mode.as_str(), verdict.message.map(Vec::from)) {
            ("missing", _) => None,
            ("empty", _) => Some(Vec::new()),
            ("wrong", Some(mut message)) => {
                message.iter_mut().take(1).for_each(|octet| *octet ^= 1);
                Some(message)
            }
            (_, message) => message,
        };
        Ok(Ok(Welcome { name, message, token: verdict.token }))
    }

    /// How much later it is for tokens than for passwords.
    fn later(&self) -> Duration {
        match self.mode.as_str() {
            "renew" => Duration::from_secs(25 * DAY),
            "expire" => Duration::from_secs(31 * DAY),
            _ => Duration::ZERO,
        }
    }

    /// `<success/>` with everything in it.
    fn success(&self, welcome: Welcome) -> Result<Element, Fault> {
        let success = Success {
            data: welcome.message.map(Into::into),
            authorization_identifier: Some(format!("{}@{}/interop", welcome.name, self.name)),
            bound: Some(Bound::empty()),
            token: welcome.token.as_ref().map(IssuedToken::try_from).transpose()?,
            ..Success::default()
        };
        element(&success.to_octets(Version::Sasl2)?)
    }

    /// Takes what the client has to say until it closes the stream.
    async fn stanzas(&self, xml: &mut Stream, say: fn(String)) -> Result<(), Fault> {
        while let Some(stanza) = next(xml).await? {
            if let Ok(message) = Message::try_from(stanza.clone()) {
                let body = message.bodies.into_values().next().ok_or("a message without body")?;
                say(format!("message {body}"));
            } else if let Ok(Iq::Get { id, payload, .. }) = Iq::try_from(stanza) {
                if payload.is("ping", ns::PING) {
                    xml.send(&Iq::Result { from: None, to: None, id, payload: None }).await?;
                }
            }
        }
        Ok(xml.shutdown().await?)
    }
}

fn hex(octets: [u8; 8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
