//! Outcomes on the wire, in one place.
//!
//! An [`Outcome`] becomes a [`Answer`] first, and only verdicts have codes: what a stranger must not tell apart is one
//! value before any protocol sees it.

use crate::mechanism::Outcome;

/// How an outcome reads on the wire, and what a client can tell from a code.
///
/// The code is not authenticated. A client that learns more from the server's signed message believes that instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// Logged in.
    Accepted,
    /// Not recognised. Unknown, expired and evicted assertions, bad proofs, other bindings and repeated counters all
    /// read so.
    Refused,
    /// Recognised, and yet a full login is due. Only a proof that verified comes here.
    Expired,
    /// The server can't say now.
    Unavailable,
    /// The message follows no grammar, or the client cancelled.
    Malformed,
}

impl From<Outcome> for Answer {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Accepted => Self::Accepted,
            Outcome::Stale | Outcome::BindingMismatch | Outcome::Replayed | Outcome::BadProof => Self::Refused,
            Outcome::Revoked | Outcome::FullAuthenticationDue | Outcome::ConfigurationChanged => Self::Expired,
            Outcome::Unavailable => Self::Unavailable,
            Outcome::Malformed => Self::Malformed,
        }
    }
}

/// What a client makes of a code, for [`settle`](crate::store::client::Connection::settle).
impl From<Answer> for Outcome {
    fn from(verdict: Answer) -> Self {
        match verdict {
            Answer::Accepted => Self::Accepted,
            Answer::Refused => Self::Stale,
            Answer::Expired => Self::FullAuthenticationDue,
            Answer::Unavailable => Self::Unavailable,
            Answer::Malformed => Self::Malformed,
        }
    }
}

impl Answer {
    /// Every verdict.
    pub const ALL: [Self; 5] = [Self::Accepted, Self::Refused, Self::Expired, Self::Unavailable, Self::Malformed];

    const fn text(self) -> &'static str {
        match self {
            Self::Accepted => "Recognised",
            Self::Refused => "Not recognised",
            Self::Expired => "Full login required",
            Self::Unavailable => "Temporary authentication failure",
            Self::Malformed => "Malformed authentication exchange",
        }
    }

    /// IMAP: status, response code of RFC 5530 and text, for behind the tag.
    pub fn imap(self) -> String {
        let code = match self {
            Self::Accepted => "OK",
            Self::Refused => "NO [AUTHENTICATIONFAILED]",
            Self::Expired => "NO [EXPIRED]",
            Self::Unavailable => "NO [UNAVAILABLE]",
            Self::Malformed => "BAD",
        };
        format!("{code} {}", self.text())
    }

    /// IMAP: what a tagged status and its response code say (RFC 5530); a NO with another code is a refusal.
    pub fn from_imap(status: &[u8], code: &[u8]) -> Self {
        match (status.to_ascii_uppercase().as_slice(), code.to_ascii_uppercase().as_slice()) {
            (b"OK", _) => Self::Accepted,
            (b"NO", b"EXPIRED") => Self::Expired,
            (b"NO", b"UNAVAILABLE" | b"INUSE" | b"SERVERBUG" | b"CONTACTADMIN") => Self::Unavailable,
            (b"NO", _) => Self::Refused,
            _ => Self::Malformed,
        }
    }

    /// SMTP: reply code, enhanced status code (RFC 4954 section 6, RFC 5248) and text.
    ///
    /// [`Expired`](Self::Expired) reads as refused: SMTP has no code for it, and the signed message in the challenge
    /// has said it.
    pub fn smtp(self) -> String {
        let code = match self {
            Self::Accepted => "235 2.7.0",
            Self::Refused | Self::Expired => return format!("535 5.7.8 {}", Self::Refused.text()),
            Self::Unavailable => "454 4.7.0",
            Self::Malformed => "501 5.5.2",
        };
        format!("{code} {}", self.text())
    }

    /// SMTP: what a reply code says (RFC 4954 section 6); one that is not known is a refusal.
    pub const fn from_smtp(code: u16) -> Self {
        match code {
            200..=299 => Self::Accepted,
            // 4.7.12, a password transition; 5.7.9, the mechanism is too weak now (RFC 4954 section 6)
            432 | 534 => Self::Expired,
            400..=499 => Self::Unavailable,
            500..=504 => Self::Malformed,
            _ => Self::Refused,
        }
    }

    /// POP3: status, response code of RFC 3206 and text.
    pub fn pop3(self) -> String {
        let code = match self {
            Self::Accepted => "+OK",
            Self::Refused | Self::Expired => return format!("-ERR [AUTH] {}", Self::Refused.text()),
            Self::Unavailable => "-ERR [SYS/TEMP]",
            Self::Malformed => "-ERR",
        };
        format!("{code} {}", self.text())
    }

    /// POP3: what a status and its response code say (RFC 3206, RFC 2449 section 8). A bare `-ERR` is a refusal.
    pub fn from_pop3(ok: bool, code: &[u8]) -> Self {
        match code.to_ascii_uppercase().as_slice() {
            _ if ok => Self::Accepted,
            b"SYS/TEMP" | b"IN-USE" | b"LOGIN-DELAY" => Self::Unavailable,
            _ => Self::Refused,
        }
    }

    /// ManageSieve (RFC 5804 section 1.3): status, response code and text; success may carry data between the two.
    pub(super) fn sieve(self) -> [&'static str; 3] {
        let (status, code) = match self {
            Self::Accepted => ("OK", ""),
            Self::Refused | Self::Malformed => ("NO", ""),
            // "site security policy forbids the use of the requested mechanism for the specified identity"
            Self::Expired => ("NO", "AUTH-TOO-WEAK"),
            Self::Unavailable => ("NO", "TRYLATER"),
        };
        [status, code, self.text()]
    }

    /// ACAP (RFC 2244 section 3.2): the same, with BAD for what follows no grammar.
    pub(super) fn acap(self) -> [&'static str; 3] {
        match self {
            Self::Malformed => ["BAD", "", self.text()],
            _ => self.sieve(),
        }
    }

    /// ManageSieve (RFC 5804 section 1.3) and ACAP (RFC 2244 section 3.2): what a status and its response code say.
    pub fn from_acap(status: &[u8], code: &[u8]) -> Self {
        match (status.to_ascii_uppercase().as_slice(), code.to_ascii_uppercase().as_slice()) {
            (b"OK", _) => Self::Accepted,
            (b"BAD", _) => Self::Malformed,
            (b"BYE", _) | (_, b"TRYLATER" | b"TRYFREECON") => Self::Unavailable,
            (_, b"AUTH-TOO-WEAK" | b"TRANSITION-NEEDED") => Self::Expired,
            _ => Self::Refused,
        }
    }

    /// LDAP: the resultCode (RFC 4511 appendix A). Expired reads as invalidCredentials; serverSaslCreds has said the
    /// rest.
    pub const fn ldap(self) -> u8 {
        match self {
            Self::Accepted => 0,
            Self::Refused | Self::Expired => 49,
            Self::Unavailable => 52,
            Self::Malformed => 2,
        }
    }

    /// LDAP: what a resultCode says (RFC 4511 appendix A); one that is not known is a refusal.
    pub const fn from_ldap(code: u8) -> Self {
        match code {
            0 => Self::Accepted,
            1 | 51 | 52 => Self::Unavailable,
            2 => Self::Malformed,
            8 => Self::Expired,
            _ => Self::Refused,
        }
    }

    /// XMPP: the SASL error condition (RFC 6120 section 6.5); `None` for success.
    pub const fn xmpp(self) -> Option<&'static str> {
        match self {
            Self::Accepted => None,
            Self::Refused => Some("not-authorized"),
            Self::Expired => Some("credentials-expired"),
            Self::Unavailable => Some("temporary-auth-failure"),
            Self::Malformed => Some("malformed-request"),
        }
    }

    /// XMPP: what a condition says (RFC 6120 section 6.5); one that is not known is a refusal.
    pub fn from_xmpp(condition: &str) -> Self {
        match condition {
            "credentials-expired" => Self::Expired,
            "temporary-auth-failure" => Self::Unavailable,
            "malformed-request" | "incorrect-encoding" | "aborted" | "invalid-mechanism" => Self::Malformed,
            _ => Self::Refused,
        }
    }
}
