//! How far it is: a bar on a terminal, else a line for each step.

use std::io::{IsTerminal as _, Write as _};

const WIDTH: usize = 40;

/// One step of many, of which so much is done.
pub(crate) struct Progress {
    what: String,
    of: usize,
    is_terminal: bool,
}

impl Progress {
    pub(crate) fn start(what: String, of: usize) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        if !is_terminal {
            eprintln!("{what}");
        }
        Self { what, of, is_terminal }
    }

    pub(crate) fn show(&self, done: usize) {
        if self.is_terminal {
            let filled = (WIDTH * done.min(self.of)).checked_div(self.of).unwrap_or(WIDTH);
            eprint!(
                "\r\x1b[K{:<44} {}{} {done}/{}",
                self.what,
                "█".repeat(filled),
                "░".repeat(WIDTH - filled),
                self.of
            );
            let _ = std::io::stderr().flush();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_terminal {
            eprint!("\r\x1b[K");
        }
    }
}
