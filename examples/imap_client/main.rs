//! An IMAP client that its server knows when it comes back, on each of two stacks: imap-next and async-imap.
//!
//! ```text
//! cargo run --example imap_client             # both stacks, against an imap_server in this process
//! cargo run --example imap_client -- --server ADDRESS --name NAME --ca FILE --user NAME --password PASSWORD
//!                                    [--state FILE] [--stack imap-next|async-imap]
//! ```
//!
//! What it keeps is in the state file, so the second run needs no password. To read how the library is embedded, begin with
//! `with_imap_next.rs`.

#[path = "../common/mod.rs"]
mod common;
#[path = "../imap_server/limits.rs"]
mod limits;
#[path = "../imap_server/session.rs"]
mod session;
mod with_async_imap;
mod with_imap_next;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use fast_reauth::assertion::Service;
use fast_reauth::rustls::Recognition;
use fast_reauth::store::MemoryStore;
use tokio::net::TcpListener;
use tokio_rustls::rustls::ClientConfig;

use common::args::{self, Args};
use common::client::{Client, Report};
use common::state::StateFile;
use common::{Fault, certificates, client};
use limits::Limits;

const USAGE: &str = "usage: imap_client [--server ADDRESS --name NAME --ca FILE --user NAME --password PASSWORD \
                     [--state FILE] [--stack imap-next|async-imap]]";
const NAME: &str = "imap.example.com";
const ALICE: (&str, &str) = ("alice", "secret");
/// Each with what its EXTERNAL and its IKY wait for.
const STACKS: [(&str, u32, u32); 2] = [("imap-next", 0, 0), ("async-imap", 2, 3)];

fn main() -> ExitCode {
    args::main(USAGE, run)
}

async fn run(mut args: Args) -> Result<(), Fault> {
    if args.is_empty() {
        return demonstrate().await;
    }
    let (server, name) = (args.need("server")?, args.need("name")?);
    let base = certificates::client(&certificates::read(&args.need_file("ca")?, "the certificate to trust")?)?;
    let (user, password) = (args.need("user")?, args.need("password")?);
    let state = StateFile::new(args.take("state").unwrap_or_else(|| "imap_client.state".to_owned()));
    let stack = args.take("stack").unwrap_or_else(|| STACKS[0].0.to_owned());
    args.end()?;
    let client = Client::start(&server, base, (Service::IMAP, &name), (&user, &password), state)?;
    visit(&stack, &client).await?.print(&format!("{stack}, first"));
    visit(&stack, &client).await?.print(&format!("{stack}, and again"));
    Ok(())
}

async fn visit(stack: &str, client: &Client) -> Result<Report, Fault> {
    match stack {
        "imap-next" => client::visit(client, || with_imap_next::visit(client)).await,
        "async-imap" => client::visit(client, || with_async_imap::visit(client)).await,
        _ => Err(format!("there is no stack {stack}: {} or {}", STACKS[0].0, STACKS[1].0).into()),
    }
}

/// Each stack: a first login, a second connection, and a third after the client's restart.
async fn demonstrate() -> Result<(), Fault> {
    let (server, base, service) = serve().await?;
    println!("round trips of a real network that the login adds to SELECT; TCP and TLS are not counted\n");
    for (stack, external, iky) in STACKS {
        let file = std::env::temp_dir().join(format!("fast-reauth-{stack}-{}.state", std::process::id()));
        let done = come_back(stack, (external, iky), &server, &base, &service, &file).await;
        let _ = std::fs::remove_file(&file);
        done?;
    }
    println!(
        "\nasync-imap sends no initial response, which costs one; and nothing ahead of an answer, which costs the others."
    );
    Ok(())
}

async fn come_back(
    stack: &str,
    (external, iky): (u32, u32),
    server: &str,
    base: &Arc<ClientConfig>,
    service: &common::service::Service,
    file: &Path,
) -> Result<(), Fault> {
    let start = || Client::start(server, Arc::clone(base), (Service::IMAP, NAME), ALICE, StateFile::new(file));
    let client = start()?;
    visit(stack, &client).await?.print(&format!("{stack}, first"));
    // An assertion's first use comes before EXTERNAL, which confirms none.
    visit(stack, &client).await?.expect(iky)?.print(&format!("{stack}, first use"));
    visit(stack, &client).await?.expect(external)?.print(&format!("{stack}, TLS session kept"));
    drop(client);
    let client = start()?;
    visit(stack, &client).await?.expect(iky)?.print(&format!("{stack}, after a restart"));
    service.revoke(ALICE.0).await?;
    visit(stack, &client).await?.print(&format!("{stack}, when revoked"));
    Ok(())
}

/// A server on loopback: its address, the configuration of a client that trusts it, and what it does for its operator.
async fn serve() -> Result<(String, Arc<ClientConfig>, Arc<common::service::Service>), Fault> {
    let identity = certificates::self_signed(NAME)?;
    let recognition = Recognition::new(certificates::server(&identity)?);
    let store = Arc::new(MemoryStore::default());
    let service = Arc::new(common::service::Service::new(Service::IMAP, NAME, ALICE, store)?);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?.to_string();
    let ended = |_, what| {
        if let Err(fault) = what {
            eprintln!("the server: {fault}");
        }
    };
    tokio::spawn(limits::serve_all(listener, Arc::clone(&service), Arc::new(recognition), Limits::default(), ended));
    Ok((address, certificates::client(&identity.certificate)?, service))
}
