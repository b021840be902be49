//! The tables of the file, and the accounts in them.

use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction};

use super::Failed;
use super::account::{Account, Names};
use super::packed::{Packed, pack};
use crate::assertion::LoginId;
use crate::crypto::{Absorb, Hash, hash};
use crate::store::Revoke;
use crate::time::Timestamp;

/// What an account is kept under: the first 16 octets of a hash of its identity.
pub(super) type AccountKey = [u8; 16];

type Index = TableDefinition<'static, &'static [u8; 16], &'static [u8; 16]>;

const ACCOUNTS: TableDefinition<'_, &[u8; 16], &[u8]> = TableDefinition::new("accounts");
/// Each name to the account that has it.
pub(super) const ASSERTIONS: Index = TableDefinition::new("assertions");
pub(super) const TOKENS: Index = TableDefinition::new("tokens");
pub(super) const HANDLES: Index = TableDefinition::new("handles");
pub(super) const LOGINS: Index = TableDefinition::new("logins");
/// When something of an account ends next, in seconds, and the account.
const DUE: TableDefinition<'_, &[u8; 24], ()> = TableDefinition::new("due");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

const FORMAT: &str = "format";
const RECORDS: &str = "records";
const SECRETS: &str = "secrets";
const LINEAGES: &str = "lineages";
/// How often everyone was revoked, and when last.
const GENERATION: &str = "revocations of everyone";
const REVOKED: &str = "everyone revoked";

const VERSION: u64 = 2;

pub(super) fn account_key(identity: &str) -> AccountKey {
    let digest = hash(Hash::Sha256, |context| {
        context.lp(b"account v1");
        context.lp(identity.as_bytes());
    });
    let mut key = [0; 16];
    key.copy_from_slice(&digest.as_ref()[..16]);
    key
}

/// When everyone was revoked. It reaches an account when that is read the next time.
#[derive(Clone, Copy)]
struct Everyone {
    generation: u64,
    at: Option<Timestamp>,
}

impl Everyone {
    fn read(meta: &impl ReadableTable<&'static str, u64>) -> Result<Self, Failed> {
        let at = number(meta, REVOKED)?;
        Ok(Self { generation: number(meta, GENERATION)?, at: Some(Timestamp::from_secs(at)).filter(|_| at > 0) })
    }

    fn unpack(self, packed: Packed<'_>) -> Result<Account, Failed> {
        let is_behind = packed.generation < self.generation;
        let mut account = packed.unpack().ok_or(Failed::Damaged)?;
        if let Some(at) = self.at.filter(|_| is_behind) {
            account.revoke(Revoke::All, at);
        }
        Ok(account)
    }
}

fn number(meta: &impl ReadableTable<&'static str, u64>, name: &str) -> Result<u64, Failed> {
    Ok(meta.get(name)?.map_or(0, |value| value.value()))
}

/// Makes the tables of a new file; false where they are another version's.
pub(super) fn prepare(transaction: &WriteTransaction) -> Result<bool, Failed> {
    let mut meta = transaction.open_table(META)?;
    let version = meta.get(FORMAT)?.map(|version| version.value());
    if let Some(version) = version {
        return Ok(version == VERSION);
    }
    meta.insert(FORMAT, VERSION)?;
    transaction.open_table(ACCOUNTS)?;
    for index in [ASSERTIONS, TOKENS, HANDLES, LOGINS] {
        transaction.open_table(index)?;
    }
    transaction.open_table(DUE)?;
    Ok(true)
}

/// The tables as they were at one moment.
pub(super) struct Snapshot(pub(super) ReadTransaction);

impl Snapshot {
    /// How many records and lineages there are.
    pub(super) fn len(&self) -> Result<(u64, u64), Failed> {
        let meta = self.0.open_table(META)?;
        Ok((number(&meta, RECORDS)?, number(&meta, LINEAGES)?))
    }

    /// What `read` finds in the account that has this name: in its octets, or in all of it where those are out of date.
    pub(super) fn find<T>(
        &self,
        index: Index,
        name: &[u8; 16],
        read: impl FnOnce(Packed<'_>) -> Option<T>,
        or: impl FnOnce(&Account) -> Option<T>,
    ) -> Result<Option<T>, Failed> {
        match self.0.open_table(index)?.get(name)? {
            Some(key) => self.read(key.value(), read, or),
            None => Ok(None),
        }
    }

    pub(super) fn account<T>(&self, identity: &str, read: impl FnOnce(&Account) -> T) -> Result<Option<T>, Failed> {
        let octets = self.0.open_table(ACCOUNTS)?.get(&account_key(identity))?;
        let Some(octets) = octets else { return Ok(None) };
        let packed = Packed::open(octets.value()).ok_or(Failed::Damaged)?;
        let account = Everyone::read(&self.0.open_table(META)?)?.unpack(packed)?;
        Ok(Some(read(&account)))
    }

    fn read<T>(
        &self,
        key: &AccountKey,
        read: impl FnOnce(Packed<'_>) -> Option<T>,
        or: impl FnOnce(&Account) -> Option<T>,
    ) -> Result<Option<T>, Failed> {
        let Some(octets) = self.0.open_table(ACCOUNTS)?.get(key)? else { return Ok(None) };
        let packed = Packed::open(octets.value()).ok_or(Failed::Damaged)?;
        let everyone = Everyone::read(&self.0.open_table(META)?)?;
        if packed.generation == everyone.generation {
            return Ok(read(packed));
        }
        Ok(or(&everyone.unpack(packed)?))
    }
}

/// The tables in a write transaction.
pub(super) struct Work<'t> {
    accounts: Table<'t, &'static [u8; 16], &'static [u8]>,
    assertions: Table<'t, &'static [u8; 16], &'static [u8; 16]>,
    tokens: Table<'t, &'static [u8; 16], &'static [u8; 16]>,
    handles: Table<'t, &'static [u8; 16], &'static [u8; 16]>,
    logins: Table<'t, &'static [u8; 16], &'static [u8; 16]>,
    due: Table<'t, &'static [u8; 24], ()>,
    meta: Table<'t, &'static str, u64>,
    everyone: Everyone,
    /// Records, a client's tokens being one.
    pub(super) records: u64,
    /// Accounts with a secret.
    pub(super) secrets: u64,
    pub(super) lineages: u64,
    /// Whether anything was written, so that the transaction is worth committing.
    pub(super) changed: bool,
}

/// An account and how it is found in the tables, to see afterwards what changed.
pub(super) struct Loaded {
    pub(super) account: Account,
    key: AccountKey,
    before: Names,
    /// Whether a secret of it is counted. With everyone's revocation none is any more.
    secret: bool,
    due: Option<Timestamp>,
}

impl<'t> Work<'t> {
    pub(super) fn new(transaction: &'t WriteTransaction) -> Result<Self, Failed> {
        let meta = transaction.open_table(META)?;
        Ok(Self {
            accounts: transaction.open_table(ACCOUNTS)?,
            assertions: transaction.open_table(ASSERTIONS)?,
            tokens: transaction.open_table(TOKENS)?,
            handles: transaction.open_table(HANDLES)?,
            logins: transaction.open_table(LOGINS)?,
            due: transaction.open_table(DUE)?,
            everyone: Everyone::read(&meta)?,
            records: number(&meta, RECORDS)?,
            secrets: number(&meta, SECRETS)?,
            lineages: number(&meta, LINEAGES)?,
            meta,
            changed: false,
        })
    }

    /// Writes the counts; whether there is anything to commit.
    pub(super) fn finish(mut self) -> Result<bool, Failed> {
        if self.changed {
            self.meta.insert(RECORDS, self.records)?;
            self.meta.insert(SECRETS, self.secrets)?;
            self.meta.insert(LINEAGES, self.lineages)?;
        }
        Ok(self.changed)
    }

    pub(super) fn load(&self, key: &AccountKey) -> Result<Option<Loaded>, Failed> {
        let Some(octets) = self.accounts.get(key)? else { return Ok(None) };
        let packed = Packed::open(octets.value()).ok_or(Failed::Damaged)?;
        // Names and dates are those of the octets, before everyone's revocation takes the secret away.
        let before = Everyone { generation: 0, at: None };
        let is_behind = packed.generation < self.everyone.generation;
        let mut account = before.unpack(packed)?;
        let (before, due) = (account.names(), account.due());
        if let Some(at) = self.everyone.at.filter(|_| is_behind) {
            account.revoke(Revoke::All, at);
        }
        let secret = before.has_secret() && !is_behind;
        Ok(Some(Loaded { account, key: *key, before, secret, due: Some(due) }))
    }

    pub(super) fn load_identity(&self, identity: &str) -> Result<Option<Loaded>, Failed> {
        let found = self.load(&account_key(identity))?;
        if found.as_ref().is_some_and(|found| *found.account.identity != *identity) {
            return Err(Failed::Damaged);
        }
        Ok(found)
    }

    /// The account of this identity, made where there is none.
    pub(super) fn load_or_new(&self, identity: &Arc<str>) -> Result<Loaded, Failed> {
        let new = || Loaded {
            account: Account::new(identity.clone(), self.everyone.at),
            key: account_key(identity),
            before: Names::default(),
            secret: false,
            due: None,
        };
        Ok(self.load_identity(identity)?.unwrap_or_else(new))
    }

    pub(super) fn owner(&self, index: Index, name: &[u8; 16]) -> Result<Option<AccountKey>, Failed> {
        use redb::TableHandle;
        let table = match index.name() {
            "assertions" => &self.assertions,
            "tokens" => &self.tokens,
            "handles" => &self.handles,
            _ => &self.logins,
        };
        Ok(table.get(name)?.map(|key| *key.value()))
    }

    /// Writes an account and all that leads to it, or takes it away when nothing is left of it.
    pub(super) fn save(&mut self, loaded: Loaded, now: Timestamp) -> Result<(), Failed> {
        let Loaded { account, key, before, secret, due } = loaded;
        let (after, is_over) = (account.names(), account.is_over(now));
        reindex(&mut self.assertions, &key, &before.records, &after.records, |id| *id.as_octets())?;
        reindex(&mut self.tokens, &key, &before.tokens, &after.tokens, |id| *id.as_octets())?;
        reindex(&mut self.handles, &key, &before.lineages, &after.lineages, |handle| *handle.as_octets())?;
        reindex(&mut self.logins, &key, &before.logins, &after.logins, |login| *login.as_octets())?;
        self.records = (self.records + after.room() as u64).saturating_sub(before.room() as u64);
        self.secrets = (self.secrets + u64::from(after.has_secret())).saturating_sub(u64::from(secret));
        self.lineages = (self.lineages + after.lineages.len() as u64).saturating_sub(before.lineages.len() as u64);
        let next = Some(account.due()).filter(|_| !is_over);
        if due != next {
            if let Some(due) = due {
                self.due.remove(&due_key(due, &key))?;
            }
            if let Some(next) = next {
                self.due.insert(&due_key(next, &key), ())?;
            }
        }
        if is_over {
            self.accounts.remove(&key)?;
        } else {
            self.accounts.insert(&key, pack(&account, self.everyone.generation).as_slice())?;
        }
        self.changed = true;
        Ok(())
    }

    /// This login finds the account that has its name from now on, whichever it found before.
    pub(super) fn claim(&mut self, login: &LoginId, identity: &str) -> Result<(), Failed> {
        let key = account_key(identity);
        let is_ours = self.load(&key)?.is_some_and(|loaded| loaded.account.is_found_by(login));
        if is_ours {
            self.logins.insert(login.as_octets(), &key)?;
        }
        Ok(())
    }

    /// Drops what expired of the accounts that are due, `most` of them, the longest due first; how many there were.
    pub(super) fn sweep(&mut self, now: Timestamp, most: usize) -> Result<usize, Failed> {
        let end = due_key(now.after(core::time::Duration::from_secs(1)), &[0; 16]);
        let mut due = Vec::new();
        for entry in self.due.range::<&[u8; 24]>(..&end)?.take(most) {
            due.push(*entry?.0.value());
        }
        for entry in &due {
            let (_, key) = entry.split_last_chunk::<16>().ok_or(Failed::Damaged)?;
            match self.load(key) {
                Ok(Some(mut loaded)) => {
                    loaded.account.expire(now);
                    self.save(loaded, now)?;
                }
                // One that can't be read stays as it is, and is nothing to the others.
                Ok(None) | Err(Failed::Damaged) => {
                    self.due.remove(entry)?;
                    self.changed = true;
                }
                Err(failed) => return Err(failed),
            }
        }
        Ok(due.len())
    }

    pub(super) fn revoke_everyone(&mut self, now: Timestamp) -> Result<(), Failed> {
        let Everyone { generation, at } = self.everyone;
        self.meta.insert(GENERATION, generation.saturating_add(1))?;
        self.meta.insert(REVOKED, now.as_secs().max(at.map_or(0, Timestamp::as_secs)))?;
        self.everyone = Everyone::read(&self.meta)?;
        self.secrets = 0;
        self.changed = true;
        Ok(())
    }
}

fn due_key(due: Timestamp, key: &AccountKey) -> [u8; 24] {
    let mut out = [0; 24];
    out[..8].copy_from_slice(&due.as_secs().to_be_bytes());
    out[8..].copy_from_slice(key);
    out
}

/// Names that came lead to the account, names that went no longer do, unless another account has them by now.
fn reindex<N: Ord + Copy>(
    index: &mut Table<'_, &'static [u8; 16], &'static [u8; 16]>,
    key: &AccountKey,
    before: &[N],
    after: &[N],
    octets: impl Fn(&N) -> [u8; 16],
) -> Result<(), Failed> {
    let (before, after) = (sorted(before), sorted(after));
    for gone in before.iter().filter(|name| after.binary_search(name).is_err()) {
        let name = octets(gone);
        let is_ours = index.get(&name)?.is_some_and(|owner| owner.value() == key);
        if is_ours {
            index.remove(&name)?;
        }
    }
    for new in after.iter().filter(|name| before.binary_search(name).is_err()) {
        index.insert(&octets(new), key)?;
    }
    Ok(())
}

fn sorted<N: Ord + Copy>(names: &[N]) -> Vec<N> {
    let mut names = names.to_vec();
    names.sort_unstable();
    names
}
