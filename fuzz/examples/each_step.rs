//! Runs each input of `operations` in these folders as often as it has operations: up to the first, up to the second, and so on. In the end of
//! each run every client has to get in, so this shows it after every operation, which would be too slow while fuzzing.
//!
//! `cargo run --release --manifest-path fuzz/Cargo.toml --example each_step -- fuzz/corpus/operations`

use std::path::Path;

/// Octets that configure a run, octets of an operation; and the operations that are looked at.
const HEAD: usize = 2;
const EACH: usize = 4;
const MOST: usize = 64;

fn main() {
    let (mut inputs, mut runs) = (0, 0);
    for folder in std::env::args().skip(1) {
        for file in std::fs::read_dir(Path::new(&folder)).expect("a folder of inputs") {
            let path = file.expect("a file").path();
            let octets = std::fs::read(&path).expect("an input");
            let whole = octets.len().min(HEAD + EACH * MOST);
            for end in (HEAD..=whole).step_by(EACH) {
                let run = || fast_reauth_fuzz::operations::run(&octets[..end]);
                assert!(std::panic::catch_unwind(run).is_ok(), "{}, its first {end} octets", path.display());
                runs += 1;
            }
            inputs += 1;
        }
    }
    assert!(inputs > 0, "of which folder?");
    println!("{inputs} inputs, {runs} runs: nobody was stuck");
}
