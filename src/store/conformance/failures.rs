//! A commit that fails changed nothing.

use core::slice::from_ref;

use super::on::{Checked, On, ensure};
use super::scene::{Client, NONE, at, client, counted, renewing, successor, token_use};
use crate::assertion::{HtMechanism, Record};
use crate::store::{Committed, Remember, Revoke, TokenUse, Use};

const HT: HtMechanism = HtMechanism::HT_SHA_256_EXPR;

/// A use that would change all that a use can change.
fn everything(client: &Client, record: &Record, counter: u64) -> (Use, Record) {
    let next = successor(record, 1, at(20));
    let (counter, ends) = (Some(counter), Some(at(1000)));
    let secret = Some(client.secret(1, 10_000));
    (Use { counter, confirm: true, ends, secret, ..renewing(record, &next, at(20)) }, next)
}

pub(super) fn a_replayed_use(on: On<'_>) -> Checked {
    let alice = client("alice", 1, at(0));
    let record = alice.record(NONE);
    let remember = Remember { records: vec![record.clone(), alice.record(super::scene::EXPR)], ..alice.remember() };
    on.remember(&remember, at(0), Committed::Done, "a full login")?;
    // It did not confirm yet, so a replay could.
    on.apply(&counted(&record, 1, at(10)), at(10), Committed::Done, "a use")?;
    let known = || Ok::<_, String>((on.known_of(from_ref(&alice), at(21))?, on.record(&record, at(21))?));
    let before = known()?;
    let (change, next) = everything(&alice, &record, 1);
    for _ in 0..2 {
        on.apply(&change, at(20), Committed::Replayed, "a replay that would change much")?;
        let after = known()?;
        ensure!(before == after, "a replay changes something: {before:?} became {after:?}");
        ensure!(on.record(&next, at(21))?.is_none(), "a replay adds a successor");
    }
    let (fresh, _) = everything(&alice, &record, 2);
    on.apply(&fresh, at(22), Committed::Done, "the same with a fresh counter")
}

pub(super) fn a_revoked_use(on: On<'_>) -> Checked {
    let alice = client("alice", 1, at(0));
    let record = alice.record(NONE);
    let remember = Remember { records: vec![record.clone()], ..alice.remember() };
    on.remember(&remember, at(0), Committed::Done, "a full login")?;
    on.revoke_some("alice", Revoke::Device(alice.device()), at(10), 1)?;
    let before = on.known_of(from_ref(&alice), at(21))?;
    let (change, next) = everything(&alice, &record, 1);
    on.apply(&change, at(20), Committed::Gone, "a use after a revocation")?;
    let slot = alice.slot(0, HT);
    let issue = Some(Box::new(alice.slot(1, HT)));
    let token = TokenUse { count: Some(1), issue, ..token_use(&alice.tokens(), &slot) };
    on.token(&token, at(20), Committed::Gone, "the use of a token after a revocation")?;
    on.link(&alice.link(1, Some(alice.handle(0))), at(20), Committed::Gone, "a connection after a revocation")?;
    let after = on.known_of(from_ref(&alice), at(21))?;
    ensure!(before == after, "uses after a revocation change something: {before:?} became {after:?}");
    ensure!(on.record(&next, at(21))?.is_none(), "a use after a revocation adds a successor");
    ensure!(on.lineage(alice.handle(1), at(21))?.is_none(), "a connection after a revocation leaves a session");
    Ok(())
}

pub(super) fn a_replayed_token(on: On<'_>) -> Checked {
    let alice = client("alice", 1, at(0));
    on.log_in(&alice)?;
    let (tokens, first, next) = (alice.tokens(), alice.slot(0, HT), alice.slot(1, HT));
    let counted = TokenUse { count: Some(1), ..token_use(&tokens, &first) };
    on.token(&counted, at(10), Committed::Done, "a use")?;
    let before = on.known_of(from_ref(&alice), at(21))?;
    let issue = Some(Box::new(next));
    for replay in [TokenUse { issue, ..counted.clone() }, TokenUse { invalidate: true, ..counted }] {
        on.token(&replay, at(20), Committed::Replayed, "a replay that would change much")?;
        let after = on.known_of(from_ref(&alice), at(21))?;
        ensure!(before == after, "a token's replay changes something: {before:?} became {after:?}");
    }
    Ok(())
}

pub(super) fn a_login_too_late(on: On<'_>) -> Checked {
    // Its token would take the place of that of the client that was spared, on the same installation.
    let [kept, late] = [1, 2].map(|n| client("alice", n, at(n as u64)));
    on.log_in(&kept)?;
    on.revoke_some("alice", Revoke::AllBut(kept.device()), at(10), 0)?;
    let before = on.known_of(&[kept.clone(), late.clone()], at(21))?;
    let token = Some(Box::new(late.tokens_on("installation 1")));
    let remember = Remember { token, secret: Some(late.secret(1, 10_000)), ..late.remember() };
    on.remember(&remember, at(20), Committed::Gone, "a login from before a revocation")?;
    let after = on.known_of(&[kept.clone(), late.clone()], at(21))?;
    ensure!(before == after, "a login from before a revocation changes something: {before:?} became {after:?}");
    on.must_know(&kept, at(22))
}

pub(super) fn an_unknown_token(on: On<'_>) -> Checked {
    let alice = client("alice", 1, at(0));
    on.log_in(&alice)?;
    let before = on.known_of(from_ref(&alice), at(21))?;
    let (tokens, other) = (alice.tokens(), alice.slot(7, HT));
    let change = TokenUse { count: Some(1), invalidate: true, ..token_use(&tokens, &other) };
    on.token(&change, at(20), Committed::Gone, "a token that the client has not, to log out with")?;
    let after = on.known_of(from_ref(&alice), at(21))?;
    ensure!(before == after, "an unknown token changes something: {before:?} became {after:?}");
    let first = TokenUse { count: Some(1), ..token_use(&tokens, &alice.slot(0, HT)) };
    on.token(&first, at(22), Committed::Done, "the same count of the right token")
}
