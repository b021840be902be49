//! Writes the test vectors, or checks that the committed ones are what it would write.
//!
//! ```text
//! cargo run --example vectors -- json      # writes test-vectors/*.json
//! cargo run --example vectors -- verify    # fails if one of them is different
//! ```
//!
//! It uses none of the library's code: expected values come from the draft's formulas over ring (`formulas.rs`; SHA-3 in `ht/sha3.rs`) and
//! from the draft's rules, written once more (`scene.rs`, `sealed.rs`, `external.rs`, `tables.rs`, `ht`). `tests/vectors.rs` runs every case
//! through the library.

// Tables of cases are what this program is made of.
#![allow(clippy::type_complexity)]

mod external;
mod file;
mod formulas;
mod ht;
mod iky;
mod messages;
mod outcomes;
mod profile;
mod published;
mod scene;
mod scene_json;
mod sealed;
mod tables;

use std::path::Path;
use std::process::ExitCode;

fn files() -> Vec<file::File> {
    let mut files =
        vec![iky::file(), outcomes::file(), messages::file(), sealed::file(), profile::file(), external::file()];
    files.extend(ht::files());
    files.extend(tables::files());
    files.extend(published::files());
    files
}

fn main() -> ExitCode {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("test-vectors");
    let command = std::env::args().nth(1).unwrap_or_default();
    let mut failed = !matches!(&*command, "json" | "verify");
    if failed {
        eprintln!("usage: vectors json|verify");
    }
    for file in files() {
        let (path, text) = (directory.join(file.name), file.text());
        match &*command {
            "json" => {
                if let Err(error) = std::fs::write(&path, text) {
                    eprintln!("{}: {error}", path.display());
                    failed = true;
                }
                println!("{}: {} cases", file.name, file.last());
            }
            "verify" if std::fs::read_to_string(&path).ok().as_ref() != Some(&text) => {
                eprintln!("{} is not what this program would write", path.display());
                failed = true;
            }
            _ => {}
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
