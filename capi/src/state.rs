//! What a client keeps between two runs, as octets: secret ones.
//!
//! `FRclient`, version 1; then for each account its service, server name and login name, its assertions, its tokens, and what its server offered
//! last. Numbers have four octets, big-endian; what varies in length has its length in front.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use fast_reauth::assertion::{ClientAssertion, ClientToken};
use fast_reauth::store::client::{Account, Accounts};
use zeroize::Zeroizing;

use crate::fr_result;
use crate::names::scope;

const MAGIC: &[u8] = b"FRclient\x01";

/// Longest state that is read: more than a thousand accounts have.
const MAX: usize = 4 << 20;

pub(crate) fn save(accounts: &Accounts, which: &BTreeSet<Account>) -> Zeroizing<Vec<u8>> {
    let mut parts: Vec<Zeroizing<Vec<u8>>> = Vec::new();
    for account in which {
        let (assertions, tokens, offer) =
            (accounts.assertions(account), accounts.tokens(account), accounts.last_offer(account));
        if assertions.is_empty() && tokens.is_empty() {
            continue;
        }
        for name in [account.scope.service.as_str(), account.scope.server_name.as_str(), &account.login_name] {
            parts.push(lp(name.as_bytes()));
        }
        parts.push(number(assertions.len()));
        parts.extend(assertions.iter().map(|assertion| lp(&assertion.to_bytes())));
        parts.push(number(tokens.len()));
        parts.extend(tokens.iter().map(|token| lp(&token.to_bytes())));
        parts.push(number(offer.len()));
        parts.extend(offer.iter().map(|name| lp(name.as_bytes())));
    }
    // Never grown: what a vector leaves behind when it grows is not wiped.
    let len = MAGIC.len() + parts.iter().map(|part| part.len()).sum::<usize>();
    let mut out = Zeroizing::new(Vec::with_capacity(len));
    out.extend_from_slice(MAGIC);
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

fn number(value: usize) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes().to_vec())
}

pub(crate) fn lp(octets: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(4 + octets.len()));
    out.extend_from_slice(&number(octets.len()));
    out.extend_from_slice(octets);
    out
}

/// What is known of one account.
pub(crate) struct Kept {
    pub(crate) account: Account,
    pub(crate) assertions: Vec<ClientAssertion>,
    pub(crate) tokens: Vec<ClientToken>,
    pub(crate) offer: Vec<String>,
}

/// Reads all of it, or says that it is something else.
pub(crate) fn read(octets: &[u8]) -> Result<Vec<Kept>, fr_result> {
    let body = octets.strip_prefix(MAGIC).filter(|_| octets.len() <= MAX);
    let mut rest = body.ok_or(fr_result::FR_DAMAGED)?;
    let mut kept = Vec::new();
    while !rest.is_empty() {
        kept.push(account(&mut rest).ok_or(fr_result::FR_DAMAGED)?);
    }
    Ok(kept)
}

fn account(input: &mut &[u8]) -> Option<Kept> {
    let (service, server_name, login_name) = (text(input)?, text(input)?, text(input)?);
    let account = Account::new(scope(service, server_name).ok()?, login_name);
    let mut assertions = Vec::new();
    for _ in 0..count(input)? {
        assertions.push(ClientAssertion::from_bytes(part(input)?).ok()?);
    }
    let mut tokens = Vec::new();
    for _ in 0..count(input)? {
        tokens.push(ClientToken::from_bytes(part(input)?).ok()?);
    }
    let mut offer = Vec::new();
    for _ in 0..count(input)? {
        offer.push(text(input)?.to_owned());
    }
    Some(Kept { account, assertions, tokens, offer })
}

fn count(input: &mut &[u8]) -> Option<usize> {
    let (number, rest) = input.split_first_chunk::<4>()?;
    *input = rest;
    // Each is at least its own length.
    usize::try_from(u32::from_be_bytes(*number)).ok().filter(|count| *count <= rest.len() / 4)
}

pub(crate) fn part<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (number, rest) = input.split_first_chunk::<4>()?;
    let (part, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*number)).ok()?)?;
    *input = rest;
    Some(part)
}

fn text<'a>(input: &mut &'a [u8]) -> Option<&'a str> {
    core::str::from_utf8(part(input)?).ok()
}
