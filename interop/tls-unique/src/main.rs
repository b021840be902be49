//! The client of `examples/xmpp_client` over TLS 1.2 by OpenSSL. Its modules are the same; the connection is another.
//!
//! ```text
//! tls-unique --server ADDRESS --ca FILE --host NAME --mechanism NAME STEP...
//! ```

#[path = "../../../examples/common/xmpp/args.rs"]
mod args;
#[path = "../../../examples/xmpp_client/client.rs"]
#[allow(dead_code)] // it shows nothing, so nobody asks what was waited for
mod client;
#[allow(dead_code)] // the server's half is not here
#[path = "../../../examples/common/scram.rs"]
mod scram;
#[allow(dead_code)] // it is never started again
#[path = "../../../examples/common/state.rs"]
mod state;
#[path = "../../../examples/xmpp_client/steps.rs"]
mod steps;
#[path = "../../../examples/common/xmpp/wire.rs"]
mod wire;

use std::net::TcpStream;
use std::process::ExitCode;

use args::{Args, Fault, PASSWORD, USER, now};
use fast_reauth::channel::{ChannelFacts, ServerName};
use openssl::ssl::{SslConnector, SslMethod, SslStream, SslVersion};

/// A client's connections to one server.
struct OpenSsl {
    connector: SslConnector,
    server: String,
}

impl OpenSsl {
    fn new(args: &Args) -> Result<Self, Fault> {
        let mut builder = SslConnector::builder(SslMethod::tls_client())?;
        builder.set_ca_file(&args.ca)?;
        builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
        builder.set_max_proto_version(Some(SslVersion::TLS1_2))?;
        Ok(Self { connector: builder.build(), server: args.server.clone() })
    }
}

impl client::Tls for OpenSsl {
    type Stream = SslStream<TcpStream>;

    /// What OpenSSL knows, in the library's words. There is no adapter for it.
    fn connect(&self, name: &str) -> Result<(Self::Stream, ChannelFacts), Fault> {
        let tcp = wire::patient(TcpStream::connect(&self.server)?)?;
        let tls = self.connector.connect(name, tcp)?;
        let ssl = tls.ssl();
        if ssl.session_reused() {
            return Err("TLS resumed a session, and the first Finished was the server's".into());
        }
        // RFC 5929 section 3: the first Finished of the handshake, which in a full one is the client's.
        let mut finished = [0; 64];
        let length = ssl.finished(&mut finished);
        let finished = finished.get(..length).ok_or("a Finished of more than 64 octets")?;
        let facts = ChannelFacts::tls12(ssl.extms_support() == Some(true)).server_name(ServerName::parse(name)?);
        let facts = facts.unique(finished);
        Ok((tls, facts))
    }
}

fn main() -> ExitCode {
    args::main(|args| {
        let mechanism = args.mechanism.ok_or("which mechanism?")?;
        client::Client::new(OpenSsl::new(args)?, &args.host, mechanism, None)?.run(&args.steps)
    })
}
