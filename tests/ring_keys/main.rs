//! What is left of the keys that ring makes, which it does not wipe, and of those that this library keeps: where each is while it is kept, and after it
//! was dropped. `cargo test --test ring_keys -- --nocapture` prints it.
//!
//! It reads all of the process's memory, so it is a process of its own and has one test. Linux only.
#![cfg(target_os = "linux")]

#[path = "../memory_hygiene/memory.rs"]
mod memory;
#[path = "../memory_hygiene/states.rs"]
mod states;

use core::any::Any;
use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;

use fast_reauth::assertion::ServiceKeys;
use memory::{Needles, Place, search};
use ring::{aead, digest, hkdf, hmac, signature};
use states::{add_ed25519, add_hmac};
use zeroize::Zeroizing;

/// A kind of key.
struct Kind {
    name: &'static str,
    /// Makes one of 32 secret octets, and keeps it on the heap.
    make: fn(&[u8; 32]) -> Box<dyn Any>,
    /// What it is known by.
    needles: fn(&mut Needles, &[u8; 32]),
}

const STATE: &str = "what is made of it";
const OCTETS: &str = "its octets";

const KINDS: &[Kind] = &[
    Kind {
        name: "ServiceKeys, of this library",
        make: |key| Box::new(ServiceKeys::new(1, key)),
        needles: |needles, key| add_hmac(needles, STATE, key),
    },
    Kind {
        name: "ring's hmac::Key (HMAC-SHA-256)",
        make: |key| Box::new(hmac::Key::new(hmac::HMAC_SHA256, key)),
        needles: |needles, key| add_hmac(needles, STATE, key),
    },
    Kind {
        name: "ring's hkdf::Prk (HKDF-SHA-256)",
        make: |key| Box::new(hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, key)),
        needles: |needles, key| add_hmac(needles, STATE, key),
    },
    Kind {
        name: "ring's digest::Context (SHA-256), with octets absorbed",
        make: |key| {
            let mut context = digest::Context::new(&digest::SHA256);
            context.update(key);
            Box::new(context)
        },
        needles: |_, _| {},
    },
    Kind {
        name: "ring's aead::LessSafeKey (AES-256-GCM)",
        // The first two round keys are the key (FIPS 197 section 5.2), so what is made of it has its octets.
        make: |key| match aead::UnboundKey::new(&aead::AES_256_GCM, key) {
            Ok(key) => Box::new(aead::LessSafeKey::new(key)),
            Err(_) => unreachable!("32 octets are a key"),
        },
        needles: |_, _| {},
    },
    Kind {
        name: "ring's Ed25519KeyPair",
        make: |seed| match signature::Ed25519KeyPair::from_seed_unchecked(seed) {
            Ok(pair) => Box::new(pair),
            Err(_) => unreachable!("32 octets are a seed"),
        },
        needles: |needles, seed| add_ed25519(needles, STATE, seed),
    },
];

/// Octets that nobody else has.
fn secret(number: usize) -> Zeroizing<[u8; 32]> {
    let mut octets = Zeroizing::new([0; 32]);
    octets.copy_from_slice(digest::digest(&digest::SHA256, &number.to_be_bytes()).as_ref());
    octets
}

/// What was found: where, and what of the key.
type Left = BTreeSet<(Place, &'static str)>;

/// Writes over what calls that returned have left below on this thread's stack.
#[inline(never)]
fn scrub() {
    core::hint::black_box(&mut [0u8; 1 << 18]);
}

/// While it is kept, and after it was dropped.
fn watch(number: usize, kind: &Kind) -> (Left, Left) {
    let mut needles = Needles::default();
    let look_for = |needles: &mut Needles, key: &[u8; 32]| {
        needles.add(OCTETS, key);
        (kind.needles)(needles, key);
    };
    look_for(&mut needles, &secret(number));
    // It is not on this stack that they are to be found.
    scrub();
    assert!(needles.len() > 0);
    let (step, mut stack) = (Barrier::new(2), 0);
    let (stack_of, address) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        let step = &step;
        scope.spawn(move || {
            let here = 0u8;
            let _ = stack_of.send(core::ptr::from_ref(&here).addr());
            let kept = (kind.make)(&secret(number));
            step.wait();
            step.wait();
            drop(kept);
            step.wait();
            step.wait();
        });
        stack = address.recv().unwrap_or(stack);
        step.wait();
        let kept: Left = search(&needles, stack).into_keys().collect();
        step.wait();
        step.wait();
        let left: Left = search(&needles, stack).into_keys().collect();
        step.wait();
        (kept, left)
    })
}

fn say(found: &Left) -> String {
    let told = found.iter().map(|(place, what)| format!("{what} ({place:?})"));
    if found.is_empty() { "nothing".into() } else { told.collect::<Vec<_>>().join(", ") }
}

#[test]
fn of_the_keys_that_this_library_keeps_on_the_heap_nothing_is_left_there() {
    println!("| key, on the heap | while it is kept | after it was dropped |\n| --- | --- | --- |");
    for (number, kind) in KINDS.iter().enumerate() {
        let (kept, left) = watch(number, kind);
        println!("| {} | {} | {} |", kind.name, say(&kept), say(&left));
        let on_heap = |found: &Left| found.iter().any(|(place, _)| *place == Place::Heap);
        // So the search finds what is there, as it is made on this machine.
        assert!(on_heap(&kept), "{}", kind.name);
        assert!(!kind.name.starts_with("ServiceKeys") || !on_heap(&left), "{}", kind.name);
    }
}
