//! The draft's grammar against the parser: what the grammar makes is accepted, and what leaves it is refused.
//!
//! `ABNF_MESSAGES` says how many messages are made from each rule (CI: 100,000); the default is for `cargo test`.

use std::collections::{BTreeSet, HashMap};

use abnf::types::{Node, Repeat, TerminalValues};
use fast_reauth::assertion::{Binding, Hash, Pin};
use fast_reauth::internal::{is_initiator_message, is_responder_message};

const CORE: &str = "ALPHA = %x41-5A / %x61-7A\r\nDIGIT = %x30-39\r\n";

struct Grammar(HashMap<String, Node>);

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}

impl Grammar {
    fn of_the_draft() -> Self {
        let text = std::fs::read_to_string("draft/iky.abnf").unwrap();
        let text = format!("{CORE}{}\r\n", text.replace('\n', "\r\n"));
        let rules = abnf::rulelist(&text).unwrap();
        Self(rules.into_iter().map(|rule| (rule.name().to_owned(), rule.node().clone())).collect())
    }

    fn rule(&self, name: &str) -> &Node {
        self.0.get(name).unwrap_or_else(|| panic!("the draft has no rule {name}"))
    }

    /// Appends a string of this node to `out`.
    fn make(&self, node: &Node, random: &mut Random, out: &mut Vec<u8>) {
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

    fn matches(&self, rule: &str, text: &[u8]) -> bool {
        self.ends(self.rule(rule), text, &BTreeSet::from([0])).contains(&text.len())
    }
}

fn bounds(repeat: &Repeat) -> (usize, usize) {
    let (min, max) = repeat.min_max();
    (min.unwrap_or(0), max.unwrap_or(usize::MAX))
}

/// What ABNF can't say, and the draft's text does: each extension at most once, and at most 2048 octets.
fn beyond_abnf(rule: &str, text: &[u8]) -> bool {
    let header = if rule.starts_with("initiator") { 2 } else { 0 };
    let parts = text.split(|&octet| octet == b',').skip(header);
    let mut letters: Vec<u8> = parts.filter_map(|part| part.first().copied()).collect();
    let all = letters.len();
    letters.sort_unstable();
    letters.dedup();
    text.len() > 2048 || letters.len() != all
}

fn messages() -> usize {
    std::env::var("ABNF_MESSAGES").ok().and_then(|number| number.parse().ok()).unwrap_or(2_000)
}

type Parser = fn(Pin, &[u8]) -> bool;

const RULES: [(&str, Pin, Parser); 7] = [
    ("initiator-256", Pin::SHA_256_EXPR, is_initiator_message),
    ("initiator-384", Pin::mac(Hash::Sha384, Binding::EndPoint), is_initiator_message),
    ("initiator-512", Pin::mac(Hash::Sha512, Binding::None), is_initiator_message),
    ("initiator-ed25519", Pin::ED25519_EXPR, is_initiator_message),
    ("responder-256", Pin::SHA_256_EXPR, is_responder_message),
    ("responder-384", Pin::mac(Hash::Sha384, Binding::EndPoint), is_responder_message),
    ("responder-512", Pin::mac(Hash::Sha512, Binding::None), is_responder_message),
];

#[test]
fn what_the_grammar_makes_is_accepted() {
    let grammar = Grammar::of_the_draft();
    let mut random = Random(1);
    for (rule, pin, parses) in RULES {
        let mut made = 0;
        while made < messages() {
            let mut message = Vec::new();
            grammar.make(grammar.rule(rule), &mut random, &mut message);
            if !beyond_abnf(rule, &message) {
                assert!(parses(pin, &message), "{rule}: {:?}", String::from_utf8_lossy(&message));
                made += 1;
            }
        }
        println!("{rule}: {made} messages made and accepted");
    }
}

#[test]
fn what_leaves_the_grammar_is_refused() {
    let grammar = Grammar::of_the_draft();
    let mut random = Random(2);
    for (rule, pin, parses) in RULES {
        let (mut left, mut stayed) = (0, 0);
        while left < messages() / 4 {
            let mut message = Vec::new();
            grammar.make(grammar.rule(rule), &mut random, &mut message);
            for _ in 0..=random.below(2) {
                let at = random.below(message.len());
                match random.below(4) {
                    0 => message[at] ^= 1 << random.below(8),
                    1 => _ = message.remove(at),
                    2 => message.insert(at, b",=apvhxr1\0\xff+/A"[random.below(14)]),
                    _ => message.truncate(at),
                }
                if message.is_empty() {
                    break;
                }
            }
            let matches = grammar.matches(rule, &message);
            if matches && beyond_abnf(rule, &message) {
                continue;
            }
            assert_eq!(parses(pin, &message), matches, "{rule}: {:?}", String::from_utf8_lossy(&message));
            *(if matches { &mut stayed } else { &mut left }) += 1;
        }
        println!("{rule}: {left} messages left the grammar and were refused, {stayed} stayed in it and were accepted");
    }
}
