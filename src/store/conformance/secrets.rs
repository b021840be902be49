//! The secret of an account, and what it says was revoked.

use core::slice::from_ref;
use core::time::Duration;

use super::on::{Checked, On, ensure};
use super::scene::{Client, EXPR, NONE, at, client, counted, first_use_of, renewing, successor};
use crate::assertion::{AccountState, DeviceId, LoginId, Revocations};
use crate::store::{Committed, Lookup, NewSecret, Remember, Revoke, Use};
use crate::time::Timestamp;

fn state(on: On<'_>, login: LoginId, now: Timestamp, what: &str) -> Result<AccountState, String> {
    match on.state(login, now)? {
        Some(state) => Ok(AccountState::clone(&state)),
        None => Err(format!("{what}: the account has no secret")),
    }
}

fn must_have(on: On<'_>, new: &NewSecret, now: Timestamp, what: &str) -> Checked {
    let found = state(on, new.login, now, what)?;
    ensure!(found.secret == new.secret, "{what}: the account has another secret");
    ensure!(found.identity == new.identity, "{what}: the secret is said to be {:?}'s", found.identity);
    Ok(())
}

fn revoked(on: On<'_>, client: &Client, now: Timestamp) -> Result<bool, String> {
    Ok(state(on, client.login_id(), now, "what was revoked")?.revoked.revokes(client.device(), client.login))
}

pub(super) fn the_first_one_stays(on: On<'_>) -> Checked {
    let alice = client("alice", 1, at(0));
    let [first, other] = [1, 2].map(|which| alice.secret(which, 1000));
    on.secret(&first, at(1), Committed::Done, "an account's secret")?;
    must_have(on, &first, at(2), "set")?;
    let known = state(on, first.login, at(2), "set")?;
    ensure!(known.revoked == Revocations::default(), "of a new account something is revoked: {:?}", known.revoked);
    on.secret(&first, at(3), Committed::Done, "the same secret once more")?;
    on.secret(&other, at(4), Committed::WithoutSuccessor, "another secret")?;
    must_have(on, &first, at(5), "another one was refused")?;
    let unasked = Lookup { login: Some(first.login.into()), ..Lookup::default() };
    ensure!(on.lookup(&unasked, at(6))?.account.get().is_none(), "a lookup gives a secret that it did not ask for");
    ensure!(on.state(client("bob", 1, at(0)).login_id(), at(6))?.is_none(), "an unknown account has a secret");
    let nobody = Lookup { account: true, ..Lookup::default() };
    ensure!(on.lookup(&nobody, at(6))?.account.get().is_none(), "a lookup without login gives a secret");
    Ok(())
}

pub(super) fn needed_for_longer(on: On<'_>) -> Checked {
    let alice = client("alice", 1, at(0));
    on.secret(&alice.secret(1, 100), at(1), Committed::Done, "an account's secret")?;
    on.secret(&alice.secret(1, 200), at(2), Committed::Done, "the same, for longer")?;
    on.secret(&alice.secret(1, 50), at(3), Committed::Done, "the same, for less long")?;
    on.secret(&alice.secret(2, 900), at(4), Committed::WithoutSuccessor, "another one, for longer")?;
    must_have(on, &alice.secret(1, 0), at(199), "until it is needed no more")?;
    // What happens then is the store's affair. The account gets no second secret beside one that it has.
    let new = alice.secret(3, 10_000);
    let committed = on.commit(&crate::store::Commit::Secret(new.clone()), at(1000))?;
    match committed {
        Committed::Done => must_have(on, &new, at(1001), "a new one, long after"),
        Committed::WithoutSuccessor => must_have(on, &alice.secret(1, 0), at(1001), "the one from before, long after"),
        other => Err(format!("a new secret, long after the one before: {other:?}")),
    }
}

pub(super) fn of_a_full_login(on: On<'_>) -> Checked {
    let (alice, bob) = (client("alice", 1, at(0)), client("bob", 1, at(0)));
    let with = |client: &Client, which| Remember { secret: Some(client.secret(which, 1000)), ..client.remember() };
    on.remember(&with(&alice, 1), at(0), Committed::Done, "a full login with a secret")?;
    must_have(on, &alice.secret(1, 0), at(1), "set by a full login")?;
    on.must_know(&alice, at(1))?;
    let again = client("alice", 2, at(2));
    on.remember(&with(&again, 2), at(2), Committed::Done, "a full login of an account that has a secret")?;
    must_have(on, &alice.secret(1, 0), at(3), "another full login")?;
    on.must_know(&again, at(3))?;
    on.log_in(&bob)?;
    ensure!(on.state(bob.login_id(), at(1))?.is_none(), "an account has a secret that nobody set");
    Ok(())
}

pub(super) fn of_a_login_that_leaves_nothing_else(on: On<'_>) -> Checked {
    let alice = client("alice", 1, at(0));
    let secret = Some(alice.secret(1, 1000));
    let alone = Remember { records: Vec::new(), token: None, link: None, secret };
    on.remember(&alone, at(0), Committed::Done, "a full login that leaves nothing but a secret")?;
    must_have(on, &alice.secret(1, 0), at(1), "set by a login that leaves nothing else")?;
    on.revoke("alice", Revoke::Device(alice.device()), at(2))?;
    ensure!(revoked(on, &alice, at(3))?, "a client of which the store has nothing but the secret is not revoked");
    Ok(())
}

pub(super) fn of_a_login_from_before_that_leaves_nothing_else(on: On<'_>) -> Checked {
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|who| client(who, 1, at(0)));
    let alone = |secret| Remember { records: Vec::new(), token: None, link: None, secret: Some(secret) };
    let must_be_over = |client: &Client, now, what: &str| {
        for found in [false, true] {
            let late = alone(NewSecret { found, ..client.secret(1, 1000) });
            on.remember(&late, now, Committed::Gone, what)?;
        }
        Ok::<_, String>(())
    };
    // Looked up before, and only now remembered.
    on.revoke("alice", Revoke::All, at(10))?;
    must_be_over(&alice, at(11), "the secret of a login from before its account was revoked")?;
    ensure!(on.state(alice.login_id(), at(12))?.is_none(), "a login from before a revocation has set a secret");
    let again = client("alice", 2, at(12));
    let new = again.secret(2, 1000);
    on.remember(&alone(new.clone()), at(13), Committed::Done, "the secret of a login after a revocation")?;
    must_have(on, &new, at(14), "set by a login after a revocation")?;
    must_be_over(&alice, at(15), "the secret of a login from before its account was revoked, which has another one")?;
    on.revoke("alice", Revoke::Device(again.device()), at(16))?;
    must_be_over(&again, at(17), "the secret of a client that was revoked by itself")?;
    let lost = alone(NewSecret { found: true, ..bob.secret(1, 1000) });
    on.remember(&lost, at(18), Committed::Gone, "a login with a secret that was found, and that is gone by then")?;
    ensure!(on.state(bob.login_id(), at(19))?.is_none(), "a login that leaves nothing else brings a secret back");
    on.revoke_everyone(at(20))?;
    must_be_over(&carol, at(21), "the secret of a login from before everyone was revoked")
}

pub(super) fn of_a_use(on: On<'_>) -> Checked {
    let alice = client("alice", 1, at(0));
    let record = alice.record(EXPR);
    on.log_in(&alice)?;
    let with = |which| Use { secret: Some(alice.secret(which, 1000)), ..first_use_of(&record, at(1)) };
    on.apply(&with(1), at(1), Committed::Done, "a use with the account's first secret")?;
    must_have(on, &alice.secret(1, 0), at(2), "set by a use")?;
    ensure!(!on.must_live(&record, at(2), "used")?.is_tentative(), "a use with a secret is not the first use");
    on.apply(&with(1), at(3), Committed::Done, "a use with the secret that there is")?;
    on.apply(&with(2), at(4), Committed::WithoutSuccessor, "a use with another secret")?;
    must_have(on, &alice.secret(1, 0), at(5), "another one was refused")?;
    on.must_live(&record, at(5), "used with another secret")?;
    Ok(())
}

pub(super) fn of_a_use_that_comes_to_nothing(on: On<'_>) -> Checked {
    let [alice, other] = [1, 2].map(|n| client("alice", n, at(0)));
    let [used, gone] = [alice.record(NONE), other.record(NONE)];
    on.remember(&alice.with_records(from_ref(&used)), at(0), Committed::Done, "a full login")?;
    on.remember(&other.with_records(from_ref(&gone)), at(0), Committed::Done, "a full login")?;
    on.apply(&counted(&used, 1, at(1)), at(1), Committed::Done, "a use")?;
    on.revoke_some("alice", Revoke::Device(other.device()), at(2), 1)?;
    let with =
        |change: Use, client: &Client| Use { secret: Some(client.secret(1, 1000)), ends: Some(at(10)), ..change };
    on.apply(&with(counted(&used, 1, at(3)), &alice), at(3), Committed::Replayed, "a replay with a secret")?;
    on.must_live(&used, at(11), "replayed by what would have ended it")?;
    on.apply(
        &with(counted(&gone, 1, at(3)), &other),
        at(3),
        Committed::Gone,
        "the use of a revoked client, with a secret",
    )?;
    ensure!(on.state(alice.login_id(), at(4))?.is_none(), "a use that came to nothing has set its account's secret");
    Ok(())
}

pub(super) fn of_a_use_that_can_not_be_sealed(on: On<'_>) -> Checked {
    let alice = client("alice", 1, at(0));
    let record = alice.record(EXPR);
    on.log_in(&alice)?;
    on.secret(&alice.secret(1, 1000), at(1), Committed::Done, "an account's secret")?;
    let with = |secret| Use { secret: Some(secret), ends: Some(at(10)), ..first_use_of(&record, at(2)) };
    on.apply(&with(alice.secret(2, 1000)), at(2), Committed::WithoutSuccessor, "a use with another secret")?;
    on.must_live(&record, at(11), "not sealed, as its account has another secret")?;
    let found = NewSecret { found: true, ..alice.secret(1, 1000) };
    on.revoke("bob", Revoke::All, at(3))?;
    on.apply(&with(found), at(4), Committed::Done, "a use with the secret that was found")?;
    ensure!(on.live(&record, at(11))?.is_none(), "an assertion goes on beside the sealed one that takes its place");
    Ok(())
}

pub(super) fn found_and_gone(on: On<'_>) -> Checked {
    let alice = client("alice", 1, at(0));
    let found = NewSecret { found: true, ..alice.secret(1, 1000) };
    on.secret(&found, at(1), Committed::Gone, "a secret that was found, and that the store never had")?;
    ensure!(on.state(found.login, at(2))?.is_none(), "a secret that was lost comes back");
    on.secret(&alice.secret(1, 1000), at(3), Committed::Done, "an account's secret")?;
    let longer = NewSecret { until: at(5000), ..found.clone() };
    on.secret(&longer, at(4), Committed::Done, "the secret that was found, for longer")?;
    must_have(on, &found, at(4999), "for longer")?;
    let again = client("alice", 2, at(11));
    on.revoke("alice", Revoke::All, at(10))?;
    let late = NewSecret { device: again.device(), full_login: again.login, ..longer };
    on.secret(&late, at(12), Committed::Gone, "a secret that was found before its account was revoked")?;
    ensure!(
        on.state(found.login, at(13))?.is_none(),
        "what was sealed before an account was revoked can be opened again"
    );
    let remember = Remember { secret: Some(late), ..again.remember() };
    on.remember(&remember, at(14), Committed::Done, "a full login with a secret that is gone by then")?;
    ensure!(on.state(found.login, at(15))?.is_none(), "a full login brings a secret back");
    Ok(())
}

pub(super) fn of_a_revoked_client(on: On<'_>) -> Checked {
    let [first, second, third] = [1, 2, 3].map(|n| client("alice", n, at(n as u64)));
    for client in [&first, &second, &third] {
        on.secret(&client.secret(1, 1000), at(3), Committed::Done, "an account's secret")?;
    }
    on.revoke("alice", Revoke::Device(first.device()), at(10))?;
    on.revoke("alice", Revoke::AllBut(third.device()), at(11))?;
    for (client, found) in [(&first, false), (&first, true), (&second, false), (&second, true)] {
        let late = NewSecret { found, ..client.secret(1, 9000) };
        on.secret(&late, at(12), Committed::Gone, "a secret for a client that was revoked")?;
    }
    on.secret(&third.secret(1, 1000), at(13), Committed::Done, "a secret for a client that was spared")
}

pub(super) fn of_a_login_before_everyone_was_revoked(on: On<'_>) -> Checked {
    let (alice, bob, later) = (client("alice", 1, at(0)), client("bob", 1, at(9)), client("bob", 2, at(11)));
    on.secret(&alice.secret(1, 1000), at(1), Committed::Done, "an account's secret")?;
    on.revoke_everyone(at(10))?;
    for new in [alice.secret(1, 1000), alice.secret(2, 1000), bob.secret(1, 1000)] {
        for found in [false, true] {
            let late = NewSecret { found, ..new.clone() };
            on.secret(&late, at(12), Committed::Gone, "a secret for a login from before everyone was revoked")?;
        }
    }
    on.secret(&later.secret(3, 1000), at(12), Committed::Done, "a secret for a login since")
}

pub(super) fn of_a_clock_that_is_ahead(on: On<'_>) -> Checked {
    // Its assertion is its own: the account's secret is all that the store has of it.
    let [ahead, spared] = [("alice", 1, 14), ("alice", 2, 1)].map(|(who, n, login)| client(who, n, at(login)));
    on.secret(&spared.secret(1, 1000), at(1), Committed::Done, "an account's secret")?;
    on.secret(&ahead.secret(1, 1000), at(8), Committed::Done, "the same, for a login by a clock that is ahead")?;
    on.secret(&spared.secret(1, 1000), at(9), Committed::Done, "the same, for an earlier one")?;
    on.revoke("alice", Revoke::AllBut(spared.device()), at(10))?;
    ensure!(revoked(on, &ahead, at(11))?, "a client that logged in by a clock that is ahead outlasts a revocation");
    ensure!(!revoked(on, &spared, at(11))?, "a client that was spared is revoked");
    Ok(())
}

pub(super) fn of_one_login_of_two_accounts(on: On<'_>) -> Checked {
    let [alice, bob] = ["alice", "bob"].map(|who| client(who, 1, at(0)));
    on.secret(&alice.secret(1, 1000), at(1), Committed::Done, "an account's secret")?;
    let same = NewSecret { login: alice.login_id(), ..bob.secret(2, 1000) };
    on.secret(&same, at(2), Committed::Done, "another account's secret under the same login name")?;
    let found = state(on, same.login, at(3), "under a login name of two accounts")?;
    let wanted: u8 = if *found.identity == *bob.identity { 2 } else { 1 };
    ensure!(found.secret.expose()[0] == wanted, "{:?} has another account's secret", found.identity);
    on.revoke("alice", Revoke::All, at(10))?;
    on.revoke("bob", Revoke::Device(bob.device()), at(10))?;
    if let Some(found) = on.state(same.login, at(11))? {
        ensure!(*found.identity == *bob.identity, "an account's secret outlasts its revocation under another's name");
        ensure!(found.revoked.revokes(bob.device(), bob.login), "what was revoked of one account is said of another");
    }
    Ok(())
}

pub(super) fn of_two_logins(on: On<'_>) -> Checked {
    // One account under two names that clients log in with.
    let alice = client("alice", 1, at(0));
    let alias = LoginId::of(&super::scene::smtp(), "alice@mail.example");
    let first = alice.secret(1, 1000);
    let also = |which| NewSecret { login: alias, ..alice.secret(which, 1000) };
    on.secret(&first, at(1), Committed::Done, "an account's secret")?;
    ensure!(on.state(alias, at(2))?.is_none(), "a login that nobody used has a secret");
    on.secret(&also(2), at(3), Committed::WithoutSuccessor, "another secret under another login name")?;
    if let Some(found) = on.state(alias, at(4))? {
        ensure!(found.secret == first.secret, "one account has two secrets under two login names");
    }
    on.secret(&also(1), at(5), Committed::Done, "the account's secret under another login name")?;
    must_have(on, &also(1), at(6), "under another login name")?;
    must_have(on, &first, at(6), "under the first login name")?;
    // A full login under a third name finds out what the account's secret is: else it would never be sealed anything.
    let third = LoginId::of(&super::scene::smtp(), "a@mail.example");
    let again = client("alice", 2, at(7));
    let secret = NewSecret { login: third, ..again.secret(3, 1000) };
    let remember = Remember { secret: Some(secret), ..again.remember() };
    on.remember(&remember, at(7), Committed::Done, "a full login under a third name, with another secret")?;
    must_have(on, &NewSecret { login: third, ..first.clone() }, at(8), "under the name of a full login since")?;
    on.revoke("alice", Revoke::Device(alice.device()), at(10))?;
    for login in [first.login, alias, third] {
        let revoked = state(on, login, at(11), "after a revocation")?.revoked;
        ensure!(revoked.revokes(alice.device(), alice.login), "under one of its login names, nothing was revoked");
    }
    on.revoke("alice", Revoke::All, at(12))?;
    for login in [first.login, alias, third] {
        ensure!(
            on.state(login, at(13))?.is_none(),
            "a secret outlasts its account's revocation under one of its names"
        );
    }
    Ok(())
}

pub(super) fn what_was_revoked(on: On<'_>) -> Checked {
    let [first, second, third] = [1, 2, 3].map(|n| client("alice", n, at(n as u64)));
    on.secret(&first.secret(1, 100_000), at(3), Committed::Done, "an account's secret")?;
    // The store has records of the first one only; the others have their assertions themselves.
    on.log_in(&first)?;
    on.revoke_some("alice", Revoke::Device(first.device()), at(10), 1)?;
    on.revoke("alice", Revoke::Device(second.device()), at(11))?;
    for (client, wanted) in [(&first, true), (&second, true), (&third, false)] {
        ensure!(revoked(on, client, at(12))? == wanted, "client {:?}, revoked: {}", client.device(), !wanted);
    }
    on.revoke("alice", Revoke::AllBut(third.device()), at(20))?;
    let later = client("alice", 4, at(21));
    for (client, wanted) in [(&first, true), (&second, true), (&third, false), (&later, false)] {
        ensure!(revoked(on, client, at(22))? == wanted, "client {:?}, of all but one: {}", client.device(), !wanted);
    }
    on.revoke("alice", Revoke::AllBut(second.device()), at(30))?;
    for (client, wanted) in [(&first, true), (&second, true), (&third, true), (&later, true)] {
        ensure!(
            revoked(on, client, at(31))? == wanted,
            "client {:?}, of all but another: {}",
            client.device(),
            !wanted
        );
    }
    must_have(on, &first.secret(1, 0), at(32), "after revocations of some")?;
    // It is remembered as long as the secret is, also where all that the store had of the account has expired.
    let end = at(3).after(Duration::from_secs(99_900));
    on.log_in(&client("bob", 1, end))?;
    for client in [&first, &second, &third, &later] {
        ensure!(revoked(on, client, end)?, "a revocation of {:?} is forgotten before the secret", client.device());
    }
    Ok(())
}

pub(super) fn after_all_was_revoked(on: On<'_>) -> Checked {
    let (alice, again) = (client("alice", 1, at(0)), client("alice", 2, at(11)));
    let (old, new) = (alice.secret(1, 100_000), again.secret(2, 100_000));
    on.remember(&Remember { secret: Some(old), ..alice.remember() }, at(0), Committed::Done, "a full login")?;
    on.revoke_some("alice", Revoke::All, at(10), 1)?;
    ensure!(on.state(alice.login_id(), at(11))?.is_none(), "a secret outlasts its account's revocation");
    on.secret(&new, at(12), Committed::Done, "a new secret after the account was revoked")?;
    must_have(on, &new, at(13), "after the account was revoked")?;
    on.must_not_know(&alice, at(14))
}

pub(super) fn after_everyone_was_revoked(on: On<'_>) -> Checked {
    let alice = client("alice", 1, at(0));
    let secret = Some(alice.secret(1, 100_000));
    on.remember(&Remember { secret, ..alice.remember() }, at(0), Committed::Done, "a full login")?;
    on.revoke_everyone(at(10))?;
    let state = on.state(alice.login_id(), at(11))?;
    ensure!(
        state.is_none_or(|state| state.revoked.revokes(alice.device(), alice.login)),
        "everyone was revoked, and what the account's secret opens was not"
    );
    Ok(())
}

pub(super) fn of_many_revoked_devices(on: On<'_>) -> Checked {
    let alice = client("alice", 1, at(0));
    on.secret(&alice.secret(1, 100_000), at(1), Committed::Done, "an account's secret")?;
    let ids = || (0..300u64).map(|n| DeviceId::new(n.to_be_bytes()));
    for id in ids() {
        on.revoke("alice", Revoke::Device(id), at(10))?;
    }
    let known = state(on, alice.login_id(), at(11), "after many revocations")?.revoked;
    ensure!(
        known.devices.len() <= Revocations::MAX_DEVICES,
        "{} devices are revoked by themselves",
        known.devices.len()
    );
    ensure!(ids().all(|id| known.revokes(id, at(5))), "of 300 devices that were revoked, one is not");
    let record = alice.record(EXPR);
    let next = successor(&record, 1, at(12));
    on.apply(&renewing(&record, &next, at(12)), at(12), Committed::Gone, "the use of what was never there")
}
