//! After a full login.

use core::slice::from_ref;
use std::sync::Arc;

use super::on::{Checked, On, ensure};
use super::scene::{EXPR, NONE, at, client, counted, first_use_of, imap, smtp, token_use, use_of};
use crate::assertion::{HtMechanism, LineageRecord, Origin, Pin, Scope, Service, TokenRecord};
use crate::channel::ServerName;
use crate::store::{Committed, Found, Lookup, Remember, Revoke, Use};

pub(super) fn an_empty_store(on: On<'_>) -> Checked {
    let (alice, now) = (client("alice", 1, at(0)), at(1));
    for (found, devices) in on.known_of(from_ref(&alice), now)? {
        ensure!(found == Found::default(), "an empty store knows something: {found:?}");
        ensure!(devices.is_empty(), "an empty store lists devices: {devices:?}");
    }
    ensure!(on.lookup(&Lookup::default(), now)? == Found::default(), "something is found that nobody asked for");
    on.apply(&first_use_of(&alice.record(EXPR), now), now, Committed::Gone, "the use of an unknown assertion")?;
    let slot = alice.slot(0, HtMechanism::HT_SHA_256_EXPR);
    on.token(&token_use(&alice.tokens(), &slot), now, Committed::Gone, "the use of an unknown token")?;
    on.link(&alice.link(0, None), now, Committed::Gone, "a connection of an unknown client")?;
    on.revoke_some("alice", Revoke::Device(alice.device()), now, 0)?;
    on.revoke_some("alice", Revoke::Assertion(alice.record(EXPR).id), now, 0)
}

pub(super) fn of_two_clients(on: On<'_>) -> Checked {
    let (alice, now) = (client("alice", 1, at(0)), at(1));
    let own = Remember { secret: Some(alice.secret(1, 1000)), ..alice.remember() };
    for other in [client("alice", 2, at(0)), client("bob", 1, at(0))] {
        let records = vec![alice.record(EXPR), other.record(NONE)];
        for mixed in [
            Remember { records, ..own.clone() },
            Remember { token: Some(Box::new(other.tokens())), ..own.clone() },
            Remember { link: Some(other.link(0, None)), ..own.clone() },
            Remember { secret: Some(other.secret(1, 1000)), ..own.clone() },
        ] {
            on.remember(&mixed, now, Committed::Gone, "a full login of two clients")?;
        }
        for (found, devices) in on.known_of(&[alice.clone(), other], now)? {
            ensure!(found == Found::default() && devices.is_empty(), "a login of two clients is remembered: {found:?}");
        }
    }
    on.remember(&own, now, Committed::Done, "a full login of one client")
}

/// Who logs in again under the same id is another client, and the one before is gone.
pub(super) fn another_login_of_one_client(on: On<'_>) -> Checked {
    let (before, again) = (client("alice", 1, at(0)), client("alice", 1, at(10)));
    on.remember(&before.with_records(&[before.record(EXPR)]), at(0), Committed::Done, "a full login")?;
    let record = again.record_in(EXPR, smtp());
    on.remember(&again.with_records(from_ref(&record)), at(10), Committed::Done, "another one under the same id")?;
    on.must_live(&record, at(11), "of the later login")?;
    ensure!(on.live(&before.record(EXPR), at(11))?.is_none(), "what came of the login before goes on");
    let devices = on.devices("alice", at(11))?;
    ensure!(
        matches!(&devices[..], [device] if device.created == at(10)),
        "another login is not another client: {devices:?}"
    );
    Ok(())
}

pub(super) fn found_again(on: On<'_>) -> Checked {
    let (alice, now) = (client("alice", 1, at(0)), at(1));
    let there = alice.record_in(NONE, smtp());
    let remember = Remember { records: vec![alice.record(EXPR), there.clone()], ..alice.remember() };
    on.remember(&remember, alice.login, Committed::Done, "a full login")?;
    let lookup = Lookup {
        login: Some(alice.login_id().into()),
        assertion: Some(alice.record(EXPR).id),
        handle: Some(alice.handle(0)),
        token: Some(alice.tokens().id),
        account: true,
    };
    let wanted = Found {
        record: Some(Arc::new(alice.record(EXPR))).into(),
        lineage: Some(Arc::new(alice.lineage())),
        token: Some(Arc::new(alice.tokens())).into(),
        account: None.into(),
    };
    let found = on.lookup(&lookup, now)?;
    ensure!(found == wanted, "what was remembered is found otherwise: {found:?}");
    let found = on.record(&there, now)?;
    ensure!(found.as_deref() == Some(&there), "the record for another service is found otherwise: {found:?}");
    let only = Lookup { assertion: lookup.assertion, login: lookup.login, ..Lookup::default() };
    let found = on.lookup(&only, now)?;
    ensure!(
        found.record.is_there()
            && found.lineage.is_none()
            && found.token.get().is_none()
            && found.account.get().is_none(),
        "a lookup gives what it did not ask for: {found:?}"
    );
    let other = client("alice", 2, at(0));
    ensure!(on.record(&other.record(EXPR), now)?.is_none(), "a record is found that nobody remembered");
    ensure!(on.lineage(alice.handle(1), now)?.is_none(), "a session is found that nobody remembered");
    ensure!(on.tokens(&other.tokens(), now)?.is_none(), "a token is found that nobody remembered");
    Ok(())
}

pub(super) fn made_again(on: On<'_>) -> Checked {
    let (alice, now) = (client("alice", 1, at(0)), at(1));
    on.log_in(&alice)?;
    let before = on.known_of(from_ref(&alice), now)?;
    for _ in 0..3 {
        on.log_in(&alice)?;
        let after = on.known_of(from_ref(&alice), now)?;
        ensure!(before == after, "the same login once more changes something: {before:?} became {after:?}");
    }
    on.revoke_some("alice", Revoke::All, now, 1)
}

pub(super) fn made_again_after_use(on: On<'_>) -> Checked {
    let (alice, now) = (client("alice", 1, at(0)), at(1));
    let record = alice.record(NONE);
    let remember = alice.with_records(from_ref(&record));
    on.remember(&remember, alice.login, Committed::Done, "a full login")?;
    let first = Use { confirm: true, ..counted(&record, 1, now) };
    on.apply(&first, now, Committed::Done, "the first use")?;
    on.remember(&remember, now, Committed::Done, "the same login once more")?;
    ensure!(!on.must_live(&record, now, "made again")?.is_tentative(), "a login made again takes back the first use");
    on.apply(&counted(&record, 1, now), now, Committed::Replayed, "a counter from before the login made again")
}

pub(super) fn little_or_nothing(on: On<'_>) -> Checked {
    let nothing = Remember { records: Vec::new(), token: None, link: None, secret: None };
    on.remember(&nothing, at(0), Committed::Done, "a login that leaves nothing behind")?;
    let (alice, bob) = (client("alice", 1, at(0)), client("bob", 1, at(0)));
    let session = Remember { link: Some(alice.link(0, None)), ..nothing.clone() };
    on.remember(&session, at(0), Committed::Done, "a login that leaves a session only")?;
    let lineage = on.lineage(alice.handle(0), at(1))?;
    ensure!(lineage.as_deref() == Some(&alice.lineage()), "the session is found otherwise: {lineage:?}");
    let token = Remember { token: Some(Box::new(bob.tokens())), ..nothing };
    on.remember(&token, at(0), Committed::Done, "a login that leaves a token only")?;
    let found = on.tokens(&bob.tokens(), at(1))?;
    ensure!(found.as_deref() == Some(&bob.tokens()), "the token is found otherwise: {found:?}");
    for who in ["alice", "bob"] {
        let count = on.devices(who, at(1))?.len();
        ensure!(count == 1, "{count} devices of {who}, who logged in once");
        on.revoke_some(who, Revoke::All, at(2), 1)?;
    }
    Ok(())
}

pub(super) fn devices_oldest_first(on: On<'_>) -> Checked {
    let [first, second, third] = [(1, 10), (2, 20), (3, 30)].map(|(n, login)| client("alice", n, at(login)));
    for client in [&second, &first, &third] {
        on.log_in(client)?;
    }
    let ids = |now| Ok::<_, String>(on.devices("alice", now)?.iter().map(|device| device.id).collect::<Vec<_>>());
    let wanted = [first.device(), second.device(), third.device()];
    ensure!(ids(at(40))? == wanted, "the devices are not listed oldest first: {:?}", on.devices("alice", at(40))?);
    let last_used = |n: usize| {
        let devices = on.devices("alice", at(60))?;
        devices.get(n).map(|device| device.last_used).ok_or_else(|| format!("device {n} is not listed: {devices:?}"))
    };
    ensure!(last_used(0)? == at(10), "a device that just logged in was last used at {:?}", last_used(0)?);
    on.apply(&first_use_of(&first.record(EXPR), at(50)), at(50), Committed::Done, "the first use")?;
    let slot = second.slot(0, HtMechanism::HT_SHA_256_EXPR);
    on.token(&token_use(&second.tokens(), &slot), at(51), Committed::Done, "the use of a token")?;
    on.link(&third.link(1, Some(third.handle(0))), at(52), Committed::Done, "a recognised connection")?;
    for (n, seen) in [(0, 50), (1, 51), (2, 52)] {
        ensure!(last_used(n)? == at(seen), "device {n} was last used at {:?}, not {:?}", last_used(n)?, at(seen));
    }
    // What happened before does not count as later.
    on.apply(&use_of(&first.record(EXPR), at(45)), at(45), Committed::Done, "a use by a clock that is behind")?;
    ensure!(last_used(0)? == at(50), "a device's last use went back to {:?}", last_used(0)?);
    ensure!(ids(at(60))? == wanted, "the use of a device changes the order of the list");
    let devices = on.devices("alice", at(60))?;
    let right = |n: usize, login| {
        devices.get(n).is_some_and(|device| {
            device.created == at(login) && device.origin == Origin::Bound && device.service == Service::IMAP
        })
    };
    ensure!(right(0, 10) && right(1, 20) && right(2, 30), "a device is described otherwise: {devices:?}");
    ensure!(on.devices("bob", at(60))?.is_empty(), "somebody else's devices are listed");
    Ok(())
}

pub(super) fn devices_by_scope(on: On<'_>) -> Checked {
    let [here, both] = [1, 2].map(|n| client("alice", n, at(n as u64)));
    on.log_in(&here)?;
    let records = [both.record(EXPR), both.record_in(NONE, smtp())];
    on.remember(&both.with_records(&records), both.login, Committed::Done, "a login for two services")?;
    let count = |scope| Ok::<_, String>(on.devices_in("alice", scope, at(5))?.len());
    let (imap, smtp) = (imap(), smtp());
    let counts = (count(None)?, count(Some(&imap))?, count(Some(&smtp))?);
    ensure!(counts == (2, 2, 1), "(all, imap, smtp) are {counts:?} devices, not (2, 2, 1)");
    Ok(())
}

pub(super) fn values_of_every_kind(on: On<'_>) -> Checked {
    let alice = client("alice", 1, at(0));
    let mut records: Vec<_> = Pin::ALL.iter().map(|pin| alice.record(*pin)).collect();
    let origins = [Origin::Unbound, Origin::Disclosed, Origin::Keyed, Origin::Bound];
    for (record, origin) in records.iter_mut().zip(origins) {
        record.origin = origin;
    }
    let addressed = Scope::new(Service::IMAP, ServerName::none());
    for (record, name) in records.iter_mut().zip(["", "Alice", "alice@mail.example"]) {
        record.login_name = name.into();
        record.scope = addressed.clone();
    }
    let mut link = alice.link(0, None);
    link.lineage = LineageRecord { lineage: None, strength: Origin::Unbound, login_name: "".into(), ..link.lineage };
    let remember = Remember { records: records.clone(), token: None, link: Some(link.clone()), secret: None };
    on.remember(&remember, at(0), Committed::Done, "a full login")?;
    for record in &records {
        let found = on.record(record, at(1))?;
        ensure!(found.as_deref() == Some(record), "a record is found otherwise: {found:?}, not {record:?}");
    }
    let found = on.lineage(link.handle, at(1))?;
    ensure!(found.as_deref() == Some(&link.lineage), "a session is found otherwise: {found:?}, not {:?}", link.lineage);
    for mechanism in HtMechanism::all() {
        let who = client(mechanism.name(), 1, at(0));
        let tokens = TokenRecord { new: Some(who.slot(0, mechanism)), ..who.tokens() };
        let token = Some(Box::new(tokens.clone()));
        on.remember(&Remember { token, ..who.remember() }, at(0), Committed::Done, "a full login")?;
        let found = on.tokens(&tokens, at(1))?;
        ensure!(found.as_deref() == Some(&tokens), "tokens are found otherwise: {found:?}, not {tokens:?}");
    }
    Ok(())
}

pub(super) fn accounts_of_every_name(on: On<'_>) -> Checked {
    // Any text of 255 octets without NUL. What differs in an octet is another account.
    let long = "x".repeat(255);
    let names = [
        "alice",
        "Alice",
        " alice",
        "alice ",
        "alice:1",
        "al{ice}",
        "ali%e",
        "al_ce",
        "al*ce",
        "al?ce",
        "a'); --",
        "a\"\\",
        "a\nb",
        "a\u{1}",
        "\u{e9}",
        "e\u{301}",
        "\u{ff0a}",
        "\u{1f600}",
        "[a]",
        "1",
        "-1",
        &long[1..],
        &long,
    ];
    let all = names.map(|name| client(name, 1, at(0)));
    for client in &all {
        on.remember(&client.remember(), at(0), Committed::Done, &format!("a full login of {:?}", client.identity))?;
        on.secret(&client.secret(1, 1000), at(0), Committed::Done, &format!("the secret of {:?}", client.identity))?;
    }
    for (n, client) in all.iter().enumerate() {
        all[n..].iter().try_for_each(|other| on.must_know(other, at(1)))?;
        on.revoke_some(&client.identity, Revoke::All, at(1), 1)?;
        on.must_not_know(client, at(1))?;
        ensure!(on.state(client.login_id(), at(1))?.is_none(), "{:?} still has its secret", client.identity);
        for other in &all[n + 1..] {
            let there = on.state(other.login_id(), at(1))?.is_some();
            ensure!(there, "the revocation of {:?} took the secret of {:?}", client.identity, other.identity);
        }
    }
    Ok(())
}
