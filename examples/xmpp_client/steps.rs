//! The steps of the interop suite: a connection each, most of them with something out of the ordinary.

use std::rc::Rc;
use std::time::Duration;

use fast_reauth::assertion::{ClientToken, HtMechanism, Policy};
use fast_reauth::store::client::Accounts;

use crate::client::{Client, Tls};
use crate::common::{Fault, now};

/// How a login goes, where it is not as usual.
#[derive(Default)]
pub(crate) struct Manner {
    /// With the password, whatever the client keeps.
    pub(crate) full: bool,
    pub(crate) which: Which,
    /// A bit of the message is another.
    pub(crate) altered: bool,
    /// A full login on the same stream, should this one fail.
    pub(crate) or_full: bool,
    /// A ping is in the same flight.
    pub(crate) ahead: bool,
    /// It shall be the token's last use.
    pub(crate) invalidate: bool,
    /// The stream shall be one that can be resumed; then the connection is cut.
    pub(crate) manage: bool,
    /// The stream that was cut is resumed.
    pub(crate) resume: bool,
    /// A stream that never was is resumed.
    pub(crate) lost: bool,
}

/// The token that is used.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Which {
    /// The one that the library plans to use.
    #[default]
    Planned,
    /// The first since the last full login, by a client that lost all later ones.
    First,
    /// The last, planned or not.
    Last,
    /// The last, with another mechanism than it is for.
    Unpinned,
}

impl Manner {
    fn of(step: &str) -> Option<Self> {
        let usual = Self::default();
        let last = Self { which: Which::Last, ..Self::default() };
        Some(match step {
            "full" => Self { full: true, ..usual },
            "fast" => usual,
            "first" => Self { which: Which::First, ..usual },
            "last" => last,
            "unpinned" => Self { which: Which::Unpinned, ..usual },
            "altered" => Self { altered: true, ..last },
            "altered-ahead" => Self { altered: true, ahead: true, ..last },
            "altered-full" => Self { altered: true, or_full: true, ..usual },
            "ahead" => Self { ahead: true, ..usual },
            "invalidate" => Self { invalidate: true, ..usual },
            "manage" => Self { manage: true, ..usual },
            "resume" => Self { resume: true, ..usual },
            "lost" => Self { lost: true, ..usual },
            _ => return None,
        })
    }
}

impl<T: Tls> Client<T> {
    /// Takes the steps, and prints what came of each.
    pub(crate) async fn run(mut self, steps: &[String]) -> Result<(), Fault> {
        for step in steps {
            let said = match Manner::of(step) {
                Some(manner) => self.known(&manner).await,
                None if step == "wait" => {
                    tokio::time::sleep(Duration::from_millis(2100)).await;
                    Ok("waited".to_owned())
                }
                None => Err("there is no such step".into()),
            };
            println!("step {step} {}", said.map_err(|fault| format!("in step {step}: {fault}"))?);
            for token in self.accounts.tokens(&self.account) {
                if !self.history.contains(&token) {
                    self.history.push(token);
                }
            }
            self.save()?;
        }
        Ok(())
    }

    /// The client's accounts, or others in which this token is the only one. They hold it to last an hour longer than
    /// it does, so that it is for the server to refuse.
    pub(crate) fn accounts_with(&self, which: Which) -> Result<Rc<Accounts>, Fault> {
        let token = match which {
            Which::Planned => return Ok(self.accounts.clone()),
            Which::First => self.history.first(),
            Which::Last | Which::Unpinned => self.history.last(),
        };
        let token = token.ok_or("there is no token")?;
        let mechanism = if which == Which::Unpinned { HtMechanism::HT_SHA_256_NONE } else { token.mechanism() };
        let (text, scope, origin, policy) = (token.token().expose(), token.scope(), token.origin(), Policy::default());
        let user = &*self.account.login_name;
        let expires = token.expires().after(Duration::from_secs(3600));
        let token = ClientToken::issued(text, mechanism, scope, user, origin, expires, &policy, now())?;
        let accounts = Accounts::new(policy);
        accounts.restore_token(&self.account, token);
        Ok(Rc::new(accounts))
    }
}
