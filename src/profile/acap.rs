//! ACAP (RFC 2244): success carries data, and strings carry octets as they are, without base64.
//!
//! ACAP has tags and takes commands in advance (RFC 2244 section 2.3), except while a SASL exchange is going on.
//! Listing an IKY mechanism says that its exchange is one message each way, and so permits commands behind it; nothing
//! rides along behind EXTERNAL.

use super::client::Permission;
use super::dialect::{Command, Dialect, Reply, Response};
use super::sieve::{login_arguments, status_code, status_line};
use super::wire::{self, Cursor};
use super::{
    Answer, ClientExchange, Flight, MechanismName, Offer, ProfileError, Request, ServerEvent, ServerExchange, Tag,
};

/// Server: the item of the greeting (RFC 2244 section 6.1): `(SASL "…" "…")`.
pub fn greeting_item(offer: &Offer) -> String {
    format!("(SASL \"{}\")", offer.join("", "\" \""))
}

/// Client: what the greeting `* ACAP …` lists; empty for any other line.
pub fn offer(greeting: &[u8]) -> Offer {
    let mut offer = Offer::heard([]);
    let mut cursor = Cursor(wire::without_crlf(greeting));
    if cursor.word() != b"*" || !cursor.atom().eq_ignore_ascii_case(b"ACAP") {
        return offer;
    }
    while cursor.eat(b" (") {
        let sasl = cursor.atom().eq_ignore_ascii_case(b"SASL");
        while cursor.eat(b" ") {
            let Some(value) = cursor.string() else { return offer };
            if sasl {
                wire::words(&value).for_each(|name| offer.hear(name));
            }
        }
        if !cursor.eat(b")") {
            break;
        }
    }
    offer
}

/// Client: logs in with a mechanism and its message. The message is as the mechanism made it; the exchange takes the server's answer.
pub fn authenticate(tag: Tag, offer: &Offer, mechanism: MechanismName, message: &[u8]) -> (Flight, ClientExchange) {
    let permission = Permission { answer_ahead: false, commands: offer.lists(mechanism) && mechanism.is_iky() };
    ClientExchange::start(&Acap, Some(tag), offer, mechanism, message, permission)
}

/// Server: a login where a command may begin. `offer` is what the greeting listed.
///
/// A literal must be `{n+}`; a client that waits for a go-ahead gets BAD instead.
pub fn server(offer: &Offer) -> ServerExchange {
    ServerExchange::new(&Acap, offer)
}

/// Server: a login behind an AUTHENTICATE that the stack has parsed itself.
pub fn server_after(offer: &Offer, tag: Tag, request: Request) -> (ServerEvent, ServerExchange) {
    ServerExchange::after(&Acap, offer, Some(tag), request)
}

#[derive(Debug)]
struct Acap;

impl Dialect for Acap {
    fn uses_strings(&self) -> bool {
        true
    }

    fn verb_at(&self) -> Option<usize> {
        Some(1)
    }

    fn command(&self, tag: &str, mechanism: MechanismName, response: Option<&[u8]>) -> Vec<u8> {
        let command = format!("{tag} AUTHENTICATE \"{mechanism}\"").into_bytes();
        match response {
            Some(octets) => [command, b" ".to_vec(), self.response(octets)].concat(),
            None => [command, b"\r\n".to_vec()].concat(),
        }
    }

    fn response(&self, octets: &[u8]) -> Vec<u8> {
        [wire::string(octets, "+"), b"\r\n".to_vec()].concat()
    }

    fn reply(&self, tag: &str, line: &[u8]) -> Result<Reply, ProfileError> {
        let malformed = ProfileError::Malformed("a line that is untagged, a challenge or a completion was due");
        let mut cursor = Cursor(line);
        match cursor.word() {
            b"*" => Ok(Reply::Other),
            b"+" => cursor.string().filter(|_| cursor.is_empty()).map(Reply::Challenge).ok_or(malformed),
            word if word == tag.as_bytes() => {
                let status = cursor.atom();
                let (code, data) = status_code(&mut cursor)?;
                Ok(Reply::End(Answer::from_acap(status, code), data))
            }
            // the completion of an earlier command
            word if Tag::from_octets(word).is_some() => Ok(Reply::Other),
            _ => Err(malformed),
        }
    }

    fn parse(&self, line: &[u8]) -> Command {
        let mut cursor = Cursor(line);
        let Some(tag) = Tag::from_octets(cursor.word()) else { return Command::Other };
        if !cursor.word().eq_ignore_ascii_case(b"AUTHENTICATE") {
            return Command::Other;
        }
        let (mechanism, response) = login_arguments(&mut cursor);
        Command::Login { tag: Some(tag), mechanism, response }
    }

    fn parse_response(&self, line: &[u8]) -> Result<Response, ProfileError> {
        if line == b"*" {
            return Ok(Response::Cancel);
        }
        let mut cursor = Cursor(line);
        let string = cursor.string().filter(|_| cursor.is_empty());
        string.map(Response::Octets).ok_or(ProfileError::Malformed("one string was due"))
    }

    fn challenge(&self, octets: &[u8]) -> Vec<u8> {
        [b"+ ".to_vec(), wire::string(octets, ""), b"\r\n".to_vec()].concat()
    }

    fn completion(&self, tag: &str, verdict: Answer, data: Option<&[u8]>) -> Vec<u8> {
        let data = data.map(|octets| wire::string(octets, ""));
        [tag.as_bytes(), b" ", &status_line(verdict.acap(), data.as_deref())].concat()
    }

    fn unsupported(&self, tag: &str) -> Vec<u8> {
        format!("{tag} NO \"Mechanism not offered\"\r\n").into_bytes()
    }
}
