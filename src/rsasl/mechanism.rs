//! The mechanisms themselves: all that needs rsasl's `unstable_custom_mechanism`.

use core::mem;
use std::io::Write;

use ::rsasl::mechanism::{
    Authentication, EmptyProvider, MechanismData, MechanismError, MechanismErrorKind, ProviderExt as _, ThisProvider,
};
use ::rsasl::prelude::{Mechanism, Mechname, MessageSent, SessionError, State};
use ::rsasl::property::AuthId;
use ::rsasl::registry::{Matches, Named, Side};

use super::{Known, Property, Refused};
use crate::assertion::BindingType;
use crate::channel::ChannelFacts;
use crate::framework::{Client, Server};
use crate::mechanism::{NAMES, NextStep, external, names::every_name};

/// Above all of rsasl's own, which end at 700 with SCRAM-…-PLUS.
const PRIORITY: usize = 1000;

/// How many mechanisms [`MECHANISMS`] has.
pub const COUNT: usize = NAMES.len();

macro_rules! mechanisms {
    ($($name:literal)*) => {
        /// All mechanisms of this crate, those of [`NAMES`].
        pub static MECHANISMS: [Mechanism; COUNT] = [$({
            static THIS: Mechanism = Mechanism::build(
                Mechname::const_new_unchecked($name.as_bytes()),
                PRIORITY,
                Some(|| Ok(Box::new(Initiator::Start($name)))),
                Some(|_| Ok(Box::new(Responder(Some($name))))),
                Side::Client,
                |_| Some(Matches::<This>::name()),
                |_| true,
            );
            struct This;
            impl Named for This {
                fn mech() -> &'static Mechanism {
                    &THIS
                }
            }
            THIS
        }),*];
    };
}

every_name!(mechanisms);

/// These mechanisms and those of this crate: `static ALL: [Mechanism; 1 + COUNT] = with([SCRAM_SHA256_PLUS]);`.
pub const fn with<const FULL: usize, const ALL: usize>(full: [Mechanism; FULL]) -> [Mechanism; ALL] {
    const { assert!(ALL == FULL + COUNT, "the array has room for the given mechanisms and COUNT others") };
    let mut all = [MECHANISMS[0]; ALL];
    let mut at = 0;
    while at < ALL {
        all[at] = if at < FULL { full[at] } else { MECHANISMS[at - FULL] };
        at += 1;
    }
    all
}

/// The client's end of an exchange.
enum Initiator {
    Start(&'static str),
    Sent(Client),
    Over,
}

impl Authentication for Initiator {
    fn step(
        &mut self,
        session: &mut MechanismData<'_, '_>,
        input: Option<&[u8]>,
        writer: &mut dyn Write,
    ) -> Result<State, SessionError> {
        match mem::replace(self, Self::Over) {
            Self::Start(mechanism) => {
                let client = session.need_with::<Property<Client>, _, _>(&EmptyProvider, |end| Ok(end.clone()))?;
                check(session, &client.with(|connection| connection.facts().clone()))?;
                let message = client.message(mechanism).ok_or(Refused::NotPlanned)?;
                writer.write_all(&message)?;
                if mechanism == external::NAME {
                    return Ok(State::Finished(MessageSent::Yes));
                }
                *self = Self::Sent(client);
                Ok(State::Running)
            }
            // rsasl's users step without input when the server says nothing more: then it did not show that it is the server.
            Self::Sent(client) => match client.responder(input) {
                Ok(()) => Ok(State::Finished(MessageSent::No)),
                Err(NextStep::Abandon) => Err(SessionError::MutualAuthenticationFailed),
                Err(next) => Err(Refused::NotKnown(next).into()),
            },
            Self::Over => Err(SessionError::MechanismDone),
        }
    }
}

/// The server's end of an exchange.
struct Responder(Option<&'static str>);

impl Authentication for Responder {
    fn step(
        &mut self,
        session: &mut MechanismData<'_, '_>,
        input: Option<&[u8]>,
        writer: &mut dyn Write,
    ) -> Result<State, SessionError> {
        let mechanism = self.0.ok_or(SessionError::MechanismDone)?;
        let message = input.ok_or(SessionError::InputDataRequired)?;
        self.0 = None;
        let server = session.need_with::<Property<Server>, _, _>(&EmptyProvider, |server| Ok(server.clone()))?;
        server.begins();
        check(session, &server.with(|connection| connection.facts().clone()))?;
        let verdict = server.judge(mechanism, message);
        if let Some(client) = &verdict.recognised {
            let name = ThisProvider::<AuthId>::with(client.login_name());
            session.validate(&name.and(ThisProvider::<Known>::with(client)))?;
        }
        match verdict.message {
            Some(message) => {
                writer.write_all(&message)?;
                Ok(State::Finished(MessageSent::Yes))
            }
            None if verdict.recognised.is_some() => Ok(State::Finished(MessageSent::No)),
            None => Err(Refused::NotRecognised(verdict.outcome).into()),
        }
    }
}

/// A handle of one connection must not serve a session on another one.
fn check(session: &MechanismData<'_, '_>, facts: &ChannelFacts) -> Result<(), Refused> {
    let same = |octets: &[u8]| Ok(facts.tls_exporter() == Some(octets));
    match session.maybe_need_cb_data(BindingType::Exporter.name(), EmptyProvider, same) {
        Ok(Some(false)) => Err(Refused::OtherConnection),
        // Not every application has them.
        Ok(Some(true) | None) | Err(_) => Ok(()),
    }
}

impl MechanismError for Refused {
    fn kind(&self) -> MechanismErrorKind {
        match self {
            Self::NotKnown(_) | Self::NotRecognised(_) => MechanismErrorKind::Outcome,
            Self::OtherConnection | Self::NotPlanned => MechanismErrorKind::Protocol,
        }
    }
}
