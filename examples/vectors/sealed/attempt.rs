//! An attempt at a server that seals: what both ends make of it.

use super::*;

/// What the server keeps of an account.
#[derive(Clone, Default)]
pub(super) struct Account {
    /// None: the record's.
    pub(super) identity: Option<String>,
    pub(super) secret: Vec<u8>,
    pub(super) until: Option<u64>,
    /// The client that is spared, if it logged in after this.
    pub(super) spared: Option<(String, Option<u64>)>,
    pub(super) devices: Vec<String>,
}

/// An attempt at a server that seals.
#[derive(Clone)]
pub(super) struct Attempt {
    pub(super) scene: Scene,
    /// None: the message names a record that is stored.
    pub(super) sealed: Option<Sealed>,
    /// The server's keys, the current one first.
    pub(super) keys: Vec<(u32, Vec<u8>)>,
    pub(super) account: Option<Account>,
    /// No random octets, so nothing can be sealed.
    pub(super) no_random: bool,
}

/// What takes the place of an assertion.
pub(super) struct Successor {
    pub(super) expires: u64,
    pub(super) renewed: Renewed,
    pub(super) sealed: Option<Steps>,
}

impl Attempt {
    /// The client holds a sealed assertion, and uses it.
    pub(super) fn new(mechanism: &str, resumed: bool) -> Self {
        let scene = Scene::new(mechanism, resumed);
        let sealed = Some(Sealed::of(scene.record.clone().expect("a record")));
        let account = Some(Account { secret: account_secret(), ..Account::default() });
        Self { scene, sealed, keys: vec![service_key(1)], account, no_random: false }
    }

    /// The same with a record that is in the store.
    pub(super) fn stored(mechanism: &str) -> Self {
        Self { sealed: None, ..Self::new(mechanism, false) }
    }

    pub(super) fn with(mut self, edit: impl FnOnce(&mut Self)) -> Self {
        edit(&mut self);
        self.settled()
    }

    pub(super) fn held(&mut self) -> &mut Sealed {
        self.sealed.as_mut().expect("a sealed one")
    }

    pub(super) fn row(&mut self) -> &mut Account {
        self.account.as_mut().expect("a row")
    }

    /// The message carries the box, and the server knows what it can open of it.
    pub(super) fn settled(mut self) -> Self {
        self.scene.seals = true;
        let Some(sealed) = self.sealed.clone() else { return self };
        self.scene.client.sealed = Some(b64(&sealed.sent(&sealed.steps(&self.scene).octets)));
        self.scene.record = (self.fits_and_opens() && self.other_account().is_none()).then(|| {
            let mut record = sealed.record.clone();
            let account = self.account.as_ref().expect("it was opened");
            let spares = |(device, after): &(String, Option<u64>)| {
                *device == record.device && after.is_none_or(|after| after < record.full_login)
            };
            let with_all = account.until.is_some_and(|until| record.full_login <= until);
            record.revoked =
                account.devices.contains(&record.device) || (with_all && !account.spared.as_ref().is_some_and(spares));
            record
        });
        self
    }

    /// Whose the row is, and that it is the record's.
    pub(super) fn owner(&self, record: &Record) -> Option<(String, bool)> {
        let identity = self.account.as_ref()?.identity.clone().unwrap_or_else(|| record.identity.clone());
        let own = identity == record.identity;
        Some((identity, own))
    }

    /// Another account's row, which what was opened isn't of: both names.
    pub(super) fn other_account(&self) -> Option<(String, &str)> {
        let sealed = self.sealed.as_ref().filter(|_| self.fits_and_opens())?;
        let (identity, own) = self.owner(&sealed.record)?;
        (!own).then_some((identity, &sealed.record.identity))
    }

    pub(super) fn fits_and_opens(&self) -> bool {
        self.opened().is_some_and(|steps| !steps.plain.is_empty()) && binding_of(&self.scene.client.mechanism) == "EXPR"
    }

    /// The octets as the server gets them.
    pub(super) fn received(&self) -> Option<Vec<u8>> {
        let sealed = self.sealed.as_ref()?;
        Some(sealed.sent(&sealed.steps(&self.scene).octets))
    }

    /// The server's key of the id in the header.
    pub(super) fn key(&self) -> Option<&(u32, Vec<u8>)> {
        let id = self.presented()?;
        self.keys.iter().find(|(known, _)| *known == id)
    }

    /// The id in the header.
    pub(super) fn presented(&self) -> Option<u32> {
        let octets = self.received()?;
        octets.get(1..5).map(|id| u32::from_be_bytes(id.try_into().expect("four octets")))
    }

    /// What the server does to open it, where it has what that takes; the plaintext is empty where it can't be opened.
    pub(super) fn opened(&self) -> Option<Steps> {
        let (octets, key, account) = (self.received()?, self.key()?, self.account.as_ref()?);
        if octets[0] != 1 || octets.len() < HEADER {
            return None;
        }
        let scene = &self.scene;
        let names = [&*scene.client.mechanism, &scene.server.service, &scene.client.name, &scene.client.authzid];
        let mut steps = Steps::new(&key.1, &account.secret, &octets[..HEADER], names);
        steps.plain = gcm_open(&steps.key, &steps.ad, &octets[HEADER..]).unwrap_or_default();
        Some(steps)
    }

    pub(super) fn refusals(&self) -> Vec<Vec<Value>> {
        let mut all = self.scene.refusals();
        let Some(octets) = self.received() else { return all };
        if self.scene.record.is_some() {
            return all;
        }
        assert_eq!(all.pop(), Some(vec![json!("unknown")]));
        if binding_of(&self.scene.client.mechanism) != "EXPR" {
            all.push(vec![json!("seal-mechanism"), json!(self.scene.client.mechanism)]);
        }
        if octets[0] != 1 {
            all.push(vec![json!("seal-version"), json!(octets[0])]);
        }
        if self.key().is_none() {
            let id = self.presented();
            let known = self.keys.iter().map(|(id, _)| json!(id));
            all.push([json!("seal-key"), json!(id)].into_iter().chain(known).collect());
        }
        if self.account.is_none() {
            all.push(vec![json!("seal-account")]);
        }
        if self.opened().is_some_and(|steps| steps.plain.is_empty()) {
            all.push(vec![json!("seal-open")]);
        }
        if let Some((row, record)) = self.other_account() {
            all.push(vec![json!("seal-other-account"), json!(row), json!(record)]);
        }
        all
    }

    pub(super) fn outcome(&self) -> (&'static str, Option<&'static str>) {
        let refusals = self.refusals();
        match refusals.first() {
            Some(first) if first[0].as_str().is_some_and(|rule| rule.starts_with("seal-")) => ("stale", None),
            _ => self.scene.outcome(),
        }
    }

    pub(super) fn accepted(&self) -> bool {
        self.outcome().0 == "accepted"
    }

    /// What the server asks the store to make durable is there even if the store then says no.
    pub(super) fn passes(&self) -> bool {
        self.refusals().iter().all(|refusal| refusal[0] == "store" && refusal[1] != "lookup-unavailable")
    }

    pub(super) fn successor(&self) -> Option<Successor> {
        let record = self.scene.record.as_ref().filter(|_| self.passes())?;
        let server = &self.scene.server;
        let lifetime = server.lifetime?;
        let expires = (self.scene.now + lifetime).min(record.full_login + server.full_login_every);
        let ending = record.expires - self.scene.now < server.renew_within.min(lifetime / 3);
        let current = self.keys.first().filter(|_| !self.no_random);
        let login_name = &self.scene.assertion.login_name;
        let seals = current.filter(|_| !self.scene.counts() && !login_name.is_empty() && fits(login_name, record));
        let moving = seals.is_some_and(|(id, _)| self.presented().is_none_or(|under| under < *id));
        let lasts_longer = expires > record.expires;
        if !(moving || (ending && lasts_longer)) || (seals.is_none() && self.sealed.is_some()) {
            return None;
        }
        let renewed = self.scene.renewed();
        let sealed = seals.map(|key| {
            let a = &self.scene.assertion;
            let record = Record { expires, ..record.clone() };
            let plain = plain(&renewed.keys, self.scene.origin(), &a.login_name, &record);
            let names = [&*a.mechanism, &a.service, &a.server_name, &a.login_name];
            seal(key, &self.new_secret().0, &self.salt(), names, plain)
        });
        Some(Successor { expires, renewed, sealed })
    }

    pub(super) fn salt(&self) -> Vec<u8> {
        seeded("salt of a sealed successor")[..16].to_vec()
    }

    /// The account's secret, which is made where it has none; and whether it was found.
    pub(super) fn new_secret(&self) -> (Vec<u8>, bool) {
        let made = || (seeded("a new account secret")[..16].to_vec(), false);
        let own = self.scene.record.as_ref().and_then(|record| self.owner(record)).is_some_and(|(_, own)| own);
        let found = self.account.as_ref().filter(|_| own);
        found.map_or_else(made, |account| (account.secret.clone(), true))
    }

    pub(super) fn inputs(&self) -> Value {
        let mut inputs = self.scene.inputs();
        let server = inputs["server"].as_object_mut().expect("an object");
        server.remove("successor_grace");
        server.remove("tentative_lifetime");
        let successor = self.successor();
        let seals = successor.as_ref().is_some_and(|successor| successor.sealed.is_some());
        let opened = self.opened();
        let used = self.key().filter(|_| opened.is_some()).map(|(id, _)| *id);
        let keys = self.keys.iter().enumerate().map(|(at, (id, key))| {
            let matters = used == Some(*id) || (seals && at == 0);
            if matters { json!({ "id": id, "key": hex(key) }) } else { json!({ "id": id }) }
        });
        inputs["server"]["service_keys"] = json!(keys.collect::<Vec<_>>());
        if let Some(sealed) = &self.sealed {
            inputs.as_object_mut().expect("an object").remove("record");
            inputs["box"] = sealed.json();
            if let Some((at, remove, insert)) = &sealed.edit {
                inputs["edit"] = Edit { at: *at, remove: *remove, insert }.json(&sealed.steps(&self.scene).octets);
            }
        } else if self.use_of_a_stored_one() {
            inputs["server"]["successor_grace"] = json!(self.scene.server.successor_grace);
            if successor.is_some() {
                inputs["server"]["tentative_lifetime"] = json!(self.scene.server.tentative_lifetime);
            }
        }
        if let Some(account) = &self.account {
            let mut row = json!({});
            if opened.is_some() || (seals && self.new_secret().1) {
                row["secret"] = json!(hex(&account.secret));
            }
            let record = self.scene.record.as_ref().or(self.sealed.as_ref().map(|sealed| &sealed.record));
            let owner = record.filter(|_| seals || self.fits_and_opens()).and_then(|record| self.owner(record));
            if let Some((identity, _)) = owner {
                row["identity"] = json!(identity);
            }
            if self.sealed.is_some() && self.scene.record.is_some() {
                row["until"] = json!(account.until);
                row["spared"] = json!(
                    account.spared.as_ref().map(|(device, after)| { json!({ "device": device, "after": after }) })
                );
                row["devices"] = json!(account.devices);
            }
            if self.sealed.is_some() || seals {
                inputs["account"] = row;
            }
        }
        if self.no_random {
            inputs["random"] = Value::Null;
        } else if seals {
            inputs["random"] = json!({ "salt": hex(&self.salt()) });
            if let (secret, false) = self.new_secret() {
                inputs["random"]["secret"] = json!(hex(&secret));
            }
        }
        inputs
    }

    pub(super) fn use_of_a_stored_one(&self) -> bool {
        let record = self.scene.record.as_ref().filter(|_| self.sealed.is_none() && self.passes());
        record.is_some_and(|record| record.unused_until.is_some() || self.scene.counts() || self.successor().is_some())
    }

    pub(super) fn between(&self) -> Value {
        let mut out = self.scene.intermediates();
        out.as_object_mut().expect("an object").remove("renewal");
        out["refusals"] = json!(self.refusals());
        if self.scene.record.is_some() {
            out["key_ids"] = json!([self.presented(), self.keys.first().map(|(id, _)| *id)]);
        }
        if let Some(owner) = self.inputs()["account"].get("identity") {
            out["owner"] = owner.clone();
        }
        if let Some(sealed) = &self.sealed {
            let steps = sealed.steps(&self.scene);
            out["box"] = steps.json();
            out["octets"] = json!(hex(&steps.octets));
            if sealed.edit.is_some() {
                out["received"] = json!(hex(&sealed.sent(&steps.octets)));
            }
            if let Some(opened) = self.opened() {
                out["opened"] = opened.json();
                if opened.plain.is_empty() {
                    out["opened"]["plain"] = Value::Null;
                }
            }
            if let Some(record) = &self.scene.record {
                let account = self.account.as_ref().expect("it was opened");
                let since = |then: u64| record.full_login as i64 - then as i64;
                out["revocation"] = json!({
                    "until": account.until.map(since),
                    "spared": account.spared.as_ref().map(|(device, after)| json!([device, after.map(since)])),
                    "devices": account.devices,
                });
            }
        }
        if let Some(successor) = self.successor() {
            let renewed = &successor.renewed;
            out["renewal"] =
                json!({ "salt": hex(&renewed.salt), "seed": hex(&renewed.seed), "prk": hex(&renewed.keys.prk) });
            if let Some(steps) = &successor.sealed {
                out["successor_box"] = steps.json();
            }
        }
        out
    }

    pub(super) fn outputs(&self) -> Value {
        let mut out = self.scene.outputs();
        let members = out.as_object_mut().expect("an object");
        members.remove("commit");
        members.remove("successor");
        let (outcome, reason) = self.outcome();
        out["outcome"] = json!(outcome);
        if outcome == "stale" && reason.is_none() {
            out["responder"] = json!("e=not-recognised");
        }
        let Some(record) = &self.scene.record else { return out };
        let successor = self.successor();
        if self.passes() {
            let mut commit = json!({});
            if self.use_of_a_stored_one() {
                let server = &self.scene.server;
                commit = json!({
                    "counter": self.scene.client.counter.filter(|_| self.scene.counts()),
                    "confirm": record.unused_until.is_some(),
                    "predecessor_until": self.scene.now + server.successor_grace,
                });
                if successor.as_ref().is_some_and(|successor| successor.sealed.is_some()) {
                    commit["ends"] = json!(self.scene.now + server.tentative_lifetime);
                } else if let Some(successor) = &successor {
                    commit["successor"] = json!({
                        "id": hex(&successor.renewed.keys.id),
                        "expires": successor.expires,
                        "unused_until": self.scene.now + server.tentative_lifetime,
                    });
                }
            }
            if let Some(successor) = successor.as_ref().filter(|successor| successor.sealed.is_some()) {
                let (secret, found) = self.new_secret();
                (commit["secret"], commit["secret_found"]) = (json!(hex(&secret)), json!(found));
                commit["secret_until"] = json!(successor.expires);
            }
            if commit != json!({}) {
                out["commit"] = commit;
            }
        }
        if !self.accepted() {
            return out;
        }
        let announced = successor.filter(|_| self.scene.store != Some("no-room"));
        let expires = announced.as_ref().map_or(record.expires, |successor| successor.expires);
        let mut covered = format!("x={},", expires - self.scene.now);
        if let Some(successor) = &announced {
            covered += "r=1,";
            let keys = &successor.renewed.keys;
            out["successor"] = json!({
                "id": hex(&keys.id),
                "client_key": hex(&keys.client),
                "stored_key": hex(&keys.stored),
                "server_key": hex(&keys.server),
            });
            if let Some(steps) = &successor.sealed {
                covered += &format!("t={},", b64(&steps.octets));
                out["successor"]["sealed"] = json!(b64(&steps.octets));
            }
        }
        let mechanism = &self.scene.client.mechanism;
        let digest = hash(hash_of(mechanism), &self.scene.server_transcript().expect("a transcript"));
        let signature = self.scene.keys().sign(mechanism, &digest, &self.scene.proof(), &covered);
        out["responder"] = json!(format!("{covered}v={}", b64(&signature)));
        out
    }

    pub(super) fn add(&self, f: &mut File, want: &str, note: &str) {
        assert_eq!(self.outcome().0, want, "{note}: {:?}", self.refusals());
        f.case(want == "accepted", note, self.inputs(), self.between(), self.outputs());
    }
}

pub(super) fn renew(scene: &mut Scene) {
    scene.channel.renew = Some(seeded("EXPORTER-SASL-IKY-Renew"));
}
