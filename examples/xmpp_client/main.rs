//! An XMPP client that its server knows when it comes back, on xmpp-rs' crates: by IKY or EXTERNAL where the server lists them, and else
//! by a token of FAST (XEP-0484). Either way stream header, login and bind are one flight.
//!
//! ```text
//! cargo run --example xmpp_client             # against an xmpp_server in this process
//! cargo run --example xmpp_client -- --server ADDRESS --name NAME --ca FILE --user NAME --password PASSWORD
//!                                    [--mechanism NAME] [--state FILE] [STEP...]
//! ```
//!
//! What it keeps is in the state file, so the second run needs no password. To read how the library is embedded, begin with
//! `client.rs`. The steps are for `interop/run prosody`: each is one connection, of which it prints a line, and `steps.rs` has
//! their names; without any it logs in by what it has, twice. `--mechanism` is the one to ask for a token for.
//!
//! The stream is tokio-xmpp's, its elements are xmpp-parsers'; the login that rides along with the header is the library's.

mod client;
#[path = "../common/mod.rs"]
mod common;
#[path = "../xmpp_server/server.rs"]
mod server;
mod steps;
mod tls;
#[path = "../common/xmpp.rs"]
mod xmpp;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use fast_reauth::assertion::HtMechanism;
use fast_reauth::store::MemoryStore;
use tokio_rustls::rustls::ClientConfig;

use client::Client;
use common::args::{self, Args};
use common::state::StateFile;
use common::{Fault, certificates, listen};

const USAGE: &str = "usage: xmpp_client [--server ADDRESS --name NAME --ca FILE --user NAME --password PASSWORD \
                     [--mechanism NAME] [--state FILE] [STEP...]]";
const ALICE: (&str, &str) = ("alice", "secret");

fn main() -> ExitCode {
    args::main(USAGE, run)
}

async fn run(mut args: Args) -> Result<(), Fault> {
    if args.is_empty() {
        return demonstrate().await;
    }
    let (server, name) = (args.need("server")?, args.need("name")?);
    let base = certificates::client(&certificates::read(&args.need_file("ca")?, "the certificate to trust (--ca)")?)?;
    let (user, password) = (args.need("user")?, args.need("password")?);
    let token =
        args.take("mechanism").map(|name| HtMechanism::from_name(&name).ok_or(format!("{name} takes no token")));
    let steps = args.take_words();
    let state = args.take("state").or_else(|| steps.is_empty().then(|| "xmpp_client.state".to_owned()));
    let state = state.map(StateFile::new);
    args.end()?;
    let tls = tls::Rustls::new(base, &server);
    let mut client = Client::new(tls, &name, (&user, &password), token.transpose()?, state)?;
    if !steps.is_empty() {
        return client.run(&steps).await;
    }
    client.log_in().await?.print("first");
    client.log_in().await?.print("and again");
    Ok(())
}

/// Against a server that knows its clients by all there is, and then against one that has nothing but FAST.
async fn demonstrate() -> Result<(), Fault> {
    println!("round trips of a real network that the login adds to header and bind; TCP and TLS are not counted\n");
    let identity = certificates::self_signed(server::NAME)?;
    let base = certificates::client(&identity.certificate)?;
    for iky in [true, false] {
        let tokens = vec![HtMechanism::HT_SHA_256_EXPR, HtMechanism::HT_SHA_256_NONE];
        let mut peer = server::Peer::new(server::NAME, ALICE, Arc::new(MemoryStore::default()), tokens, "normal")?;
        if !iky {
            peer = peer.with_tokens_only();
        }
        let tls = certificates::server(&identity)?;
        let listener = listen::listen("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        tokio::spawn(async move { peer.run(&listener, tls, |_| {}).await });
        let file = std::env::temp_dir().join(format!("fast-reauth-xmpp-client-{}.state", std::process::id()));
        let done = come_back(&address, &base, &file, iky).await;
        let _ = std::fs::remove_file(&file);
        done?;
    }
    Ok(())
}

/// A first login, more connections, and one after the client's restart.
async fn come_back(server: &str, base: &Arc<ClientConfig>, file: &Path, iky: bool) -> Result<(), Fault> {
    let start = || {
        let tls = tls::Rustls::new(Arc::clone(base), server);
        Client::new(tls, server::NAME, ALICE, None, Some(StateFile::new(file)))
    };
    let which = if iky { "IKY, FAST" } else { "FAST alone" };
    let mut client = start()?;
    client.log_in().await?.expect(2)?.print(&format!("{which}, first"));
    client.log_in().await?.expect(0)?.print(&format!("{which}, and again"));
    client.log_in().await?.expect(0)?.print(&format!("{which}, once more"));
    drop(client);
    start()?.log_in().await?.expect(0)?.print(&format!("{which}, after a restart"));
    Ok(())
}
