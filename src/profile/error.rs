//! What can go wrong between two profiles, and who is to blame.

/// A login that can't go on.
///
/// An exchange that failed repeats its error; see [`blames_peer`](Self::blames_peer) for whose doing it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// Peer: a line, element or PDU is longer than this profile takes. Close the connection.
    #[error("peer misbehaved: more than {limit} octets in one line, element or PDU")]
    TooLong {
        /// The most it may have.
        limit: usize,
    },
    /// Peer: a line ends in a bare line feed, which two parsers may read as two different things.
    #[error("peer misbehaved: a line ended without a carriage return")]
    BareLineFeed,
    /// Peer: not what the protocol's grammar allows here.
    #[error("peer misbehaved: {0}")]
    Malformed(&'static str),
    /// Peer: not base64, or base64 that is not canonical (RFC 4648 sections 3.2 and 3.5).
    #[error("peer misbehaved: base64 that is not canonical")]
    NotBase64,
    /// Peer: the server challenged where the mechanism has nothing to answer. It may have read what rode along as an
    /// answer, so close the connection.
    #[error("peer misbehaved: the server sent a challenge that the mechanism has no answer to")]
    UnexpectedChallenge,
    /// Peer: the server ended the login without the one challenge, whose answer was sent ahead. It reads that as a command, and may answer it, so
    /// replies can't be told apart any more: close the connection.
    #[error("peer misbehaved: the server ended the login without its challenge")]
    MissingChallenge,
    /// Caller: text that the protocol can't carry, such as a control character in XML.
    #[error("API misuse: the text holds a character that the protocol can't carry; check names and addresses first")]
    IllegalText,
    /// Caller: a method out of turn; the text says which one comes first.
    #[error("API misuse: {0}")]
    OutOfTurn(&'static str),
}

impl ProfileError {
    /// Whether the peer, rather than the caller of this library, caused it.
    pub const fn blames_peer(self) -> bool {
        !matches!(self, Self::IllegalText | Self::OutOfTurn(_))
    }
}
