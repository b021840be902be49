//! What a peer may take before it is anybody, and the loop that takes connections.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use fast_reauth::rustls::Recognition;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::common::service::Service;
use crate::common::{Fault, listen};
use crate::session;

/// Limits of a connection, and of how many there are.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// For the TLS handshake.
    pub(crate) handshake: Duration,
    /// From then on, for a login.
    pub(crate) login: Duration,
    /// For the next command of somebody who is logged in, and for taking what was answered.
    pub(crate) idle: Duration,
    /// So many logins may fail.
    pub(crate) failures: u32,
    /// At a time. More than these are closed as they come.
    pub(crate) connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            login: Duration::from_secs(60),
            // RFC 9051 section 5.4.
            idle: Duration::from_secs(30 * 60),
            failures: 3,
            connections: 1000,
        }
    }
}

impl Limits {
    /// What comes of this, or that it took too long.
    pub(crate) async fn within<T>(
        time: Duration,
        what: &str,
        done: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        timeout(time, done).await.map_err(|_| format!("no {what} within {} s", time.as_secs()))?
    }
}

/// Serves whoever comes, and hands over what became of each connection.
pub(crate) async fn serve_all(
    listener: TcpListener,
    service: Arc<Service>,
    recognition: Arc<Recognition>,
    limits: Limits,
    ended: impl Fn(u64, Result<String, Fault>) + Clone + Send + Sync + 'static,
) {
    let room = Arc::new(Semaphore::new(limits.connections));
    for number in 1.. {
        let tcp = listen::accept(&listener).await;
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
            ended(number, Err("there are too many connections".into()));
            continue;
        };
        let (service, recognition, limits) = (Arc::clone(&service), Arc::clone(&recognition), limits.clone());
        let ended = ended.clone();
        tokio::spawn(async move {
            ended(number, session::serve(&service, &recognition, &limits, tcp).await);
            drop(place);
        });
    }
}
