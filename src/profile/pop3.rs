//! POP3 (RFC 5034), with CAPA (RFC 2449).
//!
//! As in IMAP, a listed IKY mechanism permits the empty answer and the next commands to be sent ahead; here only under
//! PIPELINING (RFC 2449 section 6.6), since a server without it may drop what it read ahead.

use super::client::Permission;
use super::dialect::{self, Command, Dialect, Reply};
use super::wire::{self, Cursor};
use super::{Answer, ClientExchange, Flight, MechanismName, Offer, ProfileError, Request, ServerEvent, ServerExchange};

/// Server: the lines of the answer to CAPA; response codes come with `RESP-CODES` and `AUTH-RESP-CODE` (RFC 3206).
pub fn capa_lines(offer: &Offer) -> String {
    let mut lines = String::from("RESP-CODES\r\nAUTH-RESP-CODE\r\n");
    if !offer.mechanisms().is_empty() {
        lines.push_str(&format!("SASL {}\r\n", offer.join("", " ")));
    }
    if offer.pipelining() {
        lines.push_str("PIPELINING\r\n");
    }
    lines
}

/// Client: what the answer to CAPA lists (RFC 2449 section 5, RFC 5034 section 3).
pub fn offer(answer: &[u8]) -> Offer {
    let mut offer = Offer::heard([]);
    for line in answer.split(|&octet| octet == b'\n') {
        let mut words = wire::words(line);
        match words.next().unwrap_or_default().to_ascii_uppercase().as_slice() {
            b"SASL" => words.for_each(|name| offer.hear(name)),
            b"PIPELINING" => offer = offer.with_pipelining(),
            _ => {}
        }
    }
    offer
}

/// Client: logs in with a mechanism and its message. The message is as the mechanism made it; the exchange takes the server's answer (RFC 5034 section 4).
pub fn authenticate(offer: &Offer, mechanism: MechanismName, message: &[u8]) -> (Flight, ClientExchange) {
    let permitted = offer.lists(mechanism) && offer.pipelining();
    let permission = Permission {
        answer_ahead: permitted && mechanism.is_iky(),
        commands: permitted && (mechanism.is_iky() || mechanism.is_external()),
    };
    ClientExchange::start(&Pop3, None, offer, mechanism, message, permission)
}

/// Server: a login where a command may begin. `offer` is what CAPA listed.
pub fn server(offer: &Offer) -> ServerExchange {
    ServerExchange::new(&Pop3, offer)
}

/// Server: a login behind an AUTH that the stack has parsed itself.
pub fn server_after(offer: &Offer, request: Request) -> (ServerEvent, ServerExchange) {
    ServerExchange::after(&Pop3, offer, None, request)
}

#[derive(Debug)]
struct Pop3;

impl Dialect for Pop3 {
    fn command_limit(&self) -> usize {
        255
    }

    fn command(&self, _tag: &str, mechanism: MechanismName, response: Option<&[u8]>) -> Vec<u8> {
        dialect::with_response(&format!("AUTH {mechanism}"), response)
    }

    fn reply(&self, _tag: &str, line: &[u8]) -> Result<Reply, ProfileError> {
        let mut cursor = Cursor(line);
        match cursor.word().to_ascii_uppercase().as_slice() {
            b"+" => wire::decode(cursor.0).map(Reply::Challenge),
            status @ (b"+OK" | b"-ERR") => {
                let code = dialect::response_code(cursor.0);
                Ok(Reply::End(Answer::from_pop3(status == b"+OK", code), None))
            }
            _ => Err(ProfileError::Malformed("+, +OK or -ERR was due")),
        }
    }

    fn parse(&self, line: &[u8]) -> Command {
        let mut cursor = Cursor(line);
        // a bare AUTH asks for a list (the old way, before CAPA), and is the stack's
        if !cursor.word().eq_ignore_ascii_case(b"AUTH") || cursor.is_empty() {
            return Command::Other;
        }
        let mechanism = MechanismName::from_octets(cursor.word());
        Command::Login { tag: None, mechanism, response: dialect::initial_response(cursor, line) }
    }

    fn completion(&self, _tag: &str, verdict: Answer, _data: Option<&[u8]>) -> Vec<u8> {
        format!("{}\r\n", verdict.pop3()).into_bytes()
    }

    fn unsupported(&self, _tag: &str) -> Vec<u8> {
        b"-ERR Mechanism not offered\r\n".to_vec()
    }
}
