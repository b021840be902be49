//! Tokens as octets of XMPP, from the first login to the last: what both ends of a stack do.

use super::common::DAY;
use super::*;
use fast_reauth::assertion::Scope;
use fast_reauth::profile::xmpp::{
    Authenticate, Bind, Bound, ClientElement, ConfigVersion, Event, Failure, Fast, FastFeature, Features, IssuedToken,
    ServerElement, StreamHeader, Success, UserAgent, Version,
};
use fast_reauth::profile::{MechanismName, Offer};
use fast_reauth::store::client::{Account, Accounts, Connection as Client, Plan, Settled};

/// What a server advertises on this connection.
fn features(fleet: &Fleet, tls: &Tls, version: &str) -> Vec<u8> {
    let connection = fleet.connection(tls);
    let names = |names: Vec<&str>| Offer::of(names).unwrap();
    let listed = connection.fast_mechanisms().into_iter().map(HtMechanism::name).collect();
    let features = Features {
        sasl2: names(connection.mechanisms(fleet.now)),
        bind: true,
        fast: Some(FastFeature { offer: names(listed), tls_0rtt: false }),
        config_version: Some(ConfigVersion { scheme: None, value: version.to_owned() }),
        ..Features::default()
    };
    features.to_octets().unwrap()
}

fn hear(client: &mut Client<'_>, features: &[u8]) -> Option<ConfigVersion> {
    let features = Features::parse(features).unwrap();
    let names = |offer: &Offer| offer.mechanisms().iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>();
    client.saw_offer(names(&features.sasl2).iter().map(String::as_str));
    client.saw_fast(
        features.fast.iter().flat_map(|fast| names(&fast.offer)).collect::<Vec<_>>().iter().map(String::as_str),
    );
    features.config_version
}

/// The server's answer to header and `<authenticate/>`.
fn answer(fleet: &Fleet, tls: &Tls, header: &StreamHeader, octets: &[u8], version: &str) -> Vec<u8> {
    let ClientElement::Authenticate(login) = ClientElement::parse(octets).unwrap() else { panic!("a login") };
    if login.config_version.as_ref().is_some_and(|sent| sent.value != version) {
        return Failure::config_version_mismatch().to_octets(Version::Sasl2).unwrap();
    }
    let connection = fleet.connection(tls);
    let request = login.ht_request(header, fresh()).unwrap();
    let verdict = connection.ht(request).run(&fleet.store, fleet.now);
    let Some(client) = verdict.recognised else {
        return Failure::new(verdict.outcome, verdict.message.as_deref()).to_octets(Version::Sasl2).unwrap();
    };
    let success = Success {
        data: verdict.message.map(Into::into),
        authorization_identifier: Some(format!("{}@{NAME}", client.identity())),
        bound: login.bind.map(|_| Bound::empty()),
        token: verdict.token.as_ref().map(|issued| IssuedToken::try_from(issued).unwrap()),
        ..Success::default()
    };
    success.to_octets(Version::Sasl2).unwrap()
}

#[test]
fn a_phone_all_day() {
    let mut fleet = Fleet::new();
    let accounts = Accounts::default();
    let account = Account::new(Scope::new(Service::XMPP, ServerName::parse(NAME).unwrap()), "alice");
    let agent = UserAgent { id: Some(PHONE.to_owned()), software: None, device: None };
    let header = StreamHeader { from: Some(format!("alice@{NAME}")), to: Some(NAME.to_owned()), id: None };

    // The first time it waits for the features, logs in fully, and asks for a token.
    let tls = Tls::full();
    let mut client = accounts.connect(&account, tls.client());
    let mut version = hear(&mut client, &features(&fleet, &tls, "v1"));
    assert!(matches!(client.plan(fleet.now), Plan::FullLogin));
    let (wanted, spelling) = client.wanted_token().unwrap();
    let mut login = Authenticate::new(MechanismName::parse("SCRAM-SHA-256-PLUS").unwrap(), b"n,,");
    login.token_request = Some(MechanismName::parse(spelling).unwrap());
    login.user_agent = Some(agent.clone());
    let ClientElement::Authenticate(login) = ClientElement::parse(&login.to_octets().unwrap()).unwrap() else {
        panic!("a login")
    };
    let request = login.token_request("alice", fresh()).unwrap().expect("it asks for one");
    let full = bound("alice");
    let at_server = Login { full: &full, identity: "alice", device: DeviceId::new(fresh()), now: fleet.now };
    let (logged_in, issued) = fleet.connection(&tls).logged_in_with_token(at_server, &tls.exporter(), &request);
    assert_eq!(fleet.store.commit(&logged_in.commit, fleet.now), Ok(Committed::Done));
    let token = Some(IssuedToken::try_from(&issued.unwrap()).unwrap());
    let octets = Success { token, ..Success::default() }.to_octets(Version::Sasl2).unwrap();
    let ServerElement::Success(success) = ServerElement::parse(&octets).unwrap() else { panic!("a success") };
    let token = success.token.unwrap();
    client.token_issued(&full, wanted, token.expose(), token.expiry(), fleet.now).unwrap();

    // From then on header, login and bind are one flight, and the first reply is the last one.
    let mut changed = 0;
    for day in 0..100 {
        fleet.now = later(day * DAY);
        let current = if day < 50 { "v1" } else { "v2" };
        let tls = Tls::full();
        let mut client = accounts.connect(&account, tls.client());
        loop {
            let Plan::Known(attempt) = client.plan(fleet.now) else { panic!("day {day}: a token to use") };
            let name = MechanismName::parse(attempt.mechanism()).unwrap();
            let mut login = Authenticate::new(name, attempt.message());
            login.fast = Fast::of(&attempt);
            login.user_agent = Some(agent.clone());
            login.bind = Some(Bind::default());
            login.config_version.clone_from(&version);
            let (_flight, mut exchange) = login.start(Some(&header)).unwrap();
            let octets = answer(&fleet, &tls, &header, &login.to_octets().unwrap(), current);
            match exchange.receive(&octets).unwrap() {
                Event::Success(success) => {
                    assert!(success.bound.is_some());
                    let settled = client.settle(attempt, Outcome::Accepted, success.data.as_deref(), fleet.now);
                    assert_eq!(settled, Settled::LoggedIn);
                    if let Some(token) = &success.token {
                        client.token_rotated(token.expose(), token.expiry(), fleet.now).unwrap();
                    }
                    break;
                }
                // Without prejudice: the same again, by what the server offers now (XEP-0509).
                Event::Failure(failure) if failure.is_config_version_mismatch() => {
                    client.set_aside(attempt);
                    version = hear(&mut client, &features(&fleet, &tls, current));
                    changed += 1;
                }
                other => panic!("day {day}: {other:?}"),
            }
        }
    }
    assert_eq!(changed, 1);
    assert!(!accounts.tokens(&account).is_empty());
}

#[test]
fn a_refusal_as_octets() {
    let fleet = Fleet::new();
    let header = StreamHeader { from: Some(format!("alice@{NAME}")), ..StreamHeader::default() };
    let refused = |message: &[u8]| {
        let mut login = Authenticate::new(MechanismName::parse("HT2-SHA-256-NONE").unwrap(), message);
        login.fast = Some(Fast::default());
        login.user_agent = Some(UserAgent { id: Some(PHONE.to_owned()), software: None, device: None });
        answer(&fleet, &Tls::full(), &header, &login.to_octets().unwrap(), "v1")
    };
    let unknown = refused(&[b"alice\0\0", &[7; 32][..]].concat());
    let text = String::from_utf8(unknown).unwrap();
    assert!(text.contains("<not-authorized") && !text.contains("iky"), "SASL2 has no room for HT2's reason: {text}");
    assert!(String::from_utf8(refused(b"alice")).unwrap().contains("<malformed-request"));
}

#[test]
fn what_asks_for_a_token_says_who_and_for_what() {
    let header = StreamHeader { from: Some("alice@example.com".to_owned()), ..StreamHeader::default() };
    let mut login = Authenticate::new(MechanismName::parse("HT-SHA-256-NONE").unwrap(), b"alice\0");
    login.user_agent = Some(UserAgent { id: Some(PHONE.to_owned()), software: None, device: None });
    assert!(login.ht_request(&header, [0; 32]).is_err(), "without <fast/>");
    login.fast = Some(Fast::default());
    assert!(login.ht_request(&header, [0; 32]).is_ok());
    assert!(login.token_request("alice", [0; 32]).unwrap().is_none(), "it asks for none");
    login.token_request = Some(MechanismName::parse("SCRAM-SHA-256").unwrap());
    assert!(login.ht_request(&header, [0; 32]).is_err() && login.token_request("alice", [0; 32]).is_err());
    login.token_request = Some(MechanismName::parse("HT-SHA-3-512-EXPR").unwrap());
    assert!(login.ht_request(&header, [0; 32]).is_ok());
    let asked = login.token_request("alice", [0; 32]).unwrap().unwrap();
    assert_eq!(asked.mechanism, mechanism("HT-SHA3-512-EXPR"));
    login.user_agent = None;
    assert!(login.token_request("alice", [0; 32]).is_err(), "a token is for an installation");
    login.request.mechanism = MechanismName::parse("PLAIN").unwrap();
    assert!(login.ht_request(&header, [0; 32]).is_err());
}

#[test]
fn a_full_login_is_read_element_by_element() {
    let challenge = fast_reauth::profile::xmpp::challenge(Version::Sasl2, b"r=1").unwrap();
    let ServerElement::Challenge(heard) = ServerElement::parse(&challenge).unwrap() else { panic!("a challenge") };
    assert_eq!((heard.version, &heard.message[..]), (Version::Sasl2, &b"r=1"[..]));
    let ClientElement::Response(answered) = ClientElement::parse(&heard.to_octets().unwrap()).unwrap() else {
        panic!("a response")
    };
    assert_eq!(answered, heard);
    let element = |xml: &str| ServerElement::parse(xml.as_bytes());
    assert_eq!(element("<continue xmlns='urn:xmpp:sasl:2'/>"), Ok(ServerElement::Continue));
    assert_eq!(element("<message/>"), Ok(ServerElement::Other));
    assert!(matches!(element("<failure xmlns='urn:xmpp:sasl:2'/>"), Ok(ServerElement::Failure(_))));
    assert!(element("<challenge xmlns='urn:xmpp:sasl:2'>?</challenge>").is_err());
}
