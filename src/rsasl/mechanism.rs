//! The mechanisms themselves: all that needs rsasl's `unstable_custom_mechanism`.

use core::mem;
use std::io::Write;

use ::rsasl::mechanism::{
    Authentication, EmptyProvider, MechanismData, MechanismError, MechanismErrorKind, ProviderExt as _, ThisProvider,
};
use ::rsasl::prelude::{Mechanism, Mechname, MessageSent, SessionError, State};
use ::rsasl::property::AuthId;
use ::rsasl::registry::{Matches, Named, Side};

use super::{ClientEnd, Known, Refused, ServerEnd};
use crate::assertion::BindingType;
use crate::channel::ChannelFacts;
use crate::framework::Client;
use crate::mechanism::NextStep;

/// Above all of rsasl's own, which end at 700 with SCRAM-…-PLUS.
const PRIORITY: usize = 1000;

macro_rules! mechanisms {
    ($($name:literal)*) => {
        /// How many mechanisms [`MECHANISMS`] has.
        pub const COUNT: usize = [$($name),*].len();

        /// All mechanisms of this crate. Those with SHA-3 are there without the feature `sha3`, too, and recognise nobody then.
        pub static MECHANISMS: [Mechanism; COUNT] = [$({
            static THIS: Mechanism = Mechanism::build(
                Mechname::const_new_unchecked($name.as_bytes()),
                PRIORITY,
                Some(|| Ok(Box::new(Initiator { mechanism: $name, state: Progress::Start }))),
                Some(|_| Ok(Box::new(Responder { mechanism: $name, done: false }))),
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

mechanisms! {
    "EXTERNAL" "IKY-ED25519-EXPR"
    "IKY-SHA-512-EXPR" "IKY-SHA-384-EXPR" "IKY-SHA-256-EXPR"
    "IKY-SHA-512-ENDP" "IKY-SHA-384-ENDP" "IKY-SHA-256-ENDP"
    "IKY-SHA-512-NONE" "IKY-SHA-384-NONE" "IKY-SHA-256-NONE"
    "HT2-SHA-256-EXPR" "HT2-SHA-384-EXPR" "HT2-SHA-512-EXPR" "HT2-SHA3-256-EXPR" "HT2-SHA3-512-EXPR" "HT2-SHA-3-256-EXPR" "HT2-SHA-3-512-EXPR"
    "HT-SHA-256-EXPR" "HT-SHA-384-EXPR" "HT-SHA-512-EXPR" "HT-SHA3-256-EXPR" "HT-SHA3-512-EXPR" "HT-SHA-3-256-EXPR" "HT-SHA-3-512-EXPR"
    "HT2-SHA-256-UNIQ" "HT2-SHA-384-UNIQ" "HT2-SHA-512-UNIQ" "HT2-SHA3-256-UNIQ" "HT2-SHA3-512-UNIQ" "HT2-SHA-3-256-UNIQ" "HT2-SHA-3-512-UNIQ"
    "HT-SHA-256-UNIQ" "HT-SHA-384-UNIQ" "HT-SHA-512-UNIQ" "HT-SHA3-256-UNIQ" "HT-SHA3-512-UNIQ" "HT-SHA-3-256-UNIQ" "HT-SHA-3-512-UNIQ"
    "HT2-SHA-256-ENDP" "HT2-SHA-384-ENDP" "HT2-SHA-512-ENDP" "HT2-SHA3-256-ENDP" "HT2-SHA3-512-ENDP" "HT2-SHA-3-256-ENDP" "HT2-SHA-3-512-ENDP"
    "HT-SHA-256-ENDP" "HT-SHA-384-ENDP" "HT-SHA-512-ENDP" "HT-SHA3-256-ENDP" "HT-SHA3-512-ENDP" "HT-SHA-3-256-ENDP" "HT-SHA-3-512-ENDP"
    "HT2-SHA-256-NONE" "HT2-SHA-384-NONE" "HT2-SHA-512-NONE" "HT2-SHA3-256-NONE" "HT2-SHA3-512-NONE" "HT2-SHA-3-256-NONE" "HT2-SHA-3-512-NONE"
    "HT-SHA-256-NONE" "HT-SHA-384-NONE" "HT-SHA-512-NONE" "HT-SHA3-256-NONE" "HT-SHA3-512-NONE" "HT-SHA-3-256-NONE" "HT-SHA-3-512-NONE"
}

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

pub(super) fn is_ours(mechanism: &Mechanism) -> bool {
    MECHANISMS.iter().any(|ours| ours.mechanism == mechanism.mechanism)
}

/// The client's end of an exchange.
struct Initiator {
    mechanism: &'static str,
    state: Progress,
}

enum Progress {
    Start,
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
        match mem::replace(&mut self.state, Progress::Over) {
            Progress::Start => {
                let client = session.need_with::<ClientEnd, _, _>(&EmptyProvider, |client| Ok(client.clone()))?;
                check(session, &client.with(|connection| connection.facts().clone()))?;
                let message = client.message(self.mechanism).ok_or(Refused::NotPlanned)?;
                writer.write_all(&message)?;
                if self.mechanism == "EXTERNAL" {
                    return Ok(State::Finished(MessageSent::Yes));
                }
                self.state = Progress::Sent(client);
                Ok(State::Running)
            }
            // rsasl's users step without input when the server says nothing more: then it did not show that it is the server.
            Progress::Sent(client) => match client.responder(input) {
                Ok(()) => Ok(State::Finished(MessageSent::No)),
                Err(NextStep::Abandon) => Err(SessionError::MutualAuthenticationFailed),
                Err(next) => Err(Refused::NotKnown(next).into()),
            },
            Progress::Over => Err(SessionError::MechanismDone),
        }
    }
}

/// The server's end of an exchange.
struct Responder {
    mechanism: &'static str,
    done: bool,
}

impl Authentication for Responder {
    fn step(
        &mut self,
        session: &mut MechanismData<'_, '_>,
        input: Option<&[u8]>,
        writer: &mut dyn Write,
    ) -> Result<State, SessionError> {
        if self.done {
            return Err(SessionError::MechanismDone);
        }
        let message = input.ok_or(SessionError::InputDataRequired)?;
        self.done = true;
        let server = session.need_with::<ServerEnd, _, _>(&EmptyProvider, |server| Ok(server.clone()))?;
        check(session, &server.with(|connection| connection.facts().clone()))?;
        let verdict = server.judge(self.mechanism, message);
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
