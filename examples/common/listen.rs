//! What a server's main function does before this library is asked: its certificate, its store, its port, and its end.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fast_reauth::store::{Capacity, MemoryStore, RedbStore, Store};
use tokio::net::{TcpListener, TcpStream};

use super::Fault;
use super::args::Args;
use super::certificates::{self, Identity};

/// The certificate of `--cert` and `--key`, or one that is made here; and the file that a client is to trust.
pub(crate) fn identity(args: &mut Args, name: &str, whose: &str) -> Result<(Identity, String), Fault> {
    let Some(cert) = args.take("cert") else {
        let identity = certificates::self_signed(name)?;
        let file = identity.publish(whose)?;
        return Ok((identity, file.display().to_string()));
    };
    let certificate = certificates::read(Path::new(&cert), "the certificate (--cert)")?;
    let key = certificates::read(&args.need_file("key")?, "its key (--key)")?;
    Ok((Identity { certificate, key }, cert))
}

/// The store of `--store`, or one in memory.
pub(crate) fn store(args: &mut Args) -> Result<Arc<dyn Store>, Fault> {
    let Some(file) = args.take("store") else { return Ok(Arc::new(MemoryStore::default())) };
    let store = RedbStore::open(&file, Capacity::default());
    Ok(Arc::new(store.map_err(|error| format!("{file}: {error}"))?))
}

pub(crate) async fn listen(address: &str) -> Result<TcpListener, Fault> {
    TcpListener::bind(address).await.map_err(|error| format!("can't listen on {address}: {error}").into())
}

/// The next client. Out of file descriptors, or a client that is gone again, is no reason to serve nobody any more.
pub(crate) async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((tcp, _)) => return tcp,
            Err(error) => eprintln!("no connection accepted: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A server ends with its standard input, so it does not outlive whoever started it.
pub(crate) fn end_with_input() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}
