//! ManageSieve (RFC 5804): success carries data, so there is one exchange and no challenge.
//!
//! RFC 5804 has no pipelining of its own, so nothing rides along behind EXTERNAL. Listing an IKY mechanism permits it
//! there, as in IMAP: the server takes whole commands from its buffer, and a refused login refuses what follows.

use super::client::Permission;
use super::dialect::{Command, Dialect, Reply, Response};
use super::wire::{self, Cursor};
use super::{Answer, ClientExchange, Flight, MechanismName, Offer, ProfileError, Request, ServerEvent, ServerExchange};

/// Server: the line of the capabilities (RFC 5804 section 1.7).
pub fn capability_line(offer: &Offer) -> String {
    format!("\"SASL\" \"{}\"\r\n", offer.join("", " "))
}

/// Client: what a greeting, or the answer to CAPABILITY, lists (RFC 5804 section 1.7).
pub fn offer(capabilities: &[u8]) -> Offer {
    let mut offer = Offer::heard([]);
    for line in capabilities.split(|&octet| octet == b'\n') {
        let mut cursor = Cursor(line);
        let Some(key) = cursor.string() else { continue };
        if !key.eq_ignore_ascii_case(b"SASL") || !cursor.eat(b" ") {
            continue;
        }
        if let Some(names) = cursor.string() {
            wire::words(&names).for_each(|name| offer.hear(name));
        }
    }
    offer
}

/// Client: logs in with a mechanism and its message. The message is as the mechanism made it; the exchange takes the server's answer (RFC 5804 section 2.1).
pub fn authenticate(offer: &Offer, mechanism: MechanismName, message: &[u8]) -> (Flight, ClientExchange) {
    let permission = Permission { answer_ahead: false, commands: offer.lists(mechanism) && mechanism.is_iky() };
    ClientExchange::start(&Sieve, None, offer, mechanism, message, permission)
}

/// Server: a login where a command may begin. `offer` is what the capabilities listed.
pub fn server(offer: &Offer) -> ServerExchange {
    ServerExchange::new(&Sieve, offer)
}

/// Server: a login behind an AUTHENTICATE that the stack has parsed itself.
pub fn server_after(offer: &Offer, request: Request) -> (ServerEvent, ServerExchange) {
    ServerExchange::after(&Sieve, offer, None, request)
}

/// A status, its response code with a parameter, and its text, as ManageSieve and ACAP write them.
pub(super) fn status_line([status, code, text]: [&str; 3], data: Option<&[u8]>) -> Vec<u8> {
    let code = match data {
        Some(data) => [b" (SASL ", data, b")"].concat(),
        None if code.is_empty() => Vec::new(),
        None => format!(" ({code})").into_bytes(),
    };
    [status.as_bytes(), &code, b" \"", text.as_bytes(), b"\"\r\n"].concat()
}

/// The response code behind a status and, where it is SASL, its string.
pub(super) fn status_code<'a>(cursor: &mut Cursor<'a>) -> Result<(&'a [u8], Option<Vec<u8>>), ProfileError> {
    let malformed = ProfileError::Malformed("a response code in parentheses was due");
    if !cursor.eat(b" (") {
        return Ok((b"", None));
    }
    let code = cursor.atom();
    if !code.eq_ignore_ascii_case(b"SASL") {
        return Ok((code, None));
    }
    let data = if cursor.eat(b" ") { cursor.string() } else { None };
    Ok((code, Some(data.filter(|_| cursor.eat(b")")).ok_or(malformed)?)))
}

/// The mechanism, quoted, and the initial response as a string; what isn't one is a malformed response.
pub(super) fn login_arguments(
    cursor: &mut Cursor<'_>,
) -> (Option<MechanismName>, Result<Option<Vec<u8>>, ProfileError>) {
    let mechanism = cursor.string().and_then(|name| MechanismName::from_octets(&name));
    if cursor.is_empty() {
        return (mechanism, Ok(None));
    }
    let string = if cursor.eat(b" ") { cursor.string() } else { None };
    let string = string.filter(|_| cursor.is_empty());
    (mechanism, string.map(Some).ok_or(ProfileError::Malformed("one string was due")))
}

#[derive(Debug)]
struct Sieve;

impl Dialect for Sieve {
    fn uses_strings(&self) -> bool {
        true
    }

    fn verb_at(&self) -> Option<usize> {
        Some(0)
    }

    fn command(&self, _tag: &str, mechanism: MechanismName, response: Option<&[u8]>) -> Vec<u8> {
        match response {
            Some(octets) => format!("AUTHENTICATE \"{mechanism}\" \"{}\"\r\n", wire::encode(octets)),
            None => format!("AUTHENTICATE \"{mechanism}\"\r\n"),
        }
        .into_bytes()
    }

    fn response(&self, octets: &[u8]) -> Vec<u8> {
        [wire::string(wire::encode(octets).as_bytes(), "+"), b"\r\n".to_vec()].concat()
    }

    fn cancel(&self) -> &'static [u8] {
        b"\"*\"\r\n"
    }

    fn reply(&self, _tag: &str, line: &[u8]) -> Result<Reply, ProfileError> {
        let mut cursor = Cursor(line);
        if let Some(challenge) = cursor.string() {
            return wire::decode(&challenge).map(Reply::Challenge);
        }
        let status = cursor.atom();
        if !matches!(status.to_ascii_uppercase().as_slice(), b"OK" | b"NO" | b"BYE") {
            return Err(ProfileError::Malformed("a challenge, OK, NO or BYE was due"));
        }
        let (code, data) = status_code(&mut cursor)?;
        let data = data.map(|text| wire::decode(&text)).transpose()?;
        Ok(Reply::End(Answer::from_acap(status, code), data))
    }

    fn parse(&self, line: &[u8]) -> Command {
        let mut cursor = Cursor(line);
        if !cursor.word().eq_ignore_ascii_case(b"AUTHENTICATE") {
            return Command::Other;
        }
        let (mechanism, text) = login_arguments(&mut cursor);
        // the empty string is the empty response; `=` comes from clients that write it as in IMAP
        let response = text.and_then(|text| match text.as_deref() {
            None => Ok(None),
            Some(b"=") => Ok(Some(Vec::new())),
            Some(text) => wire::decode(text).map(Some),
        });
        Command::Login { tag: None, mechanism, response }
    }

    fn parse_response(&self, line: &[u8]) -> Result<Response, ProfileError> {
        let mut cursor = Cursor(line);
        match cursor.string().filter(|_| cursor.is_empty()).as_deref() {
            Some(b"*") => Ok(Response::Cancel),
            Some(text) => wire::decode(text).map(Response::Octets),
            None => Err(ProfileError::Malformed("one string was due")),
        }
    }

    fn challenge(&self, octets: &[u8]) -> Vec<u8> {
        [wire::string(wire::encode(octets).as_bytes(), ""), b"\r\n".to_vec()].concat()
    }

    fn completion(&self, _tag: &str, verdict: Answer, data: Option<&[u8]>) -> Vec<u8> {
        let data = data.map(|octets| wire::string(wire::encode(octets).as_bytes(), ""));
        status_line(verdict.sieve(), data.as_deref())
    }

    fn unsupported(&self, _tag: &str) -> Vec<u8> {
        b"NO \"Mechanism not offered\"\r\n".to_vec()
    }
}
