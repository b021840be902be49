//! What runs on the server, in one step each. The sources are in `scripts`.

use std::sync::LazyLock;

use redis::Cmd;
use ring::digest;

/// A script: `Growing` ones are not run where the server's memory is full, all others are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    Account,
    GrowingAccount,
    Login,
    GrowingLogin,
    Session,
    GrowingSession,
    Boot,
    Everyone,
}

/// Says that it writes, so that a replica refuses it: what a replica knows may be out of date.
macro_rules! source {
    ($flags:literal, $($file:literal),*) => {
        concat!("#!lua", $flags, "\n", $(include_str!(concat!("scripts/", $file, ".lua")), "\n"),*)
    };
}

const RUN: &str = "return ops[arg()]()\n";

struct Source {
    text: String,
    hash: String,
}

static ALL: LazyLock<[Source; 8]> = LazyLock::new(|| {
    let made = |text: &str, run: &str| {
        let text = format!("{text}{run}");
        let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        let mut hash = String::with_capacity(40);
        digest.as_ref().iter().for_each(|octet| hash.push_str(&format!("{octet:02x}")));
        Source { text, hash }
    };
    [
        made(source!(" flags=allow-oom", "common", "account"), RUN),
        made(source!("", "common", "account"), RUN),
        made(source!(" flags=allow-oom", "common", "login", "login_other"), RUN),
        made(source!("", "common", "login"), RUN),
        made(source!(" flags=allow-oom", "common", "session"), RUN),
        made(source!("", "common", "session"), RUN),
        made(source!(" flags=allow-oom", "boot"), ""),
        made(source!(" flags=allow-oom", "everyone"), ""),
    ]
});

impl Script {
    /// The name that the server has for it.
    pub(super) fn hash(self) -> &'static str {
        &ALL[self as usize].hash
    }

    /// What makes all of them known to a server.
    pub(super) fn load_all() -> impl Iterator<Item = Cmd> {
        ALL.iter().map(|script| redis::cmd("SCRIPT").arg("LOAD").arg(&script.text).to_owned())
    }
}
