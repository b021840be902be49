//! The client of `examples/xmpp_client` over TLS 1.2 by OpenSSL. Its modules are the same; the connection is another.
//!
//! ```text
//! tls-unique --server ADDRESS --ca FILE --name NAME --user NAME --password PASSWORD --mechanism NAME STEP...
//! ```

#[path = "../../../examples/xmpp_client/client.rs"]
#[allow(dead_code)] // it shows nothing, so nobody asks what was waited for
mod client;
#[path = "../../../examples/common/mod.rs"]
mod common;
#[path = "../../../examples/xmpp_client/steps.rs"]
mod steps;
#[path = "../../../examples/common/xmpp.rs"]
mod xmpp;

use std::pin::Pin;
use std::process::ExitCode;

use client::{Client, Link, Tls};
use common::Fault;
use common::args::{self, Args};
use common::wire::Wire;
use fast_reauth::assertion::{FullLogin, HtMechanism};
use fast_reauth::channel::ChannelFacts;
use fast_reauth::store::client::{Account, Connection};
use openssl::ssl::{SslConnector, SslMethod, SslVersion};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

const USAGE: &str = "usage: tls-unique --server ADDRESS --ca FILE --name NAME --user NAME --password PASSWORD \
                     --mechanism NAME STEP...";

/// A client's connections to one server.
struct OpenSsl {
    connector: SslConnector,
    server: String,
}

impl OpenSsl {
    fn new(server: String, ca: &str) -> Result<Self, Fault> {
        let mut builder = SslConnector::builder(SslMethod::tls_client())?;
        builder.set_ca_file(ca).map_err(|error| format!("the certificate to trust (--ca) {ca}: {error}"))?;
        builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
        builder.set_max_proto_version(Some(SslVersion::TLS1_2))?;
        Ok(Self { connector: builder.build(), server })
    }
}

impl Tls for OpenSsl {
    type Stream = SslStream<TcpStream>;
    type Watch = ();

    /// What OpenSSL knows, in the library's words. Its adapter offers no tls-unique.
    async fn connect(&self, account: &Account) -> Result<Link<Self::Stream, ()>, Fault> {
        let name = &account.scope.server_name;
        let tcp = TcpStream::connect(&self.server).await?;
        tcp.set_nodelay(true)?;
        let mut tls = SslStream::new(self.connector.configure()?.into_ssl(name.as_str())?, tcp)?;
        Pin::new(&mut tls).connect().await?;
        let ssl = tls.ssl();
        if ssl.session_reused() {
            return Err("TLS resumed a session, and the first Finished was the server's".into());
        }
        // RFC 5929 section 3: the first Finished of the handshake, which in a full one is the client's.
        let mut finished = [0; 64];
        let length = ssl.finished(&mut finished);
        let finished = finished.get(..length).ok_or("a Finished of more than 64 octets")?;
        let facts = ChannelFacts::tls12(ssl.extms_support() == Some(true)).server_name(name.clone()).unique(finished);
        Ok(Link { stream: Wire::new(tls).stream, facts, predecessor: None, watch: () })
    }

    /// Tokens only.
    fn derive(&self, _: &Self::Stream, _: &mut Connection<'_>, _: &FullLogin) -> Result<bool, Fault> {
        Ok(false)
    }

    fn authenticated(&self, (): &(), _: &Connection<'_>) {}

    fn forget(&self, _: &Account) {}
}

fn main() -> ExitCode {
    args::main(USAGE, run)
}

async fn run(mut args: Args) -> Result<(), Fault> {
    let tls = OpenSsl::new(args.need("server")?, &args.need("ca")?)?;
    let (name, user, password) = (args.need("name")?, args.need("user")?, args.need("password")?);
    let mechanism = args.need("mechanism")?;
    let mechanism = HtMechanism::from_name(&mechanism).ok_or_else(|| format!("{mechanism} takes no token"))?;
    let steps = args.take_words();
    args.end()?;
    Client::new(tls, &name, (&user, &password), Some(mechanism), None)?.run(&steps).await
}
