//! The server, in a process of its own so that its memory is its own. It ends with its standard input.

use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use fast_reauth::assertion;
use fast_reauth::rustls::Recognition;
use fast_reauth::store::MemoryStore;
use tokio::net::TcpListener;
use tokio_rustls::rustls::ClientConfig;

use crate::common::service::Service;
use crate::common::{Fault, certificates, listen};
use crate::limits::{Limits, serve_all};
use crate::{ALICE, NAME};

/// Short, so that a soak sees many strangers to their end.
pub(crate) fn limits() -> Limits {
    Limits {
        handshake: Duration::from_secs(2),
        login: Duration::from_secs(4),
        idle: Duration::from_secs(4),
        ..Limits::default()
    }
}

pub(crate) fn main() -> ExitCode {
    listen::end_with_input();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Fault::from);
    match runtime.and_then(|runtime| runtime.block_on(serve())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("the server: {fault}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Fault> {
    let identity = certificates::self_signed(NAME)?;
    let service = Service::new(assertion::Service::IMAP, NAME, ALICE, Arc::new(MemoryStore::default()))?;
    let recognition = Recognition::new(certificates::server(&identity)?);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}\n{}", listener.local_addr()?, identity.certificate);
    serve_all(listener, Arc::new(service), Arc::new(recognition), limits(), |_, _| {}).await;
    Ok(())
}

/// What a process has of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    /// Memory, in KiB.
    pub(crate) memory: u64,
    /// Open file descriptors.
    pub(crate) files: usize,
}

pub(crate) struct ServerProcess {
    child: Child,
    pub(crate) address: String,
    certificate: String,
    /// Kept, as a server that can't write would end.
    _output: Lines<BufReader<ChildStdout>>,
}

impl ServerProcess {
    /// This very program, as the server.
    pub(crate) fn start() -> Result<Self, Fault> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no standard output")?).lines();
        let address = lines.next().ok_or("the server does not start")??;
        let mut certificate = String::new();
        while !certificate.contains("-----END CERTIFICATE-----") {
            certificate += &lines.next().ok_or("the server has no certificate")??;
            certificate.push('\n');
        }
        Ok(Self { child, address, certificate, _output: lines })
    }

    /// The configuration of a client that trusts it.
    pub(crate) fn trusted(&self) -> Result<Arc<ClientConfig>, Fault> {
        certificates::client(&self.certificate)
    }

    pub(crate) fn used(&self) -> Result<Used, Fault> {
        let process = format!("/proc/{}", self.child.id());
        let status = fs::read_to_string(format!("{process}/status"))?;
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        let memory = memory.ok_or("the server is gone")?.trim().parse()?;
        Ok(Used { memory, files: fs::read_dir(format!("{process}/fd"))?.count() })
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
