//! The tokens of a client, by the rules of [`StoredTokens`](crate::store::StoredTokens).

use super::on::{Checked, On, ensure};
use super::scene::{Client, EXPR, at, client, token_use};
use crate::assertion::{HtMechanism, TokenRecord, TokenSlot};
use crate::store::{Committed, Remember, Revoke, TokenUse};

const HT: HtMechanism = HtMechanism::HT_SHA_256_EXPR;

/// A client whose token was used already: its tokens as they were remembered, and the one in use.
fn known(on: On<'_>) -> Result<(Client, TokenRecord, TokenSlot), String> {
    let alice = client("alice", 1, at(0));
    on.log_in(&alice)?;
    let (tokens, slot) = (alice.tokens(), alice.slot(0, HT));
    on.token(&token_use(&tokens, &slot), at(1), Committed::Done, "the first use of a token")?;
    Ok((alice, tokens, slot))
}

/// The client has these tokens now, and no others: (in use, waiting).
fn must_have(
    on: On<'_>,
    tokens: &TokenRecord,
    wanted: (Option<&TokenSlot>, Option<&TokenSlot>),
    what: &str,
) -> Checked {
    let found = on.tokens(tokens, at(100))?;
    let has = found.as_deref().map_or((None, None), |found| (found.current.as_ref(), found.new.as_ref()));
    ensure!(has == wanted, "{what}: (in use, waiting) are {has:?}, not {wanted:?}");
    ensure!(found.is_none_or(|found| !found.revoked), "{what}: they are revoked");
    Ok(())
}

fn issuing(tokens: &TokenRecord, slot: &TokenSlot, issue: &TokenSlot) -> TokenUse {
    TokenUse { issue: Some(Box::new(issue.clone())), ..token_use(tokens, slot) }
}

fn counted(tokens: &TokenRecord, slot: &TokenSlot, count: u64) -> TokenUse {
    TokenUse { count: Some(count), ..token_use(tokens, slot) }
}

/// A full login on this installation, with its `k`th token.
fn login(client: &Client, installation: &str, k: usize) -> (Remember, TokenRecord) {
    let tokens = TokenRecord { new: Some(client.slot(k, HT)), ..client.tokens_on(installation) };
    (Remember { token: Some(Box::new(tokens.clone())), ..client.remember() }, tokens)
}

pub(super) fn the_first_use(on: On<'_>) -> Checked {
    let (alice, tokens, first) = known(on)?;
    must_have(on, &tokens, (Some(&first), None), "after the first use")?;
    on.token(&token_use(&tokens, &first), at(2), Committed::Done, "another use")?;
    let next = alice.slot(1, HT);
    on.token(&issuing(&tokens, &first, &next), at(3), Committed::Done, "a rotation")?;
    must_have(on, &tokens, (Some(&first), Some(&next)), "after a rotation")?;
    on.token(&token_use(&tokens, &first), at(4), Committed::Done, "the old token, before the new one is used")?;
    on.token(&token_use(&tokens, &next), at(5), Committed::Done, "the first use of the new token")?;
    must_have(on, &tokens, (Some(&next), None), "after the first use of the new token")?;
    on.token(&token_use(&tokens, &first), at(6), Committed::Gone, "the old token, after the new one was used")?;
    on.token(&token_use(&tokens, &next), at(7), Committed::Done, "the new token once more")
}

pub(super) fn of_nothing(on: On<'_>) -> Checked {
    let (alice, tokens, first) = known(on)?;
    let (other, next) = (alice.slot(1, HT), alice.slot(2, HT));
    on.token(&issuing(&tokens, &other, &next), at(2), Committed::Gone, "a token that the client has not")?;
    let nobody = client("bob", 1, at(0));
    let bobs = nobody.slot(0, HT);
    on.token(&issuing(&nobody.tokens(), &bobs, &next), at(3), Committed::Gone, "a token of an unknown client")?;
    on.token(&token_use(&nobody.tokens(), &first), at(3), Committed::Gone, "another client's token")?;
    ensure!(on.tokens(&nobody.tokens(), at(4))?.is_none(), "an unknown client has tokens");
    must_have(on, &tokens, (Some(&first), None), "after uses of others")
}

pub(super) fn one_waits(on: On<'_>) -> Checked {
    let (alice, tokens, first) = known(on)?;
    let [one, two, next] = [1, 2, 3].map(|k| alice.slot(k, HT));
    on.token(&issuing(&tokens, &first, &one), at(2), Committed::Done, "a rotation")?;
    let change = TokenUse { count: Some(4), ..issuing(&tokens, &first, &two) };
    on.token(&change, at(3), Committed::WithoutSuccessor, "a rotation while one waits")?;
    must_have(on, &tokens, (Some(&first), Some(&one)), "after a rotation while one waits")?;
    on.token(&counted(&tokens, &first, 4), at(4), Committed::Replayed, "the count of a use without new token")?;
    on.token(&issuing(&tokens, &first, &one), at(5), Committed::Done, "a rotation, made again")?;
    must_have(on, &tokens, (Some(&first), Some(&one)), "after a rotation made again")?;
    on.token(&issuing(&tokens, &one, &next), at(6), Committed::Done, "a rotation by the first use of a token")?;
    must_have(on, &tokens, (Some(&one), Some(&next)), "after a first use that rotates")
}

pub(super) fn for_another_mechanism(on: On<'_>) -> Checked {
    let (alice, tokens, first) = known(on)?;
    let (one, two) = (alice.slot(1, HT), alice.slot(2, HtMechanism::HT_SHA_256_NONE));
    on.token(&issuing(&tokens, &first, &one), at(2), Committed::Done, "a rotation")?;
    on.token(&issuing(&tokens, &first, &two), at(3), Committed::Done, "a token for another mechanism")?;
    must_have(on, &tokens, (Some(&first), Some(&two)), "after a token for another mechanism")?;
    on.token(&token_use(&tokens, &one), at(4), Committed::Gone, "the token that was replaced")
}

pub(super) fn of_a_later_service_key(on: On<'_>) -> Checked {
    let (alice, tokens, first) = known(on)?;
    let [one, two, three] = [(1, 2), (2, 3), (3, 2)].map(|(k, key)| TokenSlot { key, ..alice.slot(k, HT) });
    on.token(&issuing(&tokens, &first, &one), at(2), Committed::Done, "a rotation")?;
    // The key of the one that waits may be gone, and whoever holds that one with it.
    on.token(
        &issuing(&tokens, &first, &two),
        at(3),
        Committed::Done,
        "a token of a later key than the one that waits",
    )?;
    must_have(on, &tokens, (Some(&first), Some(&two)), "after a token of a later key")?;
    on.token(&token_use(&tokens, &one), at(4), Committed::Gone, "the token that was replaced")?;
    let what = "a token of an earlier key than the one that waits";
    on.token(&issuing(&tokens, &first, &three), at(5), Committed::WithoutSuccessor, what)?;
    must_have(on, &tokens, (Some(&first), Some(&two)), "after a token of an earlier key")?;
    on.token(&token_use(&tokens, &two), at(6), Committed::Done, "the first use of the token that waited")
}

pub(super) fn one_that_ends_earlier(on: On<'_>) -> Checked {
    let (alice, tokens, first) = known(on)?;
    let soon = TokenSlot { expires: at(50), ..alice.slot(1, HT) };
    let next = alice.slot(2, HT);
    on.token(&issuing(&tokens, &first, &soon), at(2), Committed::Done, "a token that ends before the one in use")?;
    must_have(on, &tokens, (Some(&first), Some(&soon)), "after a token that ends earlier")?;
    on.token(&issuing(&tokens, &first, &next), at(3), Committed::Done, "a use of the one that lasts longer")?;
    must_have(on, &tokens, (Some(&first), Some(&next)), "after the use of a token that lasts longer")?;
    on.token(&token_use(&tokens, &soon), at(4), Committed::Gone, "the one that ended with that use")
}

pub(super) fn logging_out(on: On<'_>) -> Checked {
    let (alice, tokens, first) = known(on)?;
    let [one, two] = [1, 2].map(|k| alice.slot(k, HT));
    on.token(&issuing(&tokens, &first, &one), at(2), Committed::Done, "a rotation")?;
    // It logs out here, and asks for a token for later.
    let change = TokenUse { invalidate: true, ..issuing(&tokens, &first, &two) };
    on.token(&change, at(3), Committed::Done, "a client that logs out, and asks for another token")?;
    must_have(on, &tokens, (None, Some(&two)), "after a client logged out, and asked for another token")?;
    for gone in [&first, &one] {
        on.token(&token_use(&tokens, gone), at(4), Committed::Gone, "a token from before the client logged out")?;
    }
    let change = TokenUse { invalidate: true, ..token_use(&tokens, &two) };
    on.token(&change, at(5), Committed::Done, "a client that logs out")?;
    must_have(on, &tokens, (None, None), "after a client logged out")?;
    on.token(&token_use(&tokens, &two), at(6), Committed::Gone, "a token from before the client logged out")?;
    on.must_live(&alice.record(EXPR), at(7), "a client that ended its tokens")?;
    Ok(())
}

pub(super) fn counts(on: On<'_>) -> Checked {
    let alice = client("alice", 1, at(0));
    on.log_in(&alice)?;
    let (tokens, first, next) = (alice.tokens(), alice.slot(0, HT), alice.slot(1, HT));
    for count in [3, 1, 2, 70, 9] {
        on.token(&counted(&tokens, &first, count), at(1), Committed::Done, &format!("count {count}, fresh"))?;
        on.token(&counted(&tokens, &first, count), at(1), Committed::Replayed, &format!("count {count} once more"))?;
    }
    on.token(&counted(&tokens, &first, 0), at(2), Committed::Replayed, "count 0, which no client sends")?;
    on.token(&issuing(&tokens, &first, &next), at(3), Committed::Done, "a rotation")?;
    for count in [1, 70] {
        on.token(&counted(&tokens, &next, count), at(4), Committed::Done, "a count of a new token")?;
        on.token(&counted(&tokens, &next, count), at(5), Committed::Replayed, "a count of a new token once more")?;
    }
    on.token(&token_use(&tokens, &next), at(6), Committed::Done, "a use without count")?;
    on.token(&counted(&tokens, &next, 1 << 53), at(7), Committed::Done, "count 2^53")?;
    on.token(&counted(&tokens, &next, 1 << 53), at(8), Committed::Replayed, "count 2^53 once more")
}

pub(super) fn another_full_login(on: On<'_>) -> Checked {
    let (alice, again) = (client("alice", 1, at(0)), client("alice", 2, at(10)));
    let ((first, tokens), (second, _)) = (login(&alice, "phone", 0), login(&again, "phone", 1));
    let (old, waiting, new) = (alice.slot(0, HT), alice.slot(5, HT), again.slot(1, HT));
    on.remember(&first, at(0), Committed::Done, "a full login")?;
    on.token(&counted(&tokens, &old, 1), at(1), Committed::Done, "the first use of its token")?;
    on.token(&issuing(&tokens, &old, &waiting), at(2), Committed::Done, "a rotation")?;
    on.remember(&second, at(10), Committed::Done, "another full login of the same installation")?;
    must_have(on, &tokens, (None, Some(&new)), "after another full login")?;
    for gone in [&old, &waiting] {
        on.token(&counted(&tokens, gone, 9), at(11), Committed::Gone, "a token from before the full login")?;
    }
    on.token(&counted(&tokens, &new, 1), at(12), Committed::Done, "the first use of the new token")?;
    let other = login(&client("alice", 3, at(20)), "laptop", 2).0;
    on.remember(&other, at(20), Committed::Done, "a full login of another installation")?;
    must_have(on, &tokens, (Some(&new), None), "after a full login of another installation")
}

pub(super) fn a_login_made_again(on: On<'_>) -> Checked {
    let alice = client("alice", 1, at(0));
    let ((remember, tokens), slot) = (login(&alice, "phone", 0), alice.slot(0, HT));
    for _ in 0..3 {
        on.remember(&remember, at(0), Committed::Done, "a full login")?;
        must_have(on, &tokens, (None, Some(&slot)), "after a full login")?;
    }
    on.token(&counted(&tokens, &slot, 1), at(1), Committed::Done, "the first use of its token")?;
    on.remember(&remember, at(2), Committed::Done, "the login made again")?;
    must_have(on, &tokens, (Some(&slot), None), "after a login made again")?;
    on.token(&counted(&tokens, &slot, 1), at(3), Committed::Replayed, "a count from before the login made again")
}

pub(super) fn they_move_with_their_client(on: On<'_>) -> Checked {
    let (before, after) = (client("alice", 1, at(0)), client("alice", 2, at(10)));
    let ((first, tokens), (second, _)) = (login(&before, "phone", 0), login(&after, "phone", 1));
    on.remember(&first, at(0), Committed::Done, "a full login")?;
    on.remember(&second, at(10), Committed::Done, "another full login of the same installation")?;
    let found = on.tokens(&tokens, at(11))?;
    ensure!(
        found.as_ref().is_some_and(|found| found.device == after.device()),
        "tokens do not go on with the client that logged in last: {found:?}"
    );
    on.revoke_some("alice", Revoke::Device(before.device()), at(12), 1)?;
    let slots = (before.slot(0, HT), after.slot(1, HT));
    must_have(on, &tokens, (None, Some(&slots.1)), "after a revocation of the login from before")?;
    on.revoke_some("alice", Revoke::Device(after.device()), at(13), 1)?;
    ensure!(on.tokens(&tokens, at(14))?.is_none_or(|found| found.revoked), "revoked: its token is still good");
    for slot in [&slots.0, &slots.1] {
        on.token(&token_use(&tokens, slot), at(14), Committed::Gone, "a token of a revoked client")?;
    }
    Ok(())
}

pub(super) fn after_a_revocation(on: On<'_>) -> Checked {
    let (before, after) = (client("alice", 1, at(0)), client("alice", 2, at(20)));
    let ((first, tokens), (second, _)) = (login(&before, "phone", 0), login(&after, "phone", 1));
    let (old, new) = (before.slot(0, HT), after.slot(1, HT));
    on.remember(&first, at(0), Committed::Done, "a full login")?;
    on.token(&token_use(&tokens, &old), at(1), Committed::Done, "the first use of its token")?;
    on.revoke_some("alice", Revoke::All, at(10), 1)?;
    on.remember(&second, at(20), Committed::Done, "a full login of the same installation after a revocation")?;
    must_have(on, &tokens, (None, Some(&new)), "after a revocation and a full login")?;
    on.token(&token_use(&tokens, &old), at(21), Committed::Gone, "a token from before a revocation")?;
    on.token(&token_use(&tokens, &new), at(22), Committed::Done, "a token from after a revocation")
}

pub(super) fn of_another_identity(on: On<'_>) -> Checked {
    // The server calls the same authcid another account now.
    let (alice, bob) = (client("alice", 1, at(0)), client("bob", 1, at(10)));
    let ((first, tokens), (second, bobs)) = (login(&alice, "phone", 0), login(&bob, "phone", 0));
    let renamed = TokenRecord { id: tokens.id, authcid: tokens.authcid.clone(), ..bobs };
    on.remember(&first, at(0), Committed::Done, "a full login")?;
    on.token(&token_use(&tokens, &alice.slot(0, HT)), at(1), Committed::Done, "the first use of its token")?;
    let second = Remember { token: Some(Box::new(renamed.clone())), ..second };
    on.remember(&second, at(10), Committed::Done, "a full login as another identity under the same names")?;
    must_have(on, &renamed, (None, renamed.new.as_ref()), "after a login as another identity")?;
    on.token(&token_use(&tokens, &alice.slot(0, HT)), at(11), Committed::Gone, "the token of the identity before")?;
    on.revoke("alice", Revoke::All, at(12))?;
    must_have(on, &renamed, (None, renamed.new.as_ref()), "after a revocation of the identity before")?;
    on.revoke("bob", Revoke::All, at(13))?;
    ensure!(on.tokens(&renamed, at(14))?.is_none_or(|found| found.revoked), "revoked: its token is still good");
    Ok(())
}
