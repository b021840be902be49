//! The server's TLS sessions. rustls' own storage looks through all of them when one is used, which would be measured as TLS.

use std::collections::HashMap;
use std::sync::Mutex;

use tokio_rustls::rustls::server::StoresServerSessions;

/// All that were made; each is used once.
#[derive(Debug, Default)]
pub(crate) struct TlsSessions(Mutex<HashMap<Vec<u8>, Vec<u8>>>);

impl StoresServerSessions for TlsSessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.0.lock().is_ok_and(|mut sessions| {
            sessions.insert(key, value);
            true
        })
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.lock().ok()?.get(key).cloned()
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.lock().ok()?.remove(key)
    }

    fn can_cache(&self) -> bool {
        true
    }
}
