//! What the server keeps of passwords, for the logins that are compared with: SCRAM's keys, and hashes by Argon2id.

use std::collections::HashMap;
use std::sync::OnceLock;

use argon2::{Algorithm, Argon2, Params, Version};

use crate::common::random;
use crate::common::scram::StoredPassword;
use crate::way::{PASSWORD, user};
use crate::{Fault, THREADS};

/// The parameters that OWASP's Password Storage Cheat Sheet names first.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;

/// A salt, and what Argon2id makes of the password with it.
type Hashed = ([u8; 16], [u8; 32]);

/// The passwords of all accounts.
pub(crate) struct Passwords {
    scram: HashMap<String, StoredPassword>,
    argon2: OnceLock<HashMap<String, Hashed>>,
}

impl Passwords {
    /// Those of so many users, for SCRAM.
    pub(crate) fn new(users: usize) -> Result<Self, Fault> {
        let scram = spread(users, |number| {
            let name = user(number);
            Ok((name.clone(), StoredPassword::new(&name, PASSWORD, random()?)))
        })?;
        Ok(Self { scram: scram.into_iter().collect(), argon2: OnceLock::new() })
    }

    /// So many of the users can also log in with PLAIN from now on.
    pub(crate) fn hash(&self, users: usize) -> Result<(), Fault> {
        let argon2 = spread(users, |number| {
            let salt = random()?;
            Ok((user(number), (salt, hash(PASSWORD.as_bytes(), &salt)?)))
        })?;
        self.argon2.set(argon2.into_iter().collect()).map_err(|_| "passwords are hashed once".into())
    }

    pub(crate) fn scram(&self, name: &str) -> Result<&StoredPassword, Fault> {
        self.scram.get(name).ok_or_else(|| format!("there is no {name}").into())
    }

    /// Who logs in with this message of PLAIN (RFC 4616), if the password is right.
    pub(crate) fn plain(&self, message: &[u8]) -> Result<Option<String>, Fault> {
        let fields: Vec<&[u8]> = message.split(|octet| *octet == 0).collect();
        let [b"", name, password] = fields[..] else { return Err("no message of PLAIN".into()) };
        let name = std::str::from_utf8(name)?;
        let (salt, stored) =
            self.argon2.get().and_then(|all| all.get(name)).ok_or_else(|| format!("there is no {name}"))?;
        // How long it takes to compare hashes tells nothing of the password.
        Ok((hash(password, salt)? == *stored).then(|| name.to_owned()))
    }
}

fn hash(password: &[u8], salt: &[u8]) -> Result<[u8; 32], Fault> {
    let fault = |error| Fault::from(format!("Argon2: {error}"));
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(fault)?;
    let mut hash = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password, salt, &mut hash)
        .map_err(fault)?;
    Ok(hash)
}

/// Makes something for each number below `end`, on all threads.
fn spread<T: Send>(end: usize, make: impl Fn(usize) -> Result<T, Fault> + Sync) -> Result<Vec<T>, Fault> {
    let make = &make;
    std::thread::scope(|scope| {
        let part = |first: usize| move || (first..end).step_by(THREADS).map(make).collect::<Result<Vec<T>, Fault>>();
        let parts: Vec<_> = (0..THREADS).map(|first| scope.spawn(part(first))).collect();
        let mut all = Vec::with_capacity(end);
        for part in parts {
            all.extend(part.join().map_err(|_| "a thread panicked")??);
        }
        Ok(all)
    })
}
