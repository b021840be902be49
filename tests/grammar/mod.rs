//! The draft's grammar: it makes messages, and says whether one follows it. The fuzzer uses it too.
#![allow(dead_code, unreachable_pub)] // each user uses its part

use std::collections::{BTreeSet, HashMap};

use abnf::types::{Node, Repeat, TerminalValues};
use fast_reauth::assertion::{Binding, Hash, Pin};
use fast_reauth::internal::{is_initiator_message, is_responder_message};

const CORE: &str = "ALPHA = %x41-5A / %x61-7A\r\nDIGIT = %x30-39\r\n";

pub struct Grammar(HashMap<String, Node>);

pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}

impl Grammar {
    pub fn of_the_draft() -> Self {
        let text = include_str!("../../draft/iky.abnf");
        let text = format!("{CORE}{}\r\n", text.replace('\n', "\r\n"));
        let rules = abnf::rulelist(&text).unwrap();
        Self(rules.into_iter().map(|rule| (rule.name().to_owned(), rule.node().clone())).collect())
    }

    pub fn rule(&self, name: &str) -> &Node {
        self.0.get(name).unwrap_or_else(|| panic!("the draft has no rule {name}"))
    }

    /// Appends a string of this node to `out`.
    pub fn make(&self, node: &Node, random: &mut Random, out: &mut Vec<u8>) {
        match node {
            Node::Alternatives(all) => self.make(&all[random.below(all.len())], random, out),
            Node::Concatenation(all) => all.iter().for_each(|each| self.make(each, random, out)),
            Node::Repetition { repeat, node } => {
                let (min, max) = bounds(repeat);
                let some = min + [0, 1, 2, 3, 8, 40][random.below(6)];
                for _ in 0..some.min(max) {
                    self.make(node, random, out);
                }
            }
            Node::Rulename(name) => self.make(self.rule(name), random, out),
            Node::Group(node) => self.make(node, random, out),
            Node::Optional(node) => {
                if random.below(2) == 0 {
                    self.make(node, random, out);
                }
            }
            Node::String(literal) => out.extend(literal.value().bytes()),
            Node::TerminalValues(TerminalValues::Range(from, to)) => {
                out.push((from + random.below((to - from + 1) as usize) as u32) as u8);
            }
            Node::TerminalValues(TerminalValues::Concatenation(values)) => out.extend(values.iter().map(|&v| v as u8)),
            Node::Prose(text) => panic!("prose in the grammar: {text}"),
        }
    }

    /// Where strings of this node that begin at any of `starts` may end.
    fn ends(&self, node: &Node, text: &[u8], starts: &BTreeSet<usize>) -> BTreeSet<usize> {
        match node {
            Node::Alternatives(all) => all.iter().flat_map(|each| self.ends(each, text, starts)).collect(),
            Node::Concatenation(all) => all.iter().fold(starts.clone(), |at, each| self.ends(each, text, &at)),
            Node::Repetition { repeat, node } => {
                let (min, max) = bounds(repeat);
                let (mut at, mut all) = (starts.clone(), BTreeSet::new());
                for done in 0.. {
                    if done >= min {
                        let before = all.len();
                        all.extend(&at);
                        if done > min && all.len() == before {
                            break;
                        }
                    }
                    if done == max || at.is_empty() {
                        break;
                    }
                    at = self.ends(node, text, &at);
                }
                all
            }
            Node::Rulename(name) => self.ends(self.rule(name), text, starts),
            Node::Group(node) => self.ends(node, text, starts),
            Node::Optional(node) => starts.union(&self.ends(node, text, starts)).copied().collect(),
            Node::String(literal) => {
                let is = |found: &[u8]| match literal.is_case_sensitive() {
                    true => found == literal.value().as_bytes(),
                    false => found.eq_ignore_ascii_case(literal.value().as_bytes()),
                };
                let len = literal.value().len();
                let fits = |&&at: &&usize| text.get(at..at + len).is_some_and(is);
                starts.iter().filter(fits).map(|at| at + len).collect()
            }
            Node::TerminalValues(TerminalValues::Range(from, to)) => {
                let fits = |&&at: &&usize| text.get(at).is_some_and(|&octet| (*from..=*to).contains(&u32::from(octet)));
                starts.iter().filter(fits).map(|at| at + 1).collect()
            }
            Node::TerminalValues(TerminalValues::Concatenation(values)) => {
                let values: Vec<u8> = values.iter().map(|&value| value as u8).collect();
                let fits = |&&at: &&usize| text.get(at..).is_some_and(|rest| rest.starts_with(&values));
                starts.iter().filter(fits).map(|at| at + values.len()).collect()
            }
            Node::Prose(text) => panic!("prose in the grammar: {text}"),
        }
    }

    pub fn matches(&self, rule: &str, text: &[u8]) -> bool {
        self.ends(self.rule(rule), text, &BTreeSet::from([0])).contains(&text.len())
    }
}

fn bounds(repeat: &Repeat) -> (usize, usize) {
    let (min, max) = repeat.min_max();
    (min.unwrap_or(0), max.unwrap_or(usize::MAX))
}

/// What ABNF can't say, and the draft's text does: each extension at most once, and at most 2048 octets.
pub fn beyond_abnf(rule: &str, text: &[u8]) -> bool {
    let header = if rule.starts_with("initiator") { 2 } else { 0 };
    let parts = text.split(|&octet| octet == b',').skip(header);
    let mut letters: Vec<u8> = parts.filter_map(|part| part.first().copied()).collect();
    let all = letters.len();
    letters.sort_unstable();
    letters.dedup();
    text.len() > 2048 || letters.len() != all
}

pub type Parser = fn(Pin, &[u8]) -> bool;

pub const RULES: [(&str, Pin, Parser); 7] = [
    ("initiator-256", Pin::SHA_256_EXPR, is_initiator_message),
    ("initiator-384", Pin::mac(Hash::Sha384, Binding::EndPoint), is_initiator_message),
    ("initiator-512", Pin::mac(Hash::Sha512, Binding::None), is_initiator_message),
    ("initiator-ed25519", Pin::ED25519_EXPR, is_initiator_message),
    ("responder-256", Pin::SHA_256_EXPR, is_responder_message),
    ("responder-384", Pin::mac(Hash::Sha384, Binding::EndPoint), is_responder_message),
    ("responder-512", Pin::mac(Hash::Sha512, Binding::None), is_responder_message),
];
