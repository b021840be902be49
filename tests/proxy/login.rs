//! Logins over forwarded facts, and what is not forwarded.

use super::*;
use fast_reauth::assertion::{DeviceId, LineageRule, Pin, Policy};
use fast_reauth::channel::{EndPoint, Exporter as _, Tickets, Unsuitable};
use fast_reauth::mechanism::{Connection, Login, Outcome, Verdict};
use fast_reauth::store::client::{Plan, Predecessor, Settled};
use fast_reauth::store::{Committed, Store as _};

const EXPR: &str = "IKY-SHA-256-EXPR";

/// A server behind a front end, and a client before it.
struct Scene(Pair);

impl Scene {
    fn new() -> Self {
        Self(Pair::new(server()))
    }

    fn connection(&self, facts: &ForwardedFacts) -> Connection<'_> {
        let connection = Connection::new(&self.0.server, facts.channel());
        let found = connection.lookup().and_then(|lookup| self.0.store.lookup(&lookup, self.0.now).unwrap().lineage);
        connection.resumes(found)
    }

    fn full(&self, tls: &Tls13, facts: &ForwardedFacts) {
        let (full, mut connection) = (bound("alice"), self.connection(facts));
        let offered = connection.mechanisms(self.0.now);
        let login = Login { full: &full, identity: "alice", device: DeviceId::new(fresh()), now: self.0.now };
        let logged_in = connection.logged_in(login, facts);
        assert_eq!(logged_in.unknown, None);
        assert_eq!(self.0.store.commit(&logged_in.commit, self.0.now), Ok(Committed::Done));
        let mut client = self.0.client.connect(&account("alice"), tls.client()).offered(offered);
        client.logged_in(&full, &tls.exporter(), &[], self.0.now).unwrap();
    }

    fn again(&self, tls: &Tls13, facts: &ForwardedFacts, before: Option<&Tls13>, name: &str) -> (Verdict, Settled) {
        let family = self.0.family("alice");
        let before = before.map(|before| Predecessor { lineage: before.lineage(), family });
        let mut client = self.0.client.connect(&account("alice"), tls.client()).resumes(before).offered([name]);
        let Plan::Known(attempt) = client.plan(self.0.now) else { panic!("the client has a way to be recognised") };
        assert_eq!(attempt.mechanism(), name);
        let mut connection = self.connection(facts);
        let verdict = self.0.judge_on(&connection, attempt.mechanism(), attempt.message());
        if let Some(link) = verdict.recognised.as_ref().and_then(|who| connection.recognised(who, self.0.now)) {
            assert_eq!(self.0.store.commit(&link, self.0.now), Ok(Committed::Done));
        }
        let settled = client.settle(attempt, verdict.outcome, verdict.message.as_deref(), self.0.now);
        (verdict, settled)
    }
}

#[test]
fn everything_forwarded_is_as_if_tls_ended_at_the_server() {
    let scene = Scene::new();
    let first = Tls13::full();
    // Sessions in the front end itself, as it says with a flag.
    let facts = |tls: &Tls13| {
        let facts = tls.client().tickets(Tickets::Stateful).handle(tls.handle);
        let facts = if let Some(before) = tls.before { facts.predecessor(before) } else { facts };
        read(&with_value(&tlv(&facts, Some(&tls.exporter())))).unwrap()
    };
    scene.full(&first, &facts(&first));
    let fresh = Tls13::full();
    assert!(accepted(&scene.again(&fresh, &facts(&fresh), None, EXPR)));
    let second = Tls13::resuming(&first);
    assert!(scene.connection(&facts(&second)).mechanisms(scene.0.now).contains(&"EXTERNAL"));
    assert!(accepted(&scene.again(&second, &facts(&second), Some(&first), "EXTERNAL")));
    let third = Tls13::resuming(&second);
    assert!(accepted(&scene.again(&third, &facts(&third), Some(&second), EXPR)));
}

#[test]
fn a_front_end_without_handles_gives_no_lineage() {
    let scene = Scene::new();
    let first = Tls13::full();
    scene.full(&first, &read(&with_text(&first.text())).unwrap());
    let fresh = Tls13::full();
    assert!(accepted(&scene.again(&fresh, &read(&with_text(&fresh.text())).unwrap(), None, EXPR)));

    let second = Tls13::resuming(&first);
    let facts = read(&with_text(&second.text())).unwrap();
    assert!(facts.channel().is_resumed() && facts.channel().resumed_handle().is_none());
    assert!(!scene.connection(&facts).mechanisms(scene.0.now).contains(&"EXTERNAL"));
    let (verdict, _) = scene.again(&second, &facts, Some(&first), "EXTERNAL");
    assert!(verdict.outcome != Outcome::Accepted && verdict.recognised.is_none());
    let (verdict, settled) = scene.again(&second, &facts, Some(&first), EXPR);
    assert_eq!(verdict.outcome, Outcome::BadProof);
    assert!(matches!(settled, Settled::Failed(_)));
    // The assertion is good all the same, where the client claims no lineage.
    assert!(accepted(&scene.again(&second, &facts, None, EXPR)));
}

#[test]
fn who_said_that_it_was_resumed_decides_whether_the_proof_fits() {
    let scene = Scene::new();
    let first = Tls13::full();
    scene.full(&first, &read(&first.forwarded()).unwrap());
    let second = Tls13::resuming(&first);
    // The exporter of this connection, and the wrong flag: T has it, so the ends disagree.
    let lying = second.text().replace("r=1", "r=0");
    assert_eq!(scene.again(&second, &read(&with_text(&lying)).unwrap(), None, EXPR).0.outcome, Outcome::BadProof);
    // Another connection's exporter.
    let other = Tls13 { secret: fresh(), ..Tls13::resuming(&first) };
    assert_eq!(
        scene.again(&second, &read(&with_text(&other.text())).unwrap(), None, EXPR).0.outcome,
        Outcome::BadProof
    );
}

#[test]
fn values_prove_but_do_not_derive() {
    let scene = Scene::new();
    let first = Tls13::full();
    let values = |tls: &Tls13| read(&with_value(&tlv(&tls.client(), None))).unwrap();
    let (full, facts) = (bound("alice"), values(&first));
    let mut connection = scene.connection(&facts);
    let login = Login { full: &full, identity: "alice", device: DeviceId::new(fresh()), now: scene.0.now };
    assert!(connection.logged_in(login, &facts).unknown.is_some());
    scene.full(&first, &read(&first.forwarded()).unwrap());
    let again = Tls13::full();
    assert!(accepted(&scene.again(&again, &values(&again), None, EXPR)));
    assert!(facts.export(b"EXPORTER-Channel-Binding", b"x", &mut [0; 32]).is_err());
    assert!(facts.export(b"EXPORTER-Channel-Binding", b"", &mut [0; 31]).is_err());
}

#[test]
fn a_binding_without_the_other_values_is_not_forwarded() {
    let name = ServerName::parse(NAME).unwrap();
    let facts = ChannelFacts::tls13().server_name(name).tls_exporter_alone(&[7; 32]).unwrap();
    let read_there = read(&with_value(&tlv(&facts, None))).unwrap();
    assert_eq!(read_there.channel().tls_exporter(), None);
    // The secret has all of them.
    let tls = Tls13::full();
    let read_there = read(&with_value(&tlv(&facts, Some(&tls.exporter())))).unwrap();
    assert_eq!(read_there.channel().tls_exporter(), tls.client().tls_exporter());
}

#[test]
fn what_is_not_forwarded_stays_unknown() {
    let plain = |peers: &TrustedPeers| read_by(peers, &header([ssl("TLSv1.3", None)])).unwrap().channel();
    let facts = plain(&peers());
    assert!(!facts.is_resumed() && !facts.is_early_data() && !facts.name_was_seen());
    assert_eq!(facts.exporter_is_private(), Err(Unsuitable::NoExporter));
    assert!(facts.own_handle().is_none() && facts.tls_server_end_point().is_none());
    // Nobody says that there is no early data.
    let silent = TrustedPeers::new([FRONT_END.parse().unwrap()]);
    assert!(plain(&silent).is_early_data());
    assert!(read_by(&silent, &with_text(&Tls13::full().text())).unwrap().channel().is_early_data());
    assert!(!read_by(&silent, &Tls13::full().forwarded()).unwrap().channel().is_early_data());
    assert!(read(&with_text(&Tls13::full().text().replace("e=0", "e=1"))).unwrap().channel().is_early_data());

    let name = ServerName::parse("other.example").unwrap();
    let end_point = EndPoint::from_octets(&[7; 32]).unwrap();
    let known = peers().assuming_server_name(name.clone()).certificate(end_point);
    assert_eq!(plain(&known).name(), &name);
    assert!(!plain(&known).name_was_seen());
    assert_eq!(plain(&known).tls_server_end_point(), Some(&[7; 32][..]));
    // What the client sent comes first, also where it sent none.
    let facts = read_by(&known, &with_text(&Tls13::full().text())).unwrap().channel();
    assert!(facts.name_was_seen() && facts.name().as_str() == NAME);
    let none = header([ssl("TLSv1.3", None), Tlv::UniqueId(b"iky1:r=0,e=0,n=0,s="[..].into())]);
    let facts = read_by(&known, &none).unwrap().channel();
    assert!(facts.name_was_seen() && facts.name().as_str().is_empty() && facts.tls_exporter().is_none());
    // HAProxy 2.9 can put the text into our TLV.
    let tls = Tls13::full();
    let facts = read(&with_value(tls.text().as_bytes())).unwrap().channel();
    assert_eq!(facts.tls_exporter(), tls.client().tls_exporter());
    // A unique id is there for other purposes too.
    let other = header([ssl("TLSv1.3", None), Tlv::UniqueId(b"C0A80001:1F90"[..].into())]);
    assert!(read(&other).unwrap().channel().tls_exporter().is_none());
}

#[test]
fn without_an_exporter_the_certificate_or_nothing() {
    let server = server_with(&[Pin::SHA_256_EXPR, Pin::SHA_256_ENDP, Pin::SHA_256_NONE]);
    let listed = |peers: &TrustedPeers| {
        let facts = read_by(peers, &header([ssl("TLSv1.3", None), Tlv::Authority(NAME.into())])).unwrap();
        let names = Connection::new(&server, facts.channel()).mechanisms(START);
        names.into_iter().filter(|name| name.starts_with("IKY")).collect::<Vec<_>>()
    };
    assert_eq!(listed(&peers()), ["IKY-SHA-256-NONE"]);
    let known = peers().certificate(EndPoint::from_octets(&[7; 32]).unwrap());
    assert_eq!(listed(&known), ["IKY-SHA-256-ENDP", "IKY-SHA-256-NONE"]);
}

#[test]
fn tls_1_2_needs_everything_said() {
    let header = |value: &[u8]| {
        read(&header([ssl("TLSv1.2", None), Tlv::Authority(NAME.into()), Tlv::Custom(0xE9, value.to_vec().into())]))
    };
    let tls = Tls::full();
    let facts = |ems: bool, tickets| {
        let facts = ChannelFacts::tls12(ems).server_name(ServerName::parse(NAME).unwrap()).tickets(tickets);
        facts.exporter(&tls.exporter()).unwrap()
    };
    let good = facts(true, Tickets::Stateful);
    let read = header(&tlv(&good, None)).unwrap().channel();
    assert_eq!((read.exporter_is_private(), read.tls_exporter()), (Ok(()), good.tls_exporter()));
    for (facts, why) in [
        (facts(false, Tickets::Stateful), Unsuitable::NoExtendedMasterSecret),
        (facts(true, Tickets::Stateless), Unsuitable::Tls12StatelessTickets),
        (facts(true, Tickets::Stateful).without_forward_secrecy(), Unsuitable::NoForwardSecrecy),
    ] {
        assert_eq!(header(&tlv(&facts, None)).unwrap().channel().exporter_is_private(), Err(why));
    }
    // TLS 1.2 has no exporter secret, and HAProxy can't say whether there was an extended master secret.
    let secret = ExporterSecret::new(&[1; 32]).unwrap();
    assert_eq!(header(&tlv(&Tls13::full().client(), Some(&secret))).err(), Some(HeaderError::Contradiction));
    let facts = header(b"iky1:r=1,e=0,n=1,s=").unwrap().channel();
    assert!(facts.is_resumed() && facts.keys_are_private().is_err());
}

#[test]
fn a_rule_of_lineage_is_for_front_ends_that_give_handles() {
    let mut policy = Policy::default();
    policy.lineage = LineageRule::Always;
    let scene = Scene(Pair::new(server().policy(policy)));
    let first = Tls13::full();
    scene.full(&first, &read(&first.forwarded()).unwrap());
    let fresh = Tls13::full();
    let (verdict, _) = scene.again(&fresh, &read(&fresh.forwarded()).unwrap(), None, EXPR);
    assert_eq!(verdict.outcome, Outcome::FullAuthenticationDue);
    assert!(accepted(&scene.again(&fresh, &read(&with_text(&fresh.text())).unwrap(), None, EXPR)));
}
