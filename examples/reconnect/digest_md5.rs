//! DIGEST-MD5 with subsequent authentication (RFC 2831 section 2.2): the fast reauthentication that there was, to compare with.
//!
//! No more than that takes: `qop=auth`, one realm, one account, and no check of who else might be replaying. RFC 6331 made the mechanism
//! historic; nobody should log in with it.

use std::fmt::Write as _;

use md5::{Digest as _, Md5};

pub(crate) const MECHANISM: &str = "DIGEST-MD5";

/// What both ends compute from.
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) password: String,
    pub(crate) realm: String,
    /// `imap/imap.example.org`.
    pub(crate) uri: String,
}

impl Account {
    /// The response value of section 2.1.2.1; with an empty `method` that of the server, section 2.1.3.
    fn value(&self, method: &str, nonce: &str, count: u32, cnonce: &str) -> String {
        let Self { name, password, realm, uri } = self;
        let user = Md5::digest(format!("{name}:{realm}:{password}"));
        let mut a1 = Md5::new();
        a1.update(user);
        a1.update(format!(":{nonce}:{cnonce}"));
        let (a1, a2) = (hex(&a1.finalize()), hex(&Md5::digest(format!("{method}:{uri}"))));
        hex(&Md5::digest(format!("{a1}:{nonce}:{count:08x}:{cnonce}:auth:{a2}")))
    }
}

/// The client, from one connection to the next.
pub(crate) struct Client {
    account: Account,
    /// The server's nonce, and how often it was used.
    known: Option<(String, u32)>,
    cnonce: String,
    expected: String,
}

impl Client {
    pub(crate) fn new(account: Account, cnonce: &str) -> Self {
        Self { account, known: None, cnonce: cnonce.to_owned(), expected: String::new() }
    }

    /// The initial response, for who was here before.
    pub(crate) fn subsequent(&mut self) -> Option<Vec<u8>> {
        let (nonce, count) = self.known.take()?;
        Some(self.respond(nonce, count + 1))
    }

    /// The answer to the first challenge.
    pub(crate) fn first(&mut self, challenge: &[u8]) -> Option<Vec<u8>> {
        let nonce = directive(std::str::from_utf8(challenge).ok()?, "nonce")?.to_owned();
        Some(self.respond(nonce, 1))
    }

    fn respond(&mut self, nonce: String, count: u32) -> Vec<u8> {
        let Self { account, cnonce, .. } = self;
        let response = account.value("AUTHENTICATE", &nonce, count, cnonce);
        self.expected = format!("rspauth={}", account.value("", &nonce, count, cnonce));
        let Account { name, realm, uri, .. } = account;
        let message = format!(
            "username=\"{name}\",realm=\"{realm}\",nonce=\"{nonce}\",cnonce=\"{cnonce}\",nc={count:08x},qop=auth,\
             digest-uri=\"{uri}\",response={response},charset=utf-8"
        );
        self.known = Some((nonce, count));
        message.into_bytes()
    }

    /// Whether the server knows the password, too.
    pub(crate) fn is_server(&self, rspauth: &[u8]) -> bool {
        !self.expected.is_empty() && rspauth == self.expected.as_bytes()
    }
}

/// The server, of one account.
pub(crate) struct Server {
    account: Account,
    nonce: String,
    count: u32,
}

impl Server {
    pub(crate) fn new(account: Account, nonce: &str) -> Self {
        Self { account, nonce: nonce.to_owned(), count: 0 }
    }

    /// For who was not here before.
    pub(crate) fn challenge(&self) -> Vec<u8> {
        let (realm, nonce) = (&self.account.realm, &self.nonce);
        format!("realm=\"{realm}\",nonce=\"{nonce}\",qop=\"auth\",algorithm=md5-sess,charset=utf-8").into_bytes()
    }

    /// The server's own proof, for a good response with the count that is due.
    pub(crate) fn verify(&mut self, response: &[u8]) -> Option<Vec<u8>> {
        let text = std::str::from_utf8(response).ok()?;
        let Self { account, nonce, count } = self;
        let (cnonce, due) = (directive(text, "cnonce")?, *count + 1);
        let as_expected = [
            ("username", account.name.as_str()),
            ("realm", &account.realm),
            ("nonce", nonce),
            ("nc", &format!("{due:08x}")),
            ("digest-uri", &account.uri),
            ("response", &account.value("AUTHENTICATE", nonce, due, cnonce)),
        ];
        if as_expected.iter().any(|(name, value)| directive(text, name) != Some(value)) {
            return None;
        }
        *count = due;
        Some(format!("rspauth={}", account.value("", nonce, due, cnonce)).into_bytes())
    }
}

/// The value of a directive, whose values here have neither quotes nor commas in them.
fn directive<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let value = text.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim_matches('"'))
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut out, octet| {
        let _ = write!(out, "{octet:02x}");
        out
    })
}
