//! Early data: nobody keeps the counter of a sealed assertion.

use fast_reauth::channel::Tickets;

use super::*;

#[test]
fn a_sealed_assertion_is_no_early_data() {
    let service = Service::with(server().sealed(keys()).early_data());
    let assertion = service.sealed("alice");
    let before = Tls::full();
    let tls = Tls { early_exporter: true, tickets: Tickets::Stateful, ..Tls::resuming(&before) };
    let early = Tls { early_data: true, ..tls.clone() };
    let lineage = before.lineage();
    let started = iky::Client::start(&assertion, &early.client(), Some(&lineage), Some(1));
    assert!(matches!(started, Err(iky::CannotStart::EarlyData)), "the client does not send it");
    let message = iky::Client::start(&assertion, &tls.client(), Some(&lineage), Some(1)).unwrap().message;
    let verdict = service.judge(&early, assertion.pin(), &message);
    assert_eq!(verdict.outcome, Outcome::BindingMismatch, "whatever is right about it");
}
