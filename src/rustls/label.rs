//! What a server's session carries besides rustls' own state: where it came from.

use crate::channel::{Handle, Tickets};

/// SHA-256 of the certificate that the client holds with the session.
pub(super) type Fingerprint = [u8; 32];

/// Goes before the serialised session, in the session storage and inside the encrypted ticket alike.
///
/// rustls' own encoding starts with an octet that says whether a server name follows, and then the name. A label starts as a
/// name that is none: so a configuration without labels that shares the storage or the ticket keys can't read a labelled
/// session, nor is an unlabelled one ever read as labelled. Neither resumes; both make a full handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) handle: Handle,
    pub(super) tickets: Tickets,
    /// `None` where it is not certain which certificate the client holds.
    pub(super) certificate: Option<Fingerprint>,
}

impl Label {
    /// "A name follows", its length, a NUL that no name has, and the version of this format.
    const MAGIC: [u8; 4] = [1, (Self::LEN - 2) as u8, 0, 1];
    const LEN: usize = 4 + 1 + Handle::LEN + size_of::<Fingerprint>();
    const STATEFUL: u8 = 0;
    const STATELESS: u8 = 1;
    /// SHA-256 never gives it.
    const UNKNOWN: Fingerprint = [0; 32];

    /// The session with this label before it.
    pub(super) fn put_on(&self, session: &[u8]) -> Vec<u8> {
        let mut labelled = Vec::with_capacity(Self::LEN + session.len());
        labelled.extend_from_slice(&Self::MAGIC);
        labelled.push(match self.tickets {
            Tickets::Stateful => Self::STATEFUL,
            Tickets::Stateless => Self::STATELESS,
        });
        labelled.extend_from_slice(self.handle.as_octets());
        labelled.extend_from_slice(&self.certificate.unwrap_or(Self::UNKNOWN));
        labelled.extend_from_slice(session);
        labelled
    }

    /// Takes the label off; `None` for anything that was not labelled by this version.
    pub(super) fn take_off(mut labelled: Vec<u8>) -> Option<(Self, Vec<u8>)> {
        let (magic, rest) = labelled.split_first_chunk::<4>()?;
        let (&tickets, rest) = rest.split_first()?;
        let (handle, rest) = rest.split_first_chunk::<{ Handle::LEN }>()?;
        let (certificate, _) = rest.split_first_chunk::<{ size_of::<Fingerprint>() }>()?;
        if *magic != Self::MAGIC {
            return None;
        }
        let tickets = match tickets {
            Self::STATEFUL => Tickets::Stateful,
            Self::STATELESS => Tickets::Stateless,
            _ => return None,
        };
        let certificate = Some(*certificate).filter(|fingerprint| *fingerprint != Self::UNKNOWN);
        let label = Self { handle: Handle::new(*handle), tickets, certificate };
        labelled.drain(..Self::LEN);
        Some((label, labelled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: Label = Label { handle: Handle::new([7; 16]), tickets: Tickets::Stateful, certificate: Some([9; 32]) };

    #[test]
    fn comes_back() {
        for label in [LABEL, Label { tickets: Tickets::Stateless, certificate: None, ..LABEL }] {
            assert_eq!(Label::take_off(label.put_on(b"session")), Some((label, b"session".to_vec())));
            assert_eq!(Label::take_off(label.put_on(b"")), Some((label, Vec::new())));
        }
    }

    #[test]
    fn nothing_else_is_a_label() {
        let labelled = LABEL.put_on(b"session");
        for len in 0..Label::LEN {
            assert_eq!(Label::take_off(labelled[..len].to_vec()), None, "{len} octets");
        }
        for position in 0..5 {
            let mut other = labelled.clone();
            other[position] ^= 0x80;
            assert_eq!(Label::take_off(other), None, "octet {position}");
        }
    }

    #[test]
    fn starts_as_an_impossible_server_name() {
        let labelled = LABEL.put_on(b"session");
        let name = &labelled[2..2 + usize::from(labelled[1])];
        assert_eq!(labelled[0], 1);
        assert_eq!(name.len(), Label::LEN - 2);
        assert!(::rustls::pki_types::DnsName::try_from(name).is_err());
    }
}
