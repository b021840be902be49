//! What the processes of the interop suite have in common: `PART [--option value]... STEP...`, an end, and how they fail.

use std::process::ExitCode;
use std::time::Duration;

use super::Fault;

/// No peer lives longer than this, whatever happens to who started it.
const LIFETIME: Duration = Duration::from_secs(120);

/// Does what `run` does with the command line behind the program's name, for a bounded time.
pub(crate) fn main(run: impl FnOnce(&str, &mut dyn Iterator<Item = String>) -> Result<(), Fault>) -> ExitCode {
    std::thread::spawn(|| {
        std::thread::sleep(LIFETIME);
        std::process::exit(3);
    });
    let mut words = std::env::args().skip(1);
    let part = words.next().unwrap_or_default();
    match run(&part, &mut words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            println!("error {fault}");
            ExitCode::FAILURE
        }
    }
}

/// Hands each option with its value to `take`, which says whether there is one of that name. The other words are the steps.
pub(crate) fn options(
    words: &mut dyn Iterator<Item = String>,
    mut take: impl FnMut(&str, String) -> Result<bool, Fault>,
) -> Result<Vec<String>, Fault> {
    let mut steps = Vec::new();
    while let Some(word) = words.next() {
        let Some(option) = word.strip_prefix("--") else {
            steps.push(word);
            continue;
        };
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        if !take(option, value)? {
            return Err(format!("there is no option {word}").into());
        }
    }
    Ok(steps)
}
