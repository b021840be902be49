//! A submission client on lettre that its server knows when it comes back.
//!
//! ```text
//! cargo run --example smtp_client             # against a submission server in this process
//! cargo run --example smtp_client -- --server ADDRESS --name NAME --ca FILE --user NAME [--password PASSWORD]
//!                                    [--state FILE]
//! ```
//!
//! What it keeps is in the state file, so the second run needs no password. It speaks TLS from the first octet (port 465). To read
//! how the library is embedded, begin with `submission.rs`; `interop/run postfix` runs it against Postfix.

#[path = "../common/mod.rs"]
mod common;
mod server;
mod stream;
mod submission;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use fast_reauth::assertion::Service;
use fast_reauth::rustls::Recognition;
use fast_reauth::store::MemoryStore;
use lettre::Message;
use tokio::net::TcpListener;
use tokio_rustls::rustls::ClientConfig;

use common::args::{self, Args};
use common::client::{Client, Report};
use common::state::StateFile;
use common::{Fault, certificates, client};

const USAGE: &str =
    "usage: smtp_client [--server ADDRESS --name NAME --ca FILE --user NAME [--password PASSWORD] [--state FILE]]";
const NAME: &str = "smtp.example.com";
const ALICE: (&str, &str) = ("alice", "secret");

fn main() -> ExitCode {
    args::main(USAGE, run)
}

async fn run(mut args: Args) -> Result<(), Fault> {
    if args.is_empty() {
        return demonstrate().await;
    }
    let (server, name) = (args.need("server")?, args.need("name")?);
    let base = certificates::client(&certificates::read(&args.need_file("ca")?, "the certificate to trust")?)?;
    let (user, password) = (args.need("user")?, args.take("password").unwrap_or_default());
    let state = StateFile::new(args.take("state").unwrap_or_else(|| "smtp_client.state".to_owned()));
    args.end()?;
    let client = Client::start(&server, base, (Service::SMTP, &name), (&user, &password), state)?;
    submit(&client).await?.print("lettre");
    Ok(())
}

/// A first login, a second connection, and a third after the client's restart.
async fn demonstrate() -> Result<(), Fault> {
    let (server, base, service) = serve().await?;
    let file = std::env::temp_dir().join(format!("fast-reauth-smtp-client-{}.state", std::process::id()));
    let done = come_back(&server, &base, &service, &file).await;
    let _ = std::fs::remove_file(&file);
    done
}

async fn come_back(
    server: &str,
    base: &Arc<ClientConfig>,
    service: &common::service::Service,
    file: &Path,
) -> Result<(), Fault> {
    println!("round trips of a real network that the login adds to EHLO and MAIL; TCP and TLS are not counted\n");
    let start = || Client::start(server, Arc::clone(base), (Service::SMTP, NAME), ALICE, StateFile::new(file));
    let client = start()?;
    submit(&client).await?.print("lettre, first");
    // An assertion's first use comes before EXTERNAL, which confirms none.
    submit(&client).await?.expect(0)?.print("lettre, first use");
    submit(&client).await?.expect(0)?.print("lettre, TLS session kept");
    drop(client);
    let client = start()?;
    submit(&client).await?.expect(0)?.print("lettre, after a restart");
    service.revoke(ALICE.0).await?;
    submit(&client).await?.print("lettre, when revoked");
    Ok(())
}

async fn submit(client: &Client) -> Result<Report, Fault> {
    let mail = mail()?;
    client::visit(client, || submission::submit(client, &mail)).await
}

fn mail() -> Result<Message, Fault> {
    let mail = Message::builder().from("alice@example.com".parse()?).to("bob@elsewhere.example".parse()?);
    Ok(mail.subject("hello").body("I know you.\r\n".to_owned())?)
}

/// A server on loopback: its address, the configuration of a client that trusts it, and what it does for its operator.
async fn serve() -> Result<(String, Arc<ClientConfig>, Arc<common::service::Service>), Fault> {
    let identity = certificates::self_signed(NAME)?;
    let recognition = Recognition::new(certificates::server(&identity)?);
    let store = Arc::new(MemoryStore::default());
    let service = Arc::new(common::service::Service::new(Service::SMTP, NAME, ALICE, store)?);
    let here = Arc::clone(&service);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?.to_string();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            if let Err(fault) = server::serve(&here, &recognition, tcp).await {
                eprintln!("the server: {fault}");
            }
        }
    });
    Ok((address, certificates::client(&identity.certificate)?, service))
}
