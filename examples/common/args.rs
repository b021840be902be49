//! The command line: `--option value`, words where an example has some, nothing else, and a sentence where that is not so.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::Fault;

/// The options of one example; each is asked for once, and what nobody asked for is a mistake.
pub(crate) struct Args {
    given: Vec<(String, String)>,
    words: Vec<String>,
    usage: &'static str,
}

impl Args {
    fn parse(usage: &'static str) -> Result<Self, Fault> {
        let (mut given, mut words) = (Vec::new(), Vec::new());
        let mut line = std::env::args().skip(1);
        while let Some(word) = line.next() {
            let Some(name) = word.strip_prefix("--") else {
                words.push(word);
                continue;
            };
            let value = line.next().ok_or_else(|| format!("{word} needs a value\n{usage}"))?;
            given.push((name.to_owned(), value));
        }
        Ok(Self { given, words, usage })
    }

    /// Whether there are none, so that the example shows itself.
    pub(crate) fn is_empty(&self) -> bool {
        self.given.is_empty() && self.words.is_empty()
    }

    /// The value of this option, if it was given; the last one counts.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let last = self.given.iter().rfind(|(given, _)| given == name).map(|(_, value)| value.clone());
        self.given.retain(|(given, _)| given != name);
        last
    }

    /// The value of this option, which has to be given.
    pub(crate) fn need(&mut self, name: &str) -> Result<String, Fault> {
        self.take(name).ok_or_else(|| format!("--{name} is missing\n{}", self.usage).into())
    }

    /// The same, a file that has to be there.
    pub(crate) fn need_file(&mut self, name: &str) -> Result<PathBuf, Fault> {
        Ok(Path::new(&self.need(name)?).to_owned())
    }

    /// What is no option: the steps of an example that takes some.
    pub(crate) fn take_words(&mut self) -> Vec<String> {
        std::mem::take(&mut self.words)
    }

    /// No other option was given, nor any word.
    pub(crate) fn end(self) -> Result<(), Fault> {
        match (self.given.first(), self.words.first()) {
            (Some((name, _)), _) => Err(format!("there is no option --{name}\n{}", self.usage).into()),
            (None, Some(word)) => Err(format!("what is {word}?\n{}", self.usage).into()),
            (None, None) => Ok(()),
        }
    }
}

/// Runs an example; whatever goes wrong is one message on the standard error, for a person.
pub(crate) fn main<F>(usage: &'static str, run: impl FnOnce(Args) -> F) -> ExitCode
where
    F: Future<Output = Result<(), Fault>>,
{
    let done = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Fault::from);
    let done = done.and_then(|runtime| runtime.block_on(run(Args::parse(usage)?)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::FAILURE
        }
    }
}
