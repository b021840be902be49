//! The draft's grammar against the parser: what the grammar makes is accepted, and what leaves it is refused.
//!
//! `ABNF_MESSAGES` says how many messages are made from each rule (CI: 100,000); the default is for `cargo test`.

mod grammar;

use grammar::*;

fn messages() -> usize {
    std::env::var("ABNF_MESSAGES").ok().and_then(|number| number.parse().ok()).unwrap_or(2_000)
}

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
