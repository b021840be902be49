//! The login behind an assertion.

use super::*;

/// Two ends that saw different logins have nothing in common.
#[test]
fn any_difference_at_the_origin_makes_another_assertion() {
    let logins: [FullLogin; 6] = [
        bound("alice"),
        FullLogin::new("SCRAM-SHA-512-PLUS", "alice").unwrap().bound_by(BindingType::Exporter),
        FullLogin::new("SCRAM-SHA-256-PLUS", "alice").unwrap().bound_by(BindingType::EndPoint),
        bound("alice2"),
        bound("alice").ordinal(2).unwrap(),
        bound("alice").keyed(b"session key").unwrap(),
    ];
    let tls = Tls::full();
    let derive = |login: &FullLogin, service: &Service, pin: Pin, name: &'static str| {
        let mut tls = tls.clone();
        tls.name = name;
        let policy = Policy::default();
        let facts = tls.client();
        let exporter = tls.exporter();
        *fast_reauth::assertion::ClientAssertion::derive(pin, service, login, &facts, &exporter, &policy, START)
            .unwrap()
            .id()
    };
    let mut ids: Vec<_> = logins.iter().map(|login| derive(login, &Service::IMAP, Pin::SHA_256_EXPR, NAME)).collect();
    ids.push(derive(&logins[0], &Service::SMTP, Pin::SHA_256_EXPR, NAME));
    ids.push(derive(&logins[0], &Service::IMAP, Pin::SHA_256_NONE, NAME));
    ids.push(derive(&logins[0], &Service::IMAP, Pin::SHA_256_EXPR, "other.example.com"));
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count);
}
