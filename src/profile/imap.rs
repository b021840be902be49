//! IMAP (RFC 9051 and 3501), with initial responses (SASL-IR, RFC 4959).
//!
//! A server that lists an IKY mechanism permits the client to send its empty answer, and its next commands, right
//! behind the command; see [`RideAlong`](super::RideAlong). EXTERNAL with an initial response has no challenge and
//! permits it as well. Commands with a literal ride along only where the literal waits for nothing (RFC 7888), and not
//! behind a refused login: whether a command bears being sent twice is the application's question.

use super::client::Permission;
use super::dialect::{self, Command, Dialect, Reply};
use super::wire::{self, Cursor};
use super::{
    Answer, ClientExchange, Flight, MechanismName, Offer, ProfileError, Request, ServerEvent, ServerExchange, Tag,
};

/// Server: what goes into the capabilities, in the greeting's `[CAPABILITY …]` and behind `* CAPABILITY` alike:
/// `SASL-IR AUTH=… AUTH=…`.
pub fn capabilities(offer: &Offer) -> String {
    format!("SASL-IR {}", offer.join("AUTH=", " ")).trim_end().to_owned()
}

/// Client: what a greeting, `* CAPABILITY`, or a completion with `[CAPABILITY …]` lists; empty for any other line.
pub fn offer(line: &[u8]) -> Offer {
    let list = capability_list(wire::without_crlf(line)).unwrap_or_default();
    let names = wire::words(list).filter_map(|atom| {
        let (key, name) = atom.split_at_checked(5)?;
        key.eq_ignore_ascii_case(b"AUTH=").then_some(name)
    });
    Offer::heard(names).with_initial_response(wire::words(list).any(|atom| atom.eq_ignore_ascii_case(b"SASL-IR")))
}

fn capability_list(line: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor(line);
    let tag = cursor.word();
    match cursor.word().to_ascii_uppercase().as_slice() {
        b"CAPABILITY" if tag == b"*" => Some(cursor.0),
        b"OK" | b"PREAUTH" if dialect::response_code(cursor.0).eq_ignore_ascii_case(b"CAPABILITY") => {
            let end = cursor.0.iter().position(|&octet| octet == b']')?;
            cursor.0.get(..end)
        }
        _ => None,
    }
}

/// Client: logs in with a mechanism and its message. The message is as the mechanism made it; the exchange takes the server's answer (RFC 9051 section 6.2.2, RFC 4959).
pub fn authenticate(tag: Tag, offer: &Offer, mechanism: MechanismName, message: &[u8]) -> (Flight, ClientExchange) {
    let listed = offer.lists(mechanism);
    let permission = Permission {
        answer_ahead: listed && mechanism.is_iky(),
        commands: listed && (mechanism.is_iky() || mechanism.is_external()),
    };
    ClientExchange::start(&Imap, Some(tag), offer, mechanism, message, permission)
}

/// Server: a login where a command may begin. `offer` is what was listed on this connection.
pub fn server(offer: &Offer) -> ServerExchange {
    ServerExchange::new(&Imap, offer)
}

/// Server: a login behind an AUTHENTICATE that the stack has parsed itself.
pub fn server_after(offer: &Offer, tag: Tag, request: Request) -> (ServerEvent, ServerExchange) {
    ServerExchange::after(&Imap, offer, Some(tag), request)
}

#[derive(Debug)]
struct Imap;

impl Dialect for Imap {
    /// Data has literals; the free text of a status may end in `{5}` and mean nothing by it.
    fn server_literal(&self, part: &[u8], is_first: bool) -> Option<usize> {
        if !is_first {
            return wire::literal(part, b"}");
        }
        let mut cursor = Cursor(part);
        let untagged = cursor.word() == b"*";
        let status: &[&[u8]] = &[b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"];
        let is_status = status.contains(&cursor.word().to_ascii_uppercase().as_slice());
        if untagged && !is_status { wire::literal(part, b"}") } else { None }
    }

    fn command(&self, tag: &str, mechanism: MechanismName, response: Option<&[u8]>) -> Vec<u8> {
        dialect::with_response(&format!("{tag} AUTHENTICATE {mechanism}"), response)
    }

    fn reply(&self, tag: &str, line: &[u8]) -> Result<Reply, ProfileError> {
        let mut cursor = Cursor(line);
        match cursor.word() {
            b"*" => Ok(Reply::Other),
            b"+" => wire::decode(cursor.0).map(Reply::Challenge),
            word if word == tag.as_bytes() => {
                let status = cursor.word();
                Ok(Reply::End(Answer::from_imap(status, dialect::response_code(cursor.0)), None))
            }
            // the completion of an earlier command
            word if Tag::from_octets(word).is_some() => Ok(Reply::Other),
            _ => Err(ProfileError::Malformed("a line that is untagged, a challenge or a completion was due")),
        }
    }

    fn parse(&self, line: &[u8]) -> Command {
        let mut cursor = Cursor(line);
        let Some(tag) = Tag::from_octets(cursor.word()) else { return Command::Other };
        if !cursor.word().eq_ignore_ascii_case(b"AUTHENTICATE") {
            return Command::Other;
        }
        let mechanism = MechanismName::from_octets(cursor.word());
        Command::Login { tag: Some(tag), mechanism, response: dialect::initial_response(cursor, line) }
    }

    fn completion(&self, tag: &str, verdict: Answer, _data: Option<&[u8]>) -> Vec<u8> {
        format!("{tag} {}\r\n", verdict.imap()).into_bytes()
    }

    fn unsupported(&self, tag: &str) -> Vec<u8> {
        format!("{tag} NO Mechanism not offered\r\n").into_bytes()
    }
}
