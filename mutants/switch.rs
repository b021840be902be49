//! Which mutant is on: the one whose number is in the environment, or none.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

static REACHED: [AtomicBool; COUNT] = [const { AtomicBool::new(false) }; COUNT];

struct Run {
    mutant: Option<u32>,
    /// Where to note which ones a test comes to.
    reached: Option<File>,
}

static RUN: OnceLock<Run> = OnceLock::new();

fn run() -> Run {
    Run {
        mutant: std::env::var("MUTANT").ok().and_then(|number| number.parse().ok()),
        reached: std::env::var_os("MUTANTS_REACHED")
            .and_then(|path| OpenOptions::new().append(true).create(true).open(path).ok()),
    }
}

pub fn on(number: u32) -> bool {
    let run = RUN.get_or_init(run);
    if let Some(mut file) = run.reached.as_ref() {
        if !REACHED[number as usize].swap(true, Ordering::Relaxed) {
            let _ = file.write_all(&number.to_le_bytes());
        }
    }
    run.mutant == Some(number)
}
