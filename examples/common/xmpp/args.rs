//! The command line, and what every end in XMPP has in common.

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use fast_reauth::Timestamp;
use fast_reauth::assertion::HtMechanism;

/// Whatever goes wrong.
pub(crate) type Fault = Box<dyn Error + Send + Sync>;

/// The one account.
pub(crate) const USER: &str = "alice";
pub(crate) const PASSWORD: &str = "secret";

/// No peer lives longer than this, whatever happens to who started it.
const LIFETIME: Duration = Duration::from_secs(120);

/// What the command line says.
#[derive(Debug, Default)]
pub(crate) struct Args {
    pub(crate) cert: String,
    pub(crate) key: String,
    pub(crate) ca: String,
    pub(crate) host: String,
    pub(crate) server: String,
    pub(crate) state: Option<String>,
    pub(crate) mode: String,
    pub(crate) mechanism: Option<HtMechanism>,
    pub(crate) steps: Vec<String>,
}

impl Args {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, Fault> {
        let mut args = Self { mode: "normal".to_owned(), ..Self::default() };
        while let Some(word) = words.next() {
            if !word.starts_with("--") {
                args.steps.push(word);
                continue;
            }
            let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--cert" => args.cert = value,
                "--key" => args.key = value,
                "--ca" => args.ca = value,
                "--host" => args.host = value,
                "--server" => args.server = value,
                "--state" => args.state = Some(value),
                "--mode" => args.mode = value,
                "--mechanism" => {
                    let name = HtMechanism::from_name(&value);
                    args.mechanism = Some(name.ok_or_else(|| format!("there is no mechanism {value}"))?);
                }
                _ => return Err(format!("there is no option {word}").into()),
            }
        }
        Ok(args)
    }
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_secs(since.as_secs())
}

/// Does what `run` does with the options, for a bounded time.
pub(crate) fn main(run: impl FnOnce(&Args) -> Result<(), Fault>) -> ExitCode {
    std::thread::spawn(|| {
        std::thread::sleep(LIFETIME);
        std::process::exit(3);
    });
    match Args::parse(std::env::args().skip(1)).and_then(|args| run(&args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            println!("error {fault}");
            ExitCode::FAILURE
        }
    }
}
