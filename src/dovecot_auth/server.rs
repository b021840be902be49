//! One connection of a mail server, and the logins on it.

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf as _, Bytes, BytesMut};

use super::greeting::is_own;
use super::line::{self, Auth, Command};
use super::{Attempt, AuthEvent, FullLogin, Greeting, Peer, Pending, Ruling, Turn, UserName};
use crate::mechanism::Outcome;
use crate::profile::{Answer, MechanismName, ProfileError};

/// The server's side of one connection, with all the logins that are multiplexed on it.
pub struct AuthServer {
    connection: u32,
    offer: Vec<MechanismName>,
    stage: Stage,
    /// Those under way, oldest first.
    logins: Vec<Login>,
    begun: u64,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// VERSION is due.
    Version,
    /// CPID is due.
    Process,
    Ready,
    Failed(ProfileError),
}

struct Login {
    /// The client's name for it, which comes again when it is over.
    id: u32,
    number: u64,
    mechanism: MechanismName,
    state: State,
}

enum State {
    /// The empty challenge was sent for the client's message.
    Message(Box<Peer>),
    /// It waits for the caller.
    Caller,
    /// The caller's challenge of a full login was sent.
    Response,
    /// The one challenge was sent; its answer is to be taken before this completes.
    Answer(Answer, Option<UserName>),
}

impl AuthServer {
    /// Most logins under way on one connection.
    pub const MAX_LOGINS: usize = 1024;

    /// A connection that was just accepted, and the octets to send on it at once.
    pub fn new(greeting: &Greeting) -> (Bytes, Self) {
        let offer = greeting.mechanisms.iter().map(|mechanism| mechanism.name).collect();
        let (connection, logins) = (greeting.connection, Vec::new());
        (greeting.to_octets(), Self { connection, offer, stage: Stage::Version, logins, begun: 0 })
    }

    /// How many logins are under way.
    pub fn logins(&self) -> usize {
        self.logins.len()
    }

    /// Takes what it can from `input`; called again until it needs more.
    ///
    /// # Errors
    /// [`ProfileError`] when the client follows no protocol and the connection is to be closed; the same again on every
    /// later call.
    pub fn receive(&mut self, input: &mut BytesMut) -> Result<AuthEvent, ProfileError> {
        if let Stage::Failed(error) = self.stage {
            return Err(error);
        }
        self.step(input).inspect_err(|&error| self.stage = Stage::Failed(error))
    }

    fn step(&mut self, input: &mut BytesMut) -> Result<AuthEvent, ProfileError> {
        loop {
            let Some(len) = line::complete(input)? else { return Ok(AuthEvent::NeedMore) };
            let command = Command::parse(input.get(..len - 1).unwrap_or_default())?;
            let room = match (&command, self.stage) {
                (Command::Auth(_), Stage::Ready) => self.make_room(),
                _ => None,
            };
            // Where there is none, the line stays for the next call.
            if let Some(event) = room {
                return Ok(event);
            }
            input.advance(len);
            let event = match (self.stage, command) {
                (Stage::Version, Command::Version { major: 1 }) => {
                    self.stage = Stage::Process;
                    None
                }
                (Stage::Version, Command::Version { .. }) => {
                    return Err(ProfileError::Malformed("another major version of the protocol"));
                }
                (Stage::Version, _) => return Err(ProfileError::Malformed("VERSION was due first")),
                (Stage::Process, Command::Process) => {
                    self.stage = Stage::Ready;
                    None
                }
                (Stage::Process, Command::Other) => None,
                (Stage::Process, _) => return Err(ProfileError::Malformed("CPID was due first")),
                (_, Command::Auth(auth)) => Some(self.begin(auth)?),
                (_, Command::Cont { id, data }) => Some(self.go_on(id, data)?),
                (_, Command::Cancel { id }) => self.cancel(id),
                (_, Command::Other) => None,
                (_, Command::Version { .. } | Command::Process) => {
                    return Err(ProfileError::Malformed("the handshake is over"));
                }
            };
            if let Some(event) = event {
                return Ok(event);
            }
        }
    }

    /// What a login came to. `None` if it is over already, as its client gave up.
    ///
    /// For a listed IKY mechanism, and for every ruling with a message, this is a challenge, and the completion follows
    /// when its answer was taken.
    pub fn finish(&mut self, pending: impl Into<Pending>, ruling: Ruling) -> Option<AuthEvent> {
        let at = self.waiting(&pending.into())?;
        let login = self.logins.get(at)?;
        match ruling.message {
            None if !login.mechanism.is_iky() => Some(self.complete(at, ruling.answer, ruling.user)),
            message => Some(self.last_challenge(at, &message.unwrap_or_default(), ruling.answer, ruling.user)),
        }
    }

    /// A challenge in a full login: the octets to send. `None` if the login is over already.
    pub fn challenge(&mut self, turn: Turn, message: &[u8]) -> Option<Bytes> {
        let at = self.waiting(&turn.0)?;
        let login = self.logins.get_mut(at)?;
        login.state = State::Response;
        Some(challenge(login.id, message))
    }

    /// Where the login is that waits for the caller.
    fn waiting(&self, pending: &Pending) -> Option<usize> {
        let is_it = |login: &Login| login.number == pending.number && matches!(login.state, State::Caller);
        self.logins.iter().position(is_it).filter(|_| pending.connection == self.connection)
    }

    /// What has to happen first where another login finds no room. The mail server does not say when its clients give
    /// up, so the one that has been waiting longest for its client goes.
    fn make_room(&mut self) -> Option<AuthEvent> {
        if self.logins.len() < Self::MAX_LOGINS {
            return None;
        }
        let idle = self.logins.iter().position(|login| !matches!(login.state, State::Caller));
        Some(idle.map_or(AuthEvent::Busy, |at| AuthEvent::Cancelled { number: self.logins.remove(at).number }))
    }

    fn begin(&mut self, auth: Auth) -> Result<AuthEvent, ProfileError> {
        let Auth { id, mechanism, response, peer } = auth;
        if self.logins.iter().any(|login| login.id == id) {
            return Err(ProfileError::Malformed("a request id that is under way"));
        }
        self.begun += 1;
        let number = self.begun;
        let Some(mechanism) = mechanism.filter(|mechanism| self.offer.contains(mechanism)) else {
            return Ok(AuthEvent::Done { number, bytes: completion(id, Answer::Refused, None), user: None });
        };
        let at = self.logins.len();
        self.logins.push(Login { id, number, mechanism, state: State::Caller });
        Ok(match response {
            Err(_) => self.unheard(at, Answer::Malformed),
            Ok(message) if !is_own(mechanism) => {
                AuthEvent::FullLogin(FullLogin { turn: Turn(self.pending(number)), mechanism, message, peer })
            }
            Ok(_) if !peer.secured => self.unheard(at, Outcome::BindingMismatch.into()),
            Ok(Some(message)) => AuthEvent::Verify(Attempt { pending: self.pending(number), mechanism, message, peer }),
            Ok(None) => {
                self.set(at, State::Message(Box::new(peer)));
                AuthEvent::Send(challenge(id, b""))
            }
        })
    }

    fn go_on(&mut self, id: u32, data: Result<Bytes, ProfileError>) -> Result<AuthEvent, ProfileError> {
        let Some(at) = self.logins.iter().position(|login| login.id == id) else {
            // It made room for another one, and the mail server waits.
            return Ok(AuthEvent::Send(completion(id, Answer::Unavailable, None)));
        };
        let Some(login) = self.logins.get_mut(at) else { return Ok(AuthEvent::NeedMore) };
        let (number, mechanism) = (login.number, login.mechanism);
        Ok(match (core::mem::replace(&mut login.state, State::Caller), data) {
            (State::Caller, _) => return Err(ProfileError::Malformed("a response before its challenge")),
            (State::Message(peer), Ok(message)) => {
                AuthEvent::Verify(Attempt { pending: self.pending(number), mechanism, message, peer: *peer })
            }
            (State::Message(_), Err(_)) => self.unheard(at, Answer::Malformed),
            (State::Response, Ok(message)) => AuthEvent::Response { turn: Turn(self.pending(number)), message },
            (State::Response, Err(_)) => self.complete(at, Answer::Malformed, None),
            (State::Answer(answer, user), Ok(data)) if data.is_empty() => self.complete(at, answer, user),
            (State::Answer(..), _) => self.complete(at, Answer::Malformed, None),
        })
    }

    fn cancel(&mut self, id: u32) -> Option<AuthEvent> {
        let at = self.logins.iter().position(|login| login.id == id)?;
        Some(AuthEvent::Cancelled { number: self.logins.remove(at).number })
    }

    /// Refuses what no mechanism gets to see. IKY's one challenge comes all the same.
    fn unheard(&mut self, at: usize, answer: Answer) -> AuthEvent {
        let is_iky = self.logins.get(at).is_some_and(|login| login.mechanism.is_iky());
        if is_iky { self.last_challenge(at, b"", answer, None) } else { self.complete(at, answer, None) }
    }

    fn last_challenge(&mut self, at: usize, message: &[u8], answer: Answer, user: Option<UserName>) -> AuthEvent {
        let id = self.logins.get(at).map_or(0, |login| login.id);
        self.set(at, State::Answer(answer, user));
        AuthEvent::Send(challenge(id, message))
    }

    fn complete(&mut self, at: usize, answer: Answer, user: Option<UserName>) -> AuthEvent {
        let Login { id, number, .. } = self.logins.remove(at);
        let bytes = completion(id, answer, user.as_ref());
        AuthEvent::Done { number, bytes, user: user.filter(|_| answer == Answer::Accepted) }
    }

    fn set(&mut self, at: usize, state: State) {
        if let Some(login) = self.logins.get_mut(at) {
            login.state = state;
        }
    }

    fn pending(&self, number: u64) -> Pending {
        Pending { connection: self.connection, number }
    }
}

fn challenge(id: u32, message: &[u8]) -> Bytes {
    // The second TAB is always there, also where nothing follows: a client may look behind it without asking.
    format!("CONT\t{id}\t{}\n", STANDARD.encode(message)).into()
}

fn completion(id: u32, answer: Answer, user: Option<&UserName>) -> Bytes {
    if let (Answer::Accepted, Some(user)) = (answer, user) {
        return format!("OK\t{id}\tuser={}\n", user.as_str()).into();
    }
    // Without a name it is no login; Postfix makes a refusal of such an OK. It is a fault of the caller's.
    let answer = if answer == Answer::Accepted { Answer::Unavailable } else { answer };
    // In its two spellings. Postfix 3.7 reads neither, and says 535; IKY's message has said it better.
    let passing = if answer == Answer::Unavailable { "\tcode=temp_fail\ttemp" } else { "" };
    // What SMTP would say: Postfix puts it behind its own words.
    let reply = answer.smtp();
    let reason = reply.splitn(3, ' ').nth(2).unwrap_or_default();
    format!("FAIL\t{id}{passing}\treason={reason}\n").into()
}

impl fmt::Debug for AuthServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthServer")
            .field("connection", &self.connection)
            .field("offer", &self.offer)
            .field("stage", &self.stage)
            .field("logins", &self.logins.len())
            .finish_non_exhaustive()
    }
}
