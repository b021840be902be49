//! Connections that others resume.

use super::on::{Checked, On, ensure};
use super::scene::{Client, at, client};
use crate::assertion::LineageRecord;
use crate::channel::Handle;
use crate::store::{Committed, Link, Remember, Revoke};

fn shared(on: On<'_>, handle: Handle, what: &str) -> Result<bool, String> {
    match on.lineage(handle, at(100))? {
        Some(lineage) => Ok(lineage.shared),
        None => Err(format!("{what}: the session is gone")),
    }
}

fn must_be_shared(on: On<'_>, handle: Handle, what: &str) -> Checked {
    ensure!(shared(on, handle, what)?, "{what}: the session stands for one identity still");
    Ok(())
}

fn must_be_its_own(on: On<'_>, handle: Handle, what: &str) -> Checked {
    ensure!(!shared(on, handle, what)?, "{what}: the session stands for nobody any more");
    Ok(())
}

fn logged_in(on: On<'_>) -> Result<[Client; 3], String> {
    let all = ["alice", "bob", "carol"].map(|who| client(who, 1, at(0)));
    all.iter().try_for_each(|client| on.log_in(client))?;
    Ok(all)
}

pub(super) fn of_a_known_client(on: On<'_>) -> Checked {
    let [alice, ..] = logged_in(on)?;
    let link = alice.link(1, Some(alice.handle(0)));
    for _ in 0..2 {
        on.link(&link, at(10), Committed::Done, "a connection that resumes its client's own")?;
        let found = on.lineage(link.handle, at(11))?;
        ensure!(found.as_deref() == Some(&link.lineage), "the session is found otherwise: {found:?}");
    }
    must_be_its_own(on, alice.handle(0), "resumed by the same identity")?;
    on.link(&alice.link(2, None), at(12), Committed::Done, "a connection that resumes none")?;
    let unknown = Some(client("dave", 1, at(0)).handle(0));
    on.link(&alice.link(3, unknown), at(13), Committed::Done, "a connection that resumes one that nobody knows")?;
    for k in [2, 3] {
        must_be_its_own(on, alice.handle(k), "a session of one identity")?;
    }
    // One that said so itself.
    let mut said = alice.link(4, None);
    said.lineage.shared = true;
    on.link(&said, at(14), Committed::Done, "a connection of two identities")?;
    must_be_shared(on, said.handle, "said to be of two identities")
}

pub(super) fn of_nobody(on: On<'_>) -> Checked {
    let [alice, other] = [1, 2].map(|n| client("alice", n, at(0)));
    on.log_in(&alice)?;
    let link = other.link(1, None);
    on.link(&link, at(10), Committed::Gone, "a connection of an unknown client")?;
    ensure!(on.lineage(link.handle, at(11))?.is_none(), "an unknown client has a session");
    on.revoke_some("alice", Revoke::Device(alice.device()), at(12), 1)?;
    let link = alice.link(1, Some(alice.handle(0)));
    on.link(&link, at(13), Committed::Gone, "a connection of a revoked client")?;
    ensure!(on.lineage(link.handle, at(14))?.is_none_or(|found| found.revoked), "a revoked client has another session");
    Ok(())
}

pub(super) fn of_a_sealed_client(on: On<'_>) -> Checked {
    let [alice, other, third] = [1, 2, 3].map(|n| client("alice", n, at(n as u64)));
    on.secret(&alice.secret(1, 10_000), at(1), Committed::Done, "an account's secret")?;
    let sealed = |client: &Client, k| Link { sealed: true, ..client.link(k, None) };
    on.link(&sealed(&alice, 0), at(10), Committed::Done, "a connection of a sealed client")?;
    let found = on.lineage(alice.handle(0), at(11))?;
    ensure!(found.as_deref() == Some(&alice.lineage()), "the session is found otherwise: {found:?}");
    on.revoke("alice", Revoke::Device(alice.device()), at(12))?;
    on.revoke("alice", Revoke::Device(other.device()), at(12))?;
    for (client, k, what) in [
        (&alice, 0, "a sealed client, revoked while it had a session"),
        (&alice, 1, "a sealed client, revoked while it had another session"),
        (&other, 0, "a sealed client, revoked before it had any session"),
    ] {
        on.link(&sealed(client, k), at(13), Committed::Gone, what)?;
        let lineage = on.lineage(client.handle(k), at(14))?;
        ensure!(lineage.is_none_or(|found| found.revoked), "{what}: it has a session");
    }
    on.link(&sealed(&third, 0), at(15), Committed::Done, "a sealed client that was not revoked")?;
    let fourth = client("alice", 4, at(4));
    on.revoke("alice", Revoke::AllBut(fourth.device()), at(15))?;
    on.link(&sealed(&third, 1), at(15), Committed::Gone, "a sealed client, when all but another were revoked")?;
    on.link(&sealed(&fourth, 0), at(15), Committed::Done, "a sealed client, when all but itself were revoked")?;
    on.revoke("alice", Revoke::All, at(16))?;
    ensure!(on.lineage(fourth.handle(0), at(17))?.is_none_or(|found| found.revoked), "revoked: it has a session");
    on.link(&sealed(&fourth, 1), at(17), Committed::Gone, "a sealed client that was spared before, not now")?;
    ensure!(on.lineage(third.handle(0), at(17))?.is_none_or(|found| found.revoked), "revoked: it has a session");
    on.link(&sealed(&third, 1), at(17), Committed::Gone, "a sealed client from before its account was revoked")?;
    on.revoke_everyone(at(20))?;
    let bob = client("bob", 1, at(19));
    on.link(&sealed(&bob, 0), at(21), Committed::Gone, "a sealed client from before everyone was revoked")
}

pub(super) fn of_two_identities(on: On<'_>) -> Checked {
    let [alice, bob, carol] = logged_in(on)?;
    let second = client("alice", 2, at(0));
    on.log_in(&second)?;
    let link = bob.link(1, Some(alice.handle(0)));
    on.link(&link, at(10), Committed::Done, "a connection that resumes another identity's")?;
    must_be_shared(on, link.handle, "resuming another identity's")?;
    must_be_shared(on, alice.handle(0), "resumed by another identity")?;
    must_be_shared(on, second.handle(0), "of the identity whose session another resumed")?;
    must_be_its_own(on, carol.handle(0), "of somebody else")?;
    on.link(&alice.link(5, None), at(11), Committed::Done, "a new connection")?;
    must_be_its_own(on, alice.handle(5), "by a full handshake since")
}

pub(super) fn shared_stays_shared(on: On<'_>) -> Checked {
    let [alice, bob, _] = logged_in(on)?;
    on.link(&bob.link(1, Some(alice.handle(0))), at(10), Committed::Done, "a connection that resumes another's")?;
    for k in 1..4 {
        // Each resumes the one before.
        let link = alice.link(k, Some(alice.handle(k - 1)));
        on.link(&link, at(10 + k as u64), Committed::Done, "a connection that resumes a shared one")?;
        must_be_shared(on, link.handle, "resuming a shared session")?;
    }
    // The same once more, as if nobody knew.
    on.link(&alice.link(3, None), at(20), Committed::Done, "a connection under the handle of a shared one")?;
    must_be_shared(on, alice.handle(3), "under the handle of a shared session")?;
    on.link(&bob.link(2, Some(bob.handle(1))), at(21), Committed::Done, "a connection that resumes a shared one")?;
    must_be_shared(on, bob.handle(2), "resuming a shared session")
}

pub(super) fn under_one_handle(on: On<'_>) -> Checked {
    // A TLS 1.2 session is resumed under the handle of its full handshake.
    let [alice, bob, carol] = logged_in(on)?;
    let first = alice.handle(0);
    let later = LineageRecord { expires: at(500_000), ..alice.lineage() };
    let again = Link { lineage: later.clone(), ..alice.link(0, Some(first)) };
    on.link(&again, at(10), Committed::Done, "a session resumed under its own handle")?;
    let found = on.lineage(first, at(11))?;
    ensure!(found.as_deref() == Some(&later), "a session under its own handle is not replaced: {found:?}");
    on.link(&alice.link(1, None), at(12), Committed::Done, "another session")?;
    let others = Link { handle: first, predecessor: Some(first), ..bob.link(9, None) };
    on.link(&others, at(13), Committed::Done, "another identity's session under the same handle")?;
    must_be_shared(on, first, "of two identities under one handle")?;
    let whose = on.lineage(first, at(14))?.map(|lineage| lineage.identity.to_string());
    ensure!(whose.as_deref() == Some("bob"), "the session under a handle is not that of the last one: {whose:?}");
    must_be_shared(on, alice.handle(1), "of the identity whose handle another got")?;
    must_be_its_own(on, carol.handle(0), "of somebody else")?;
    on.revoke("alice", Revoke::All, at(15))?;
    let found = on.lineage(first, at(16))?;
    ensure!(found.is_some_and(|found| !found.revoked), "a session goes with an identity whose it is no more");
    on.revoke("bob", Revoke::All, at(17))?;
    ensure!(on.lineage(first, at(18))?.is_none_or(|found| found.revoked), "a session outlasts its client's revocation");
    Ok(())
}

pub(super) fn noticed_by_a_full_login(on: On<'_>) -> Checked {
    let [alice, ..] = logged_in(on)?;
    let dave = client("dave", 1, at(10));
    let remember = Remember { link: Some(dave.link(0, Some(alice.handle(0)))), ..dave.remember() };
    on.remember(&remember, at(10), Committed::Done, "a full login on another identity's session")?;
    must_be_shared(on, dave.handle(0), "a full login on another identity's session")?;
    must_be_shared(on, alice.handle(0), "a session on which another identity logged in")?;
    // Without records, as where the channel is not fit for any.
    let [erin, frank] = ["erin", "frank"].map(|who| client(who, 1, at(20)));
    for (client, before) in [(&erin, None), (&frank, Some(erin.handle(0)))] {
        let link = Some(client.link(0, before));
        let remember = Remember { records: Vec::new(), token: None, link, secret: None };
        on.remember(&remember, at(20), Committed::Done, "a full login that leaves a session only")?;
    }
    must_be_shared(on, erin.handle(0), "a session on which another identity logged in, without records")?;
    must_be_shared(on, frank.handle(0), "a full login on another identity's session, without records")
}

pub(super) fn noticed_by_a_commit_that_fails(on: On<'_>) -> Checked {
    let [alice, _, carol] = logged_in(on)?;
    let nobody = client("dave", 1, at(0));
    let link = nobody.link(0, Some(alice.handle(0)));
    on.link(&link, at(10), Committed::Gone, "a connection of an unknown client")?;
    must_be_shared(on, alice.handle(0), "resumed by another identity, whose client is gone")?;
    must_be_its_own(on, carol.handle(0), "of somebody else")
}
