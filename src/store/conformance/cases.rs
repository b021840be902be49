//! All cases, in the order in which they are run.

use super::{
    Case, Check, bounds, counters, failures, races, remembering, reopening, revocation, secrets, sessions, successors,
    tokens, using,
};

macro_rules! cases {
    ($($kind:ident($module:ident::$name:ident $(, $more:expr)?);)*) => {
        &[$(Case { name: concat!(stringify!($module), "::", stringify!($name)), check: cases!(@ $kind $module::$name $(, $more)?) }),*]
    };
    (@ Plain $module:ident::$name:ident) => { Check::Plain($module::$name) };
    (@ Shared $module:ident::$name:ident) => { Check::Shared($module::$name) };
    (@ Reopened $module:ident::$name:ident) => { Check::Reopened($module::$name::before, $module::$name::after) };
    (@ Limited $module:ident::$name:ident, $records:expr) => { Check::Limited($records, $module::$name) };
}

pub(super) static CASES: &[Case] = cases! {
    Plain(remembering::an_empty_store);
    Plain(remembering::found_again);
    Plain(remembering::values_of_every_kind);
    Plain(remembering::accounts_of_every_name);
    Plain(remembering::made_again);
    Plain(remembering::made_again_after_use);
    Plain(remembering::little_or_nothing);
    Plain(remembering::devices_oldest_first);
    Plain(remembering::devices_by_scope);
    Plain(using::the_first_use);
    Plain(using::a_use_made_again);
    Plain(using::when_it_ends);
    Plain(using::the_last_use);
    Plain(using::of_nothing);
    Plain(successors::the_predecessor_ends);
    Plain(successors::only_so_many_wait);
    Plain(successors::one_that_waited_too_long);
    Plain(successors::one_that_expired);
    Plain(successors::added_twice);
    Plain(successors::of_somebody_else);
    Plain(successors::their_first_use);
    Plain(counters::out_of_order);
    Plain(counters::used_twice);
    Plain(counters::behind_the_window);
    Plain(counters::zero);
    Plain(counters::of_each_assertion);
    Plain(counters::big);
    Plain(counters::at_random);
    Plain(revocation::of_a_device);
    Plain(revocation::of_all_but_one);
    Plain(revocation::of_all);
    Plain(revocation::of_an_assertion);
    Plain(revocation::of_an_assertion_with_successors);
    Plain(revocation::of_everyone);
    Plain(revocation::a_login_from_before);
    Plain(revocation::a_login_of_an_unknown_account);
    Plain(revocation::nobody_is_spared_who_was_revoked);
    Plain(revocation::by_a_clock_that_is_behind);
    Plain(revocation::a_commit_made_again);
    Plain(revocation::of_a_device_that_is_yet_to_come);
    Plain(revocation::of_more_devices_than_are_remembered);
    Plain(sessions::of_a_known_client);
    Plain(sessions::of_nobody);
    Plain(sessions::of_a_sealed_client);
    Plain(sessions::of_two_identities);
    Plain(sessions::shared_stays_shared);
    Plain(sessions::under_one_handle);
    Plain(sessions::noticed_by_a_full_login);
    Plain(sessions::noticed_by_a_commit_that_fails);
    Plain(tokens::the_first_use);
    Plain(tokens::of_nothing);
    Plain(tokens::one_waits);
    Plain(tokens::for_another_mechanism);
    Plain(tokens::of_a_later_service_key);
    Plain(tokens::one_that_ends_earlier);
    Plain(tokens::logging_out);
    Plain(tokens::counts);
    Plain(tokens::another_full_login);
    Plain(tokens::a_login_made_again);
    Plain(tokens::they_move_with_their_client);
    Plain(tokens::after_a_revocation);
    Plain(tokens::of_another_identity);
    Plain(secrets::the_first_one_stays);
    Plain(secrets::needed_for_longer);
    Plain(secrets::of_a_full_login);
    Plain(secrets::of_a_login_that_leaves_nothing_else);
    Plain(secrets::of_a_login_from_before_that_leaves_nothing_else);
    Plain(secrets::of_a_use);
    Plain(secrets::of_a_use_that_comes_to_nothing);
    Plain(secrets::of_a_use_that_can_not_be_sealed);
    Plain(secrets::found_and_gone);
    Plain(secrets::of_a_revoked_client);
    Plain(secrets::of_a_login_before_everyone_was_revoked);
    Plain(secrets::of_a_clock_that_is_ahead);
    Plain(secrets::of_one_login_of_two_accounts);
    Plain(secrets::of_two_logins);
    Plain(secrets::what_was_revoked);
    Plain(secrets::after_all_was_revoked);
    Plain(secrets::after_everyone_was_revoked);
    Plain(secrets::of_many_revoked_devices);
    Plain(failures::a_replayed_use);
    Plain(failures::a_revoked_use);
    Plain(failures::a_replayed_token);
    Plain(failures::a_login_too_late);
    Plain(failures::an_unknown_token);
    Plain(bounds::nothing_is_lost_before_its_time);
    Plain(bounds::what_expired_is_no_device);
    Limited(bounds::one_account_costs_another_nothing, 16);
    Limited(bounds::one_that_came_back_at_once_stays, 1);
    Limited(bounds::secrets_take_room, 16);
    Limited(bounds::secrets_that_are_over_take_none, 2);
    Reopened(reopening::clients);
    Reopened(reopening::windows);
    Reopened(reopening::revocations);
    Reopened(reopening::secrets);
    Reopened(reopening::everyone);
    Shared(races::one_counter);
    Shared(races::a_full_window);
    Shared(races::one_count_of_a_token);
    Shared(races::successors);
    Shared(races::new_tokens);
    Shared(races::first_uses_of_two_mechanisms);
    Shared(races::secrets);
    Shared(races::a_login_and_a_revocation);
    Shared(races::a_first_login_and_a_revocation_of_everyone);
    Shared(races::a_use_and_a_revocation);
    Shared(races::a_session_and_a_revocation);
    Shared(races::a_token_and_a_revocation);
    Shared(races::two_identities_under_one_handle);
    Shared(races::two_identities_of_one_session);
};
