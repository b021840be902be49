//! The draft's grammar against the parser: the same messages are good to both.

use std::sync::OnceLock;

use crate::grammar::{Grammar, RULES, Random, beyond_abnf};
use crate::input::{edited, split};

/// The first octet chooses the rule, the second whether the rest is the message, or makes one from the grammar and edits it.
pub fn run(data: &[u8]) {
    static GRAMMAR: OnceLock<Grammar> = OnceLock::new();
    let grammar = GRAMMAR.get_or_init(Grammar::of_the_draft);
    let Some(([rule, how], rest)) = split(data) else { return };
    let (rule, pin, parses) = RULES[usize::from(rule) % RULES.len()];
    let made;
    let message = if how % 2 == 0 {
        rest
    } else {
        let Some((seed, edits)) = split::<4>(rest) else { return };
        let mut good = Vec::new();
        // The generator stays at zero for ever if it begins there.
        let mut random = Random(u64::from(u32::from_be_bytes(seed)) + 1);
        grammar.make(grammar.rule(rule), &mut random, &mut good);
        made = edited(&good, edits);
        &made
    };
    // The matcher's work grows with the square of the length, and the parser refuses those by their length alone.
    if message.len() > 4096 {
        return;
    }
    let expected = message.len() <= 2048 && grammar.matches(rule, message) && !beyond_abnf(rule, message);
    assert_eq!(parses(pin, message), expected, "{rule}: {:?}", String::from_utf8_lossy(message));
}
