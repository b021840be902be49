//! What is printed, what has to be so, and what it comes to.

use crate::Fault;
use crate::client::{Client, Visit};
use crate::fleet::Fleet;

/// The numbers of the summary.
#[derive(Default)]
pub(crate) struct Report {
    /// Logins that were accepted.
    pub(crate) logins: usize,
    /// How many of them were full ones.
    pub(crate) full: usize,
    /// Logins that were refused because the client was revoked.
    pub(crate) refused: usize,
    /// Logins that were sent after a revocation returned, and accepted.
    pub(crate) accepted_after_revocation: usize,
    steps: usize,
}

impl Report {
    /// A headline.
    pub(crate) fn step(&mut self, text: &str) {
        self.steps += 1;
        println!("\n{}. {text}", self.steps);
    }

    /// One connection: who, where, how, and what came of it.
    pub(crate) fn visit(&mut self, client: &Client, at: &str, visit: &Visit, (lookups, commits): (usize, usize)) {
        let tls = if visit.resumed { "resumed TLS" } else { "full TLS" };
        let mut result = match &visit.refused {
            None => "logged in".to_owned(),
            Some((why, next)) => format!("refused ({why}), next: {next:?}"),
        };
        if visit.refused.is_none() {
            self.logins += 1;
        }
        if let Some(octets) = visit.sealed {
            result += &format!(", sealed record ({octets} octets)");
        }
        if visit.renewed {
            result += if client.kind.tokens.is_empty() { ", is given its record" } else { ", is given a token" };
        }
        println!(
            "   {:<14} -> {at}  {tls:<11}  {:<18}  waited {}  store {lookups}+{commits}  {result}",
            client.name(),
            visit.mechanism,
            visit.waited
        );
    }
}

/// What has to be so.
pub(crate) fn check(is_so: bool, what: impl FnOnce() -> String) -> Result<(), Fault> {
    if is_so { Ok(()) } else { Err(format!("it did not go as it should: {}", what()).into()) }
}

/// A line below a headline.
pub(crate) fn say(text: &str) {
    println!("   {text}");
}

/// The nodes' names, as in a sentence.
pub(crate) fn names(fleet: &Fleet) -> String {
    let names: Vec<_> = (0..fleet.len()).map(|node| fleet.name(node)).collect();
    format!("{} {}", if names.len() == 1 { "node" } else { "nodes" }, names.join(", "))
}
