//! SMTP submission (RFC 4954), with command pipelining (RFC 2920).
//!
//! EXTERNAL with an initial response takes one round trip, so RFC 4954 section 4 lets more commands follow it under
//! PIPELINING. IKY has a challenge, and there RFC 4954 lets nothing follow. The EHLO keyword `IKNOWYOU`, without
//! parameters, says that this server takes the empty answer and the next commands behind AUTH with an IKY mechanism
//! that it lists. Without the keyword the client waits for the `334` before it answers.

use super::client::Permission;
use super::dialect::{self, Command, Dialect, Reply};
use super::wire::{self, Cursor};
use super::{
    Answer, ClientExchange, Flight, MechanismName, NextCommand, Offer, ProfileError, Request, ServerEvent,
    ServerExchange,
};

/// The EHLO keyword that lets IKY's empty answer and the next commands follow AUTH.
pub const KEYWORD: &str = "IKNOWYOU";

/// Server: the lines of the EHLO reply, each with `250-`; the stack's own last line follows.
pub fn ehlo_lines(offer: &Offer) -> String {
    let mut lines = String::new();
    if offer.pipelining() {
        lines.push_str("250-PIPELINING\r\n");
    }
    if !offer.mechanisms().is_empty() {
        lines.push_str(&format!("250-AUTH {}\r\n", offer.join("", " ")));
    }
    if offer.iky_pipelining() {
        lines.push_str(&format!("250-{KEYWORD}\r\n"));
    }
    lines
}

/// Client: what the reply to EHLO lists (RFC 5321 section 4.1.1.1, RFC 4954 section 3).
pub fn offer(reply: &[u8]) -> Offer {
    let mut offer = Offer::heard([]);
    for line in reply.split(|&octet| octet == b'\n') {
        let Some(text) = line.strip_prefix(b"250-").or_else(|| line.strip_prefix(b"250 ")) else { continue };
        let mut words = wire::words(text);
        let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
        match (keyword.as_slice(), words.next()) {
            (b"AUTH", first) => first.into_iter().chain(words).for_each(|name| offer.hear(name)),
            (b"PIPELINING", None) => offer = offer.with_pipelining(),
            // a parameter would say something that this version doesn't know
            (keyword, None) if keyword == KEYWORD.as_bytes() => offer = offer.with_iky_pipelining(),
            _ => {}
        }
    }
    offer
}

/// Client: logs in with a mechanism and its message. The message is as the mechanism made it; the exchange takes the server's answer (RFC 4954 section 4).
///
/// The exchange is fed from the reply to AUTH on: earlier replies (to EHLO, or to what was pipelined before) are the
/// stack's.
pub fn authenticate(offer: &Offer, mechanism: MechanismName, message: &[u8]) -> (Flight, ClientExchange) {
    let listed = offer.lists(mechanism);
    let answer_ahead = listed && mechanism.is_iky() && offer.iky_pipelining();
    let external = listed && mechanism.is_external() && offer.pipelining();
    let permission = Permission { answer_ahead, commands: answer_ahead || external };
    ClientExchange::start(&Smtp, None, offer, mechanism, message, permission)
}

/// What a command would do behind a login that failed; anything unknown counts as [`NextCommand::Payload`].
pub fn kind_of(command: &str) -> NextCommand {
    match command.split_ascii_whitespace().next().unwrap_or_default().to_ascii_uppercase().as_str() {
        "NOOP" | "VRFY" | "EXPN" | "HELP" => NextCommand::Asks,
        "MAIL" | "RCPT" | "RSET" => NextCommand::Changes,
        "STARTTLS" | "AUTH" | "EHLO" | "HELO" | "QUIT" => NextCommand::Switches,
        _ => NextCommand::Payload,
    }
}

/// Server: a login where a command may begin. `offer` is what the reply to EHLO listed.
pub fn server(offer: &Offer) -> ServerExchange {
    ServerExchange::new(&Smtp, offer)
}

/// Server: a login behind an AUTH that the stack has parsed itself.
pub fn server_after(offer: &Offer, request: Request) -> (ServerEvent, ServerExchange) {
    ServerExchange::after(&Smtp, offer, None, request)
}

#[derive(Debug)]
struct Smtp;

impl Dialect for Smtp {
    fn command(&self, _tag: &str, mechanism: MechanismName, response: Option<&[u8]>) -> Vec<u8> {
        dialect::with_response(&format!("AUTH {mechanism}"), response)
    }

    fn reply(&self, _tag: &str, line: &[u8]) -> Result<Reply, ProfileError> {
        let no_reply = ProfileError::Malformed("a reply code of three digits was due");
        let (code, rest) = line.split_at_checked(3).ok_or(no_reply)?;
        let code = wire::number(code).and_then(|code| u16::try_from(code).ok()).ok_or(no_reply)?;
        match (code, rest.first()) {
            (_, Some(b'-')) => Ok(Reply::More),
            (334, Some(b' ') | None) => wire::decode(rest.get(1..).unwrap_or_default()).map(Reply::Challenge),
            (200..=299 | 400..=599, Some(b' ') | None) => Ok(Reply::End(Answer::from_smtp(code), None)),
            _ => Err(no_reply),
        }
    }

    fn parse(&self, line: &[u8]) -> Command {
        let mut cursor = Cursor(line);
        if !cursor.word().eq_ignore_ascii_case(b"AUTH") {
            return Command::Other;
        }
        let mechanism = MechanismName::from_octets(cursor.word());
        Command::Login { tag: None, mechanism, response: dialect::initial_response(cursor, line) }
    }

    fn challenge(&self, octets: &[u8]) -> Vec<u8> {
        format!("334 {}\r\n", wire::encode(octets)).into_bytes()
    }

    fn completion(&self, _tag: &str, verdict: Answer, _data: Option<&[u8]>) -> Vec<u8> {
        format!("{}\r\n", verdict.smtp()).into_bytes()
    }

    fn unsupported(&self, _tag: &str) -> Vec<u8> {
        b"504 5.5.4 Mechanism not offered\r\n".to_vec()
    }
}
