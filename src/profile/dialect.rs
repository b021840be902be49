//! What differs between the line protocols.

use core::fmt;

use super::wire;
use super::{Answer, MechanismName, ProfileError};

/// A command tag of IMAP or ACAP: 1 to 64 visible ASCII characters without `"`, `(`, `)`, `*`, `+`, `\` and `{`.
#[derive(Clone, PartialEq, Eq)]
pub struct Tag(Box<str>);

/// Not a command tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a tag: it takes 1 to 64 visible ASCII characters without '\"', '(', ')', '*', '+', '\\' and '{{'")]
pub struct InvalidTag;

impl Tag {
    /// The tag.
    ///
    /// # Errors
    /// [`InvalidTag`] for another alphabet or length.
    pub fn parse(tag: &str) -> Result<Self, InvalidTag> {
        Self::from_octets(tag.as_bytes()).ok_or(InvalidTag)
    }

    pub(super) fn from_octets(tag: &[u8]) -> Option<Self> {
        let valid =
            |octet: &u8| octet.is_ascii_graphic() && !matches!(octet, b'"' | b'(' | b')' | b'*' | b'+' | b'\\' | b'{');
        if !(1..=64).contains(&tag.len()) || !tag.iter().all(valid) {
            return None;
        }
        core::str::from_utf8(tag).ok().map(|tag| Self(tag.into()))
    }

    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({})", self.0)
    }
}

/// What a line from the server means.
pub(super) enum Reply {
    /// Not the login's.
    Other,
    /// The login's, with more lines of the same reply to come.
    More,
    /// A challenge, decoded.
    Challenge(Vec<u8>),
    /// The completion, with the data that came with success.
    End(Answer, Option<Vec<u8>>),
}

/// What a line from the client means where a command is expected.
pub(super) enum Command {
    /// Another command than the one for SASL.
    Other,
    /// The one for SASL.
    Login {
        /// Where the protocol has tags.
        tag: Option<Tag>,
        /// `None` for what is no mechanism name.
        mechanism: Option<MechanismName>,
        /// The initial response, if there is one.
        response: Result<Option<Vec<u8>>, ProfileError>,
    },
}

/// What a line from the client means where a response is expected.
pub(super) enum Response {
    Cancel,
    Octets(Vec<u8>),
}

/// One line protocol, without state. The defaults are those of IMAP, SMTP and POP3.
pub(super) trait Dialect: fmt::Debug + Sync {
    /// Whether arguments are strings, quoted or literal. Where they are, the server's message travels with success, and
    /// there is no challenge for it.
    fn uses_strings(&self) -> bool {
        false
    }

    /// Longest command line with an initial response in it, CRLF counted.
    fn command_limit(&self) -> usize {
        512
    }

    /// Length of the literal that this part of a line from the server, perhaps its first, announces.
    fn server_literal(&self, part: &[u8], _is_first: bool) -> Option<usize> {
        if self.uses_strings() { wire::literal(part, b"}") } else { None }
    }

    /// Length of the literal that this part of a line from the client announces; one that waits for a go-ahead is none.
    fn client_literal(&self, part: &[u8]) -> Option<usize> {
        if self.uses_strings() { wire::literal(part, b"+}") } else { None }
    }

    /// Client: the command for SASL.
    fn command(&self, tag: &str, mechanism: MechanismName, response: Option<&[u8]>) -> Vec<u8>;

    /// Client: a response to a challenge.
    fn response(&self, octets: &[u8]) -> Vec<u8> {
        format!("{}\r\n", wire::encode(octets)).into_bytes()
    }

    /// Client: the end of an exchange that it won't go on with.
    fn cancel(&self) -> &'static [u8] {
        b"*\r\n"
    }

    /// Client: what a line from the server means.
    fn reply(&self, tag: &str, line: &[u8]) -> Result<Reply, ProfileError>;

    /// Server: where the verb stands in a command, counted in words, in a protocol whose other commands may be far larger than
    /// a login: they are told apart by their verb, before they are whole.
    fn verb_at(&self) -> Option<usize> {
        None
    }

    /// Server: what a line means where a command is expected.
    fn parse(&self, line: &[u8]) -> Command;

    /// Server: what a line means where a response is expected.
    fn parse_response(&self, line: &[u8]) -> Result<Response, ProfileError> {
        match line {
            b"*" => Ok(Response::Cancel),
            _ => wire::decode(line).map(Response::Octets),
        }
    }

    /// Server: a challenge.
    fn challenge(&self, octets: &[u8]) -> Vec<u8> {
        format!("+ {}\r\n", wire::encode(octets)).into_bytes()
    }

    /// Server: the completion, with data where success carries it.
    fn completion(&self, tag: &str, verdict: Answer, data: Option<&[u8]>) -> Vec<u8>;

    /// Server: the completion for a mechanism that it does not list.
    fn unsupported(&self, tag: &str) -> Vec<u8>;
}

/// The initial response that ends a line, as IMAP, SMTP and POP3 write it.
///
/// All that is left of the line is taken, so a line with too much in it is a malformed response rather than another
/// command.
pub(super) fn initial_response(cursor: wire::Cursor<'_>, line: &[u8]) -> Result<Option<Vec<u8>>, ProfileError> {
    if cursor.is_empty() && !line.ends_with(b" ") {
        return Ok(None);
    }
    wire::decode_initial(cursor.0).map(Some)
}

/// ` response` or nothing, as IMAP, SMTP and POP3 write it.
pub(super) fn with_response(command: &str, response: Option<&[u8]>) -> Vec<u8> {
    match response {
        Some(octets) => format!("{command} {}\r\n", wire::encode_initial(octets)),
        None => format!("{command}\r\n"),
    }
    .into_bytes()
}

/// The text of a response code: `CODE` of `[CODE …] text`.
pub(super) fn response_code(text: &[u8]) -> &[u8] {
    let code = text.strip_prefix(b"[").unwrap_or_default();
    code.split(|octet| matches!(octet, b']' | b' ')).next().unwrap_or_default()
}
