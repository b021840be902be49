//! Clients that the server knows, which come back all the time.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use fast_reauth::assertion::{ClientAssertion, Service};
use tokio::time::timeout;

use crate::common::client::{self, Client};
use crate::common::state::StateFile;
use crate::common::{Fault, scram};
use crate::report::Report;
use crate::server::ServerProcess;
use crate::{ALICE, NAME, with_imap_next};

/// Far more than a login takes, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the clients have, for strangers who alter what is made with it.
#[derive(Clone, Default)]
pub(crate) struct Proofs(Rc<RefCell<Option<ClientAssertion>>>);

impl Proofs {
    pub(crate) fn assertion(&self) -> Option<ClientAssertion> {
        self.0.borrow().clone()
    }
}

/// A client of this server; whatever it keeps is in that file.
pub(crate) fn client(server: &ServerProcess, password: &str, file: &PathBuf) -> Result<Client, Fault> {
    let account = (Service::IMAP, NAME);
    Client::start(&server.address, server.trusted()?, account, (ALICE.0, password), StateFile::new(file))
}

pub(crate) async fn come_back(
    server: Rc<ServerProcess>,
    number: usize,
    end: Instant,
    known: Proofs,
    report: Rc<RefCell<Report>>,
) {
    let file = std::env::temp_dir().join(format!("fast-reauth-soak-{}-{number}.state", std::process::id()));
    if let Err(fault) = visits(&server, &file, end, &known, &report).await {
        report.borrow_mut().refused(&fault);
    }
    let _ = std::fs::remove_file(&file);
}

async fn visits(
    server: &ServerProcess,
    file: &PathBuf,
    end: Instant,
    known: &Proofs,
    report: &RefCell<Report>,
) -> Result<(), Fault> {
    let mut is_known = false;
    while Instant::now() < end {
        // A start of the application, and then connections on its TLS sessions.
        let client = client(server, ALICE.1, file)?;
        for _ in 0..4 {
            let visit = timeout(PATIENCE, client::visit(&client, || with_imap_next::visit(&client))).await;
            let visit = visit.map_err(|_| format!("no login within {} s", PATIENCE.as_secs()))??;
            if is_known && visit.mechanism == scram::MECHANISM {
                return Err("a known client had to log in in full again".into());
            }
            is_known = true;
            report.borrow_mut().came_back(&visit.mechanism);
            *known.0.borrow_mut() = client.accounts.assertions(&client.account).pop();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}
