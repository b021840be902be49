//! One connection to a node, as XMPP with SASL2 (XEP-0388), Bind 2 (XEP-0386) and FAST (XEP-0484).

use std::net::TcpStream;

use fast_reauth::assertion::{BindingType, DeviceId, HtMechanism, Issued};
use fast_reauth::mechanism::{Connection, Login, Verdict};
use fast_reauth::profile::Offer;
use fast_reauth::profile::xmpp::{
    Authenticate, Bound, ClientElement, Failure, FastFeature, Features, IssuedToken, StreamHeader, Success, Version,
    challenge,
};
use fast_reauth::rustls::exporter;
use fast_reauth::store::{Commit, Committed, Store as _};

use crate::node::{Node, to_hex};
use crate::tls::{self, Accepted};
use crate::{DOMAIN, Fault, now, random, scram, wire};

type Wire = wire::Wire<Accepted>;

impl Node {
    /// From the handshake to the end of the stream.
    pub(crate) fn serve(&self, tcp: TcpStream) -> Result<(), Fault> {
        let (stream, facts) = tls::accept(&self.recognition, tcp)?;
        let mut wire = Wire::new(stream);
        let server = self.server();
        let mut connection = Connection::new(&server, facts);
        if let Some(lookup) = connection.lookup() {
            // A store that doesn't answer knows nobody.
            connection = connection.resumes(self.store.lookup(&lookup, now()).unwrap_or_default().lineage);
        }
        let header = wire.header()?;
        let id = Some(to_hex(DeviceId::new(random()?)));
        let answer = StreamHeader { to: header.from.clone(), from: Some(DOMAIN.to_owned()), id };
        wire.send(&[answer.to_octets()?, features(&connection)?.to_octets()?].concat())?;
        while let Some(element) = wire.next()? {
            let ClientElement::Authenticate(login) = ClientElement::parse(&element)? else {
                return Err("a login was due".into());
            };
            let agent = login.user_agent.as_ref();
            if self.seals_for(agent.and_then(|agent| agent.device.as_deref())) {
                connection = connection.seal_with(random()?);
            }
            if self.log_in(&mut wire, &mut connection, &header, &login)? {
                // Nothing more is done for anybody here.
                while wire.next()?.is_some() {}
                return wire.send(b"</stream:stream>");
            }
        }
        Ok(())
    }

    fn log_in(
        &self,
        wire: &mut Wire,
        connection: &mut Connection<'_>,
        header: &StreamHeader,
        login: &Authenticate,
    ) -> Result<bool, Fault> {
        let message = login.request.initial_response.as_deref().unwrap_or_default();
        let verdict = if login.fast.is_some() {
            connection.ht(login.ht_request(header, random()?)?).run(&self.store, now())
        } else {
            match connection.receive(login.request.mechanism.as_str(), message) {
                Some(attempt) => attempt.run(&self.store, now()),
                None => return self.full_login(wire, connection, header, login),
            }
        };
        let Verdict { outcome, message, recognised, token, .. } = verdict;
        let Some(client) = recognised else {
            wire.send(&Failure::new(outcome, message.as_deref()).to_octets(Version::Sasl2)?)?;
            return Ok(false);
        };
        wire.send(&success(client.identity(), client.device(), message.map(Into::into), token.as_ref())?)?;
        if let Some(link) = connection.recognised(&client, now()) {
            // It may follow the reply. Of a client that was just revoked there is nothing to remember.
            let _ = self.store.commit(&link, now());
        }
        Ok(true)
    }

    /// A full login, and the token that the client asks for with it.
    fn full_login(
        &self,
        wire: &mut Wire,
        connection: &mut Connection<'_>,
        header: &StreamHeader,
        login: &Authenticate,
    ) -> Result<bool, Fault> {
        let from = header.from.as_deref().and_then(|jid| jid.split('@').next()).unwrap_or_default();
        let password = self.password(from).filter(|_| login.request.mechanism.as_str() == scram::MECHANISM);
        let mut scram = scram::Server::start(password.ok_or("no such account, or mechanism")?, connection.facts())?;
        let message = scram.step(login.request.initial_response.as_deref().unwrap_or_default())?;
        wire.send(&challenge(Version::Sasl2, &message)?)?;
        let ClientElement::Response(response) = ClientElement::parse(&wire.element()?)? else {
            return Err("a response was due".into());
        };
        let message = scram.step(&response.message)?;
        let name = scram.who().ok_or("a wrong name or password")?;
        let full = scram::full_login(&name, connection.facts())?;
        let device = DeviceId::new(random()?);
        let who = Login { full: &full, identity: &name, device, now: now() };
        let (logged_in, issued) = match login.token_request(&name, random()?)? {
            Some(request) => {
                let (logged_in, issued) = connection.logged_in_with_token(who, &exporter(&wire.tls.conn), &request);
                (logged_in, issued.ok())
            }
            None => (connection.logged_in(who, &exporter(&wire.tls.conn)), None),
        };
        let kept = self.remember(&logged_in.commit);
        wire.send(&success(&name, device, Some(message), issued.as_ref().filter(|_| kept))?)?;
        Ok(true)
    }

    /// Before success is sent. The login stands whatever comes of it; the client is just not known next time.
    fn remember(&self, commit: &Commit) -> bool {
        let committed = self.store.commit(commit, now());
        if committed.is_ok_and(Committed::is_durable) {
            return true;
        }
        eprintln!("the store did not keep it: {committed:?}");
        false
    }
}

/// What is listed on this connection.
fn features(connection: &Connection<'_>) -> Result<Features, Fault> {
    let tokens = connection.fast_mechanisms().into_iter().map(HtMechanism::name);
    Ok(Features {
        sasl2: Offer::of(connection.mechanisms(now()))?,
        bind: true,
        fast: Some(FastFeature { offer: Offer::of(tokens)?, tls_0rtt: false }),
        channel_bindings: vec![BindingType::Exporter.name().to_owned()],
        ..Features::default()
    })
}

/// `<success/>` with everything in it. The resource is the client's id, as in the list of the user's clients.
fn success(name: &str, device: DeviceId, message: Option<Vec<u8>>, token: Option<&Issued>) -> Result<Vec<u8>, Fault> {
    let success = Success {
        data: message.map(Into::into),
        authorization_identifier: Some(format!("{name}@{DOMAIN}/{}", to_hex(device))),
        bound: Some(Bound::empty()),
        token: token.map(IssuedToken::try_from).transpose()?,
        ..Success::default()
    };
    Ok(success.to_octets(Version::Sasl2)?)
}
