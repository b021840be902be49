//! The server's XMPP: SASL2 with PLAIN, IKY, and assertions that are granted.

use std::time::Duration;

use fast_reauth::assertion::{DeviceId, FullLogin, Pin};
use fast_reauth::mechanism::{Connection, Login};
use fast_reauth::profile::Offer;
use fast_reauth::profile::xmpp::{
    Authenticate, Bound, ClientElement, Failure, Features, Frame, Framer, GrantedAssertion, StreamHeader, Success,
    Version,
};

use crate::plain::Plain;
use crate::server::{ACCOUNT, Peer, is_password, label, random};
use crate::{Fault, NAME, USER, now};

impl Peer {
    pub(crate) fn xmpp(&self, mut wire: Plain, mut connection: Connection<'_>) -> Result<(), Fault> {
        let mut framer = Framer::new();
        let Frame::Header(_) = next(&mut wire, &mut framer)? else { return Err("a stream header was due".into()) };
        let header = StreamHeader { from: Some(NAME.to_owned()), id: Some("1".to_owned()), to: None };
        let sasl2 = Offer::of(connection.mechanisms(now(Duration::ZERO)))?;
        let features = Features { sasl2, bind: true, grants: true, ..Features::default() };
        wire.send(&[header.to_octets()?, features.to_octets()?].concat())?;
        let mut logged_in = false;
        while let Frame::Element(element) = next(&mut wire, &mut framer)? {
            match ClientElement::parse(&element)? {
                ClientElement::Authenticate(login) if !logged_in => {
                    let answer = match login.request.mechanism.as_str() {
                        "PLAIN" => self.password(&mut connection, &login)?,
                        _ => self.known(&mut connection, &login)?,
                    };
                    logged_in = answer.is_ok();
                    wire.send(&match answer {
                        Ok(success) => success.to_octets(Version::Sasl2)?,
                        Err(failure) => failure.to_octets(Version::Sasl2)?,
                    })?;
                }
                _ => return Err("a login was due".into()),
            }
        }
        Ok(())
    }

    /// The full login, and the assertion that the client asks for with it.
    fn password(
        &self,
        connection: &mut Connection<'_>,
        login: &Authenticate,
    ) -> Result<Result<Box<Success>, Failure>, Fault> {
        if !is_password(login.request.initial_response.as_deref().unwrap_or_default()) {
            return Err("a wrong password".into());
        }
        let full = FullLogin::new("PLAIN", USER)?;
        let who = Login { full: &full, identity: ACCOUNT, device: DeviceId::new(random()?), now: now(Duration::ZERO) };
        let asked = login.assertion_request.ok_or("a client that asks for no assertion")?;
        let pin = Pin::from_name(asked.as_str()).ok_or("not a mechanism that assertions are for")?;
        let seed = random()?;
        let made = connection.logged_in_granting(who, pin, &seed);
        self.commit(&made.commit)?;
        let what = made.unknown.map_or_else(|| format!("granted {asked}"), |why| format!("unknown: {why}"));
        println!("login PLAIN {USER} {what}");
        let granted = made.unknown.is_none().then(|| GrantedAssertion::new(asked, seed));
        Ok(Ok(Box::new(Success { assertion: granted, ..success(None) })))
    }

    /// An attempt with EXTERNAL or IKY.
    fn known(
        &self,
        connection: &mut Connection<'_>,
        login: &Authenticate,
    ) -> Result<Result<Box<Success>, Failure>, Fault> {
        let name = login.request.mechanism.as_str();
        let message = login.request.initial_response.as_deref().unwrap_or_default();
        let received = connection.receive(name, message).ok_or_else(|| format!("{name} recognises nobody"))?;
        let verdict = received.run(&self.store, now(Duration::ZERO));
        let said = if verdict.recognised.is_some() { "recognised" } else { "refused" };
        println!("{said} {name} {}", label(verdict.outcome));
        let Some(client) = verdict.recognised else {
            return Ok(Err(Failure::new(verdict.outcome, verdict.message.as_deref())));
        };
        if let Some(link) = connection.recognised(&client, now(Duration::ZERO)) {
            self.commit(&link)?;
        }
        Ok(Ok(Box::new(success(verdict.message.map(Into::into)))))
    }
}

fn success(message: Option<Vec<u8>>) -> Success {
    Success {
        data: message.map(Into::into),
        authorization_identifier: Some(format!("{USER}@{NAME}/1")),
        bound: Some(Bound::empty()),
        ..Success::default()
    }
}

fn next(wire: &mut Plain, framer: &mut Framer) -> Result<Frame, Fault> {
    loop {
        match framer.receive(&mut wire.input)? {
            Frame::NeedMore if wire.read()? => {}
            Frame::NeedMore => return Ok(Frame::End),
            frame => return Ok(frame),
        }
    }
}
