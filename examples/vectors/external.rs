//! `external.json`: what is known of a session, and whether the server recognises the client.

use serde_json::json;

use crate::file::File;
use crate::scene::{DAY, LOGIN, NAME, Refusal};
use crate::tables::rank;

#[derive(Clone)]
struct Session {
    known: bool,
    identity: &'static str,
    login_name: &'static str,
    service: &'static str,
    server_name: &'static str,
    origin: &'static str,
    strength: &'static str,
    full_login: u64,
    expires: u64,
    shared: bool,
    revoked: bool,
    // the connection
    tls12: Option<bool>,
    forward_secret: bool,
    stateful: bool,
    trust_tickets: bool,
    resumed: bool,
    early_data: bool,
    sni: &'static str,
    manager: bool,
    complete: bool,
    // the server
    configured: bool,
    store: Option<&'static str>,
    at: &'static str,
    external_origin: &'static str,
    full_login_every: u64,
    authzid: &'static str,
    now: u64,
}

impl Session {
    const GOOD: Self = Self {
        known: true,
        identity: "alice@example.com",
        login_name: "alice",
        service: "imap",
        server_name: NAME,
        origin: "bound",
        strength: "bound",
        full_login: LOGIN,
        expires: LOGIN + 7 * DAY,
        shared: false,
        revoked: false,
        tls12: None,
        forward_secret: true,
        stateful: true,
        trust_tickets: false,
        resumed: true,
        early_data: false,
        sni: NAME,
        manager: false,
        complete: true,
        configured: true,
        store: None,
        at: "imap",
        external_origin: "disclosed",
        full_login_every: 180 * DAY,
        authzid: "",
        now: LOGIN + DAY,
    };

    fn refusals(&self) -> Vec<Refusal> {
        let mut all: Vec<Refusal> = Vec::new();
        for (rule, applies) in [
            ("handshaking", !self.complete),
            ("store-unavailable", self.store.is_some()),
            ("not-configured", !self.configured),
            ("not-resumed", !self.resumed),
            ("connection-manager", self.manager),
        ] {
            if applies {
                all.push(vec![json!(rule)]);
            }
        }
        for (why, applies) in [
            ("no-extended-master-secret", self.tls12 == Some(false)),
            ("no-forward-secrecy", !self.forward_secret),
            ("tls12-stateless-tickets", self.tls12.is_some() && !self.stateful),
        ] {
            if applies {
                all.push(vec![json!("channel"), json!(why)]);
            }
        }
        if self.early_data {
            all.push(vec![json!("early-data")]);
        }
        if !self.stateful && !self.trust_tickets {
            all.push(vec![json!("stateless-ticket")]);
        }
        if !self.known {
            all.push(vec![json!("unknown")]);
            return all;
        }
        for (rule, has, wants) in [("service", self.at, self.service), ("server-name", self.sni, self.server_name)] {
            if has != wants {
                all.push(vec![json!(rule), json!(has), json!(wants)]);
            }
        }
        for (rule, applies) in [
            ("shared", self.shared),
            ("revoked", self.revoked),
            ("weak-origin", rank(self.strength) < rank(self.external_origin)),
            ("full-login-due", self.full_login + self.full_login_every <= self.now),
            ("expired", self.expires <= self.now),
        ] {
            if applies {
                all.push(vec![json!(rule)]);
            }
        }
        if !self.authzid.is_empty() && self.authzid != self.login_name {
            all.push(vec![json!("other-identity"), json!(self.authzid), json!(self.login_name)]);
        }
        all
    }

    fn add(&self, file: &mut File, want: &str, note: &str) {
        let refusals = self.refusals();
        let outcome = match refusals.first().map(|first| first[0].as_str().expect("a rule")) {
            None => "accepted",
            Some("store-unavailable") => "unavailable",
            Some("revoked") => "revoked",
            Some("weak-origin" | "full-login-due") => "full-authentication-due",
            Some("other-identity") => "bad-proof",
            Some("channel" | "early-data" | "handshaking") => "binding-mismatch",
            Some(_) => "stale",
        };
        assert_eq!(outcome, want, "{note}");
        // It is listed before the client said anything, in a half-RTT greeting, say, and before the record is looked up again.
        let without = ["other-identity", "handshaking", "store-unavailable"];
        let listed = refusals.iter().all(|refusal| without.iter().any(|rule| refusal[0] == *rule));
        let mut channel = json!({
            "tls": if self.tls12.is_some() { "1.2" } else { "1.3" },
            "forward_secret": self.forward_secret,
            "tickets": if self.stateful { "stateful" } else { "stateless" },
            "resumed": self.resumed,
            "early_data": self.early_data,
            "through_manager": self.manager,
            "handshake_complete": self.complete,
        });
        if let Some(extended) = self.tls12 {
            channel["extended_master_secret"] = json!(extended);
        }
        let mut server = json!({ "external_configured": self.configured });
        if !self.stateful {
            server["external_on_stateless_tickets"] = json!(self.trust_tickets);
        }
        let mut inputs = json!({ "channel": channel, "authzid": self.authzid });
        if let Some(store) = self.store {
            inputs["store"] = json!(store);
        }
        let mut between = json!({ "refusals": refusals });
        let mut out = json!({ "outcome": outcome, "listed": listed });
        if self.known {
            inputs["now"] = json!(self.now);
            inputs["channel"]["sni"] = json!(self.sni);
            inputs["session"] = json!({
                "identity": self.identity,
                "login_name": self.login_name,
                "service": self.service,
                "server_name": self.server_name,
                "origin": self.origin,
                "strength": self.strength,
                "full_login": self.full_login,
                "expires": self.expires,
                "shared": self.shared,
                "revoked": self.revoked,
            });
            server["service"] = json!(self.at);
            server["external_origin"] = json!(self.external_origin);
            server["full_login_every"] = json!(self.full_login_every);
            between["who"] = json!([self.identity, self.login_name, self.origin, self.strength]);
            between["expires_in"] = json!(self.expires as i64 - self.now as i64);
            between["full_login_due_in"] = json!((self.full_login + self.full_login_every) as i64 - self.now as i64);
            between["strength_above_policy"] = json!(rank(self.strength) - rank(self.external_origin));
            if outcome == "accepted" {
                out["recognised"] = json!({
                    "identity": self.identity,
                    "login_name": self.login_name,
                    "origin": self.origin,
                    "strength": self.strength,
                    "full_login": self.full_login,
                });
            }
        } else {
            between["asks_for"] = json!(self.authzid);
        }
        inputs["server"] = server;
        file.case(outcome == "accepted", note, inputs, between, out);
    }
}

pub(crate) fn file() -> File {
    let source = "the draft's rules for EXTERNAL, written as a table; no library decided these";
    let mut file = File::new("external.json", source);
    file.group("external", "What is known of a session and its channel, and whether the server recognises the client.");
    let good = Session::GOOD;
    let f = &mut file;
    good.add(f, "accepted", "TLS resumed the session on which alice logged in");
    let with = |edit: fn(&mut Session)| {
        let mut session = Session::GOOD;
        edit(&mut session);
        session
    };
    with(|s| s.authzid = "alice").add(f, "accepted", "the authzid is the login name");
    with(|s| (s.tls12, s.now) = (Some(true), LOGIN + 2 * DAY)).add(f, "accepted", "TLS 1.2, extended master secret");
    with(|s| (s.stateful, s.trust_tickets) = (false, true)).add(f, "accepted", "the operator trusts the ticket key");
    with(|s| s.now = LOGIN + 7 * DAY - 1).add(f, "accepted", "the last second");
    with(|s| (s.origin, s.strength) = ("disclosed", "disclosed")).add(
        f,
        "accepted",
        "a password login is strong enough by default",
    );
    with(|s| s.external_origin = "bound").add(f, "accepted", "exactly as strong as asked");
    with(|s| (s.sni, s.server_name) = ("", "")).add(f, "accepted", "a client without SNI, both times");
    with(|s| s.full_login_every = DAY + 1).add(f, "accepted", "a second before the full login is due");

    let table: Vec<(fn(&mut Session), &str, &str)> = vec![
        (
            |s| s.resumed = false,
            "stale",
            "a ticket was offered and TLS made a full handshake: anybody can offer a stolen ticket",
        ),
        (
            |s| s.manager = true,
            "stale",
            "a connection manager carries many users on one session: one would be logged in as another",
        ),
        (
            |s| s.tls12 = Some(false),
            "binding-mismatch",
            "triple handshake: a man in the middle shares the session (A2)",
        ),
        (
            |s| (s.tls12, s.stateful, s.trust_tickets) = (Some(true), false, true),
            "binding-mismatch",
            "the ticket carries the master secret: whoever has the ticket key resumes the session (A5)",
        ),
        (|s| s.forward_secret = false, "binding-mismatch", "psk_ke: whoever has the PSK has the connection"),
        (|s| s.early_data = true, "binding-mismatch", "early data is replayed by anybody who saw it (A10)"),
        (|s| s.stateful = false, "stale", "a stolen ticket key would be a login, and the operator did not choose that"),
        (|s| s.known = false, "stale", "nobody authenticated on that session: it would log in a stranger"),
        (
            |s| (s.known, s.authzid) = (false, "alice"),
            "stale",
            "an authzid is a wish: without a session it would be all it takes",
        ),
        (|s| s.at = "smtp", "stale", "the session was made with imap: a user who may read mail could send it"),
        (|s| s.service = "xmpp", "stale", "the session was made with xmpp, where another policy holds"),
        (
            |s| s.sni = "other.example.com",
            "stale",
            "another tenant's name on the same TLS stack: its users are other people",
        ),
        (|s| s.sni = "", "stale", "no name where there was one: the default tenant's users are other people"),
        (|s| s.server_name = "other.example.com", "stale", "the session belongs to another tenant"),
        (|s| s.server_name = "", "stale", "the session belongs to the default tenant"),
        (
            |s| s.shared = true,
            "stale",
            "two identities authenticated on the session: one would be logged in as the other",
        ),
        (|s| s.revoked = true, "revoked", "a stolen telephone would stay logged in after its owner logged it out"),
        (
            |s| s.now = LOGIN + 7 * DAY,
            "stale",
            "the second in which it ends: sessions would outlive what the operator set",
        ),
        (|s| s.now = LOGIN + 30 * DAY, "stale", "long after its end: a ticket found later would be a login"),
        (
            |s| (s.origin, s.strength) = ("unbound", "unbound"),
            "full-authentication-due",
            "a relayed login would become a lasting session (A4)",
        ),
        (
            |s| (s.origin, s.strength, s.external_origin) = ("disclosed", "disclosed", "bound"),
            "full-authentication-due",
            "bound is asked: the policy would be no bound at all",
        ),
        (
            |s| (s.origin, s.strength) = ("keyed", "unbound"),
            "full-authentication-due",
            "keys are tied to the client, and the session may be that of a man in the middle",
        ),
        (
            |s| s.complete = false,
            "binding-mismatch",
            "an authzid that arrived before the client's Finished: the greeting may say so early, a login may not be taken so early",
        ),
        (
            |s| s.configured = false,
            "stale",
            "EXTERNAL stands for a client certificate there: who resumes has shown none",
        ),
        (
            |s| s.store = Some("unavailable"),
            "unavailable",
            "revocation is asked of the store again: without its answer there may have been one",
        ),
        (
            |s| s.full_login_every = DAY,
            "full-authentication-due",
            "the very second in which a full login is due: nobody would ever be asked again",
        ),
        (
            |s| s.full_login_every = 3600,
            "full-authentication-due",
            "long due: a policy that was tightened would have no effect",
        ),
        (|s| s.authzid = "bob", "bad-proof", "alice would act as bob by saying so"),
        (|s| s.authzid = "Alice", "bad-proof", "names are compared as octets: on some systems Alice is somebody else"),
        (|s| s.authzid = "alice ", "bad-proof", "a space is part of the name: trimming it maps two names to one"),
        (
            |s| s.authzid = "alice@example.com",
            "bad-proof",
            "the account's name is not what the client logged in under: what it may be called is the full login's to say",
        ),
        (
            |s| (s.shared, s.revoked, s.authzid) = (true, true, "bob"),
            "stale",
            "several refusals: the first one decides, and tells nothing of the others",
        ),
        (
            |s| (s.resumed, s.manager, s.early_data) = (false, true, true),
            "stale",
            "nothing about it is right, and the answer is the same as for a full handshake",
        ),
    ];
    for (edit, want, note) in table {
        let mut session = Session::GOOD;
        edit(&mut session);
        session.add(f, want, note);
    }
    file
}
