//! XMPP: FAST (XEP-0484), the pipelining of XEP-0509, and stream management (XEP-0198) with the login. What others
//! write is read, and what follows no XEP is refused.
#![cfg(feature = "xmpp")]

use fast_reauth::Timestamp;
use fast_reauth::mechanism::Outcome;
use fast_reauth::profile::xmpp::{
    Authenticate, Bind, Bound, ClientElement, ConfigVersion, EnableStreamManagement, EnabledStreamManagement, Event,
    Failure, Fast, FastFeature, Features, IssuedToken, Resume, StreamHeader, Success, UserAgent, Version, auth,
};
use fast_reauth::profile::{Answer, MechanismName, Offer, ProfileError};

const ID: &str = "d4565fa7-4d72-4749-b3d3-740edbf87770";

fn ht() -> MechanismName {
    MechanismName::parse("HT-SHA-256-EXPR").unwrap()
}

fn text(octets: Vec<u8>) -> String {
    String::from_utf8(octets).unwrap()
}

fn agent(id: &str) -> UserAgent {
    UserAgent { id: Some(id.into()), software: None, device: None }
}

fn header(from: Option<&str>) -> StreamHeader {
    StreamHeader { to: Some("example.com".into()), from: from.map(str::to_owned), id: None }
}

fn version(scheme: Option<&str>, value: &str) -> ConfigVersion {
    ConfigVersion { scheme: scheme.map(str::to_owned), value: value.to_owned() }
}

/// A login, with these children and attributes beside its message.
fn login(inside: &str) -> Result<Authenticate, ProfileError> {
    let octets = format!(
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='HT-SHA-256-EXPR'>\
         <initial-response>YQ==</initial-response>{inside}</authenticate>"
    );
    match ClientElement::parse(octets.as_bytes())? {
        ClientElement::Authenticate(authenticate) => Ok(*authenticate),
        other => panic!("{other:?}"),
    }
}

fn receive(octets: &[u8]) -> Result<Event, ProfileError> {
    Authenticate::new(ht(), b"a").start(None).unwrap().1.receive(octets)
}

/// A success, with these children.
fn success(inside: &str) -> Result<Success, ProfileError> {
    match receive(format!("<success xmlns='urn:xmpp:sasl:2'>{inside}</success>").as_bytes())? {
        Event::Success(success) => Ok(*success),
        other => panic!("{other:?}"),
    }
}

fn features(inside: &str) -> Result<Features, ProfileError> {
    Features::parse(format!("<stream:features>{inside}</stream:features>").as_bytes())
}

fn inline(inside: &str) -> Result<Features, ProfileError> {
    features(&format!("<authentication xmlns='urn:xmpp:sasl:2'><inline>{inside}</inline></authentication>"))
}

#[track_caller]
fn malformed<T: core::fmt::Debug>(result: Result<T, ProfileError>) {
    assert!(matches!(result, Err(ProfileError::Malformed(_))), "{result:?}");
}

#[track_caller]
fn misuse<T: core::fmt::Debug>(result: Result<T, ProfileError>) {
    assert!(matches!(result, Err(ProfileError::OutOfTurn(_))), "{result:?}");
}

// ---------------------------------------------------------------------------------------------------------- one flight

/// What the module's documentation shows.
#[test]
fn a_login_with_a_token_is_one_flight() {
    let login = Authenticate {
        user_agent: Some(UserAgent { software: Some("AwesomeXMPP".into()), ..agent(ID) }),
        bind: Some(Bind {
            tag: Some("AwesomeXMPP".into()),
            stream_management: Some(EnableStreamManagement { resume: true, max: None }),
            ..Bind::default()
        }),
        fast: Some(Fast { count: Some(123), invalidate: false }),
        config_version: Some(version(Some("opaque"), "VGhpcyBpcyBvcGFxdWUh")),
        ..Authenticate::new(ht(), b"juliet\0proof")
    };
    let (flight, mut exchange) = login.start(Some(&header(Some("juliet@example.com")))).unwrap();
    assert_eq!(
        core::str::from_utf8(&flight.bytes).unwrap(),
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' \
         version='1.0' from='juliet@example.com' to='example.com'>\
         <authenticate xmlns='urn:xmpp:sasl:2' mechanism='HT-SHA-256-EXPR'>\
         <initial-response>anVsaWV0AHByb29m</initial-response>\
         <user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'><software>AwesomeXMPP</software></user-agent>\
         <bind xmlns='urn:xmpp:bind:0'><tag>AwesomeXMPP</tag><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>\
         <fast xmlns='urn:xmpp:fast:0' count='123'/>\
         <config-version xmlns='urn:xmpp:iap:0' scheme='opaque' value='VGhpcyBpcyBvcGFxdWUh'/></authenticate>"
    );
    let answer = Success {
        authorization_identifier: Some("juliet@example.com/AwesomeXMPP/4232f4d4".into()),
        bound: Some(
            Bound::with_stream_management(&EnabledStreamManagement {
                id: Some("some-id".into()),
                resume: true,
                ..EnabledStreamManagement::default()
            })
            .unwrap(),
        ),
        token: Some(IssuedToken::new("R3Vy", Timestamp::from_secs(1_585_665_375)).unwrap()),
        ..Success::default()
    };
    let octets = answer.to_octets(Version::Sasl2).unwrap();
    assert_eq!(
        text(octets.clone()),
        "<success xmlns='urn:xmpp:sasl:2'>\
         <authorization-identifier>juliet@example.com/AwesomeXMPP/4232f4d4</authorization-identifier>\
         <bound xmlns='urn:xmpp:bind:0'><enabled xmlns='urn:xmpp:sm:3' id='some-id' resume='true'/></bound>\
         <token xmlns='urn:xmpp:fast:0' expiry='2020-03-31T14:36:15Z' token='R3Vy'/></success>"
    );
    let Event::Success(read) = exchange.receive(&octets).unwrap() else { panic!() };
    assert_eq!(*read, answer);
    assert_eq!(read.bound.unwrap().resumable_as(), Some("some-id"));
}

#[test]
fn examples_of_the_xeps_are_read() {
    // XEP-0484 example 1 and XEP-0386 example 1
    let read = features(
        "<authentication xmlns='urn:xmpp:sasl:2'><mechanism>SCRAM-SHA-1</mechanism><inline>\
         <fast xmlns='urn:xmpp:fast:0' tls-0rtt='true'><mechanism>HT-SHA-256-ENDP</mechanism>\
         <mechanism>HT-SHA-256-EXPR</mechanism></fast>\
         <bind xmlns='urn:xmpp:bind:0'><inline><feature var=\"urn:xmpp:carbons:2\" /><feature var=\"urn:xmpp:sm:3\" />\
         </inline></bind><sm xmlns='urn:xmpp:sm:3'/></inline></authentication>\
         <config-version xmlns='urn:xmpp:iap:0' schema='opaque' value='V2VsbCwgb2YgY291cnNl'/>",
    )
    .unwrap();
    let offer = Offer::of(["HT-SHA-256-ENDP", "HT-SHA-256-EXPR"]).unwrap();
    assert_eq!(read.fast, Some(FastFeature { offer, tls_0rtt: true }));
    assert_eq!(read.bind_inline, ["urn:xmpp:carbons:2", "urn:xmpp:sm:3"]);
    assert!(read.bind && read.resume && !read.grants);
    assert_eq!(read.config_version, Some(version(Some("opaque"), "V2VsbCwgb2YgY291cnNl")));

    // XEP-0484 example 5: the identifier under its other name
    let read = success(
        "<authorization-identity>user@example.com/AwesomeXMPP.4232f4d4</authorization-identity>\
         <bound xmlns='urn:xmpp:bind:0'><metadata xmlns='urn:xmpp:mam:2'/></bound>\
         <token xmlns='urn:xmpp:fast:0'\n expiry='2020-03-12T14:36:15Z'\n token='WXZzciBwYmFmdmZnZiBqdmd1IGp2eXFhcmZm' />",
    )
    .unwrap();
    assert_eq!(read.authorization_identifier.as_deref(), Some("user@example.com/AwesomeXMPP.4232f4d4"));
    let token = read.token.unwrap();
    assert_eq!((token.expose(), token.expiry().as_secs()), ("WXZzciBwYmFmdmZnZiBqdmd1IGp2eXFhcmZm", 1_584_023_775));
    let both = success(
        "<authorization-identity>a</authorization-identity><authorization-identifier>b</authorization-identifier>",
    );
    assert_eq!(both.unwrap().authorization_identifier.as_deref(), Some("b"));
    let ours = Success { authorization_identifier: Some("a@b".into()), ..Success::default() };
    assert!(!text(ours.to_octets(Version::Sasl2).unwrap()).contains("identity"));
}

// ---------------------------------------------------------------------------------------------------------------- FAST

#[test]
fn fast_without_a_count_is_read_and_written() {
    assert_eq!(login("<fast xmlns='urn:xmpp:fast:0'/>").unwrap().fast, Some(Fast::default()));
    assert_eq!(login("").unwrap().fast, None);
    let plain = Authenticate { fast: Some(Fast::default()), ..Authenticate::new(ht(), b"a") };
    assert!(text(plain.to_octets().unwrap()).contains("<fast xmlns='urn:xmpp:fast:0'/>"));
}

#[test]
fn a_count_is_a_positive_number() {
    let count = |count: &str| {
        login(&format!("<fast xmlns='urn:xmpp:fast:0' count='{count}'/>")).map(|login| login.fast.unwrap().count)
    };
    for (text, number) in [("1", 1), ("007", 7), ("9999999999999999999", 9_999_999_999_999_999_999)] {
        assert_eq!(count(text), Ok(Some(number)));
    }
    for wrong in ["0", "00", "", " 1", "1 ", "+1", "-1", "1.0", "0x1", "one", "10000000000000000000", "\u{661}"] {
        malformed(count(wrong));
    }
    for wrong in [0, 10_000_000_000_000_000_000, u64::MAX] {
        let fast = Some(Fast { count: Some(wrong), invalidate: false });
        misuse(Authenticate { fast, ..Authenticate::new(ht(), b"a") }.to_octets());
    }
    let fast = Some(Fast { count: Some(9_999_999_999_999_999_999), invalidate: false });
    assert!(Authenticate { fast, ..Authenticate::new(ht(), b"a") }.to_octets().is_ok());
}

#[test]
fn a_flag_is_true_or_false() {
    let invalidate = |value: &str| {
        let read = login(&format!("<fast xmlns='urn:xmpp:fast:0' invalidate='{value}'/>"));
        read.map(|login| login.fast.unwrap().invalidate)
    };
    for (text, flag) in [("true", true), ("1", true), ("false", false), ("0", false)] {
        assert_eq!(invalidate(text), Ok(flag));
    }
    for wrong in ["", "TRUE", "yes", " true", "01", "2"] {
        malformed(invalidate(wrong));
        // a server's features that are none are not there
        let read = inline(&format!("<fast xmlns='urn:xmpp:fast:0' tls-0rtt='{wrong}'/>")).unwrap();
        assert_eq!(read.fast.map(|fast| fast.tls_0rtt), Some(false));
    }
    let read = inline("<fast xmlns='urn:xmpp:fast:0' tls-0rtt='1'/>").unwrap();
    assert_eq!(read.fast.map(|fast| fast.tls_0rtt), Some(true));
}

#[test]
fn a_token_is_asked_for_with_a_mechanism() {
    let read = login("<request-token xmlns='urn:xmpp:fast:0' mechanism='HT2-SHA-3-512-EXPR'/>").unwrap();
    assert_eq!(read.token_request.unwrap().as_str(), "HT2-SHA-3-512-EXPR");
    malformed(login("<request-token xmlns='urn:xmpp:fast:0'/>"));
    malformed(login("<request-token xmlns='urn:xmpp:fast:0' mechanism='a b'/>"));
    malformed(login("<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-EXPR-TOO-LONG'/>"));
}

#[test]
fn a_login_with_a_token_says_who_it_comes_from() {
    let fast = "<fast xmlns='urn:xmpp:fast:0' count='2'/>";
    let good = login(&format!("<user-agent id='{ID}'/>{fast}")).unwrap();
    let from = header(Some("juliet@example.com"));
    let who = good.fast_login(&from).unwrap();
    assert_eq!((who.from, who.user_agent, who.fast.count), ("juliet@example.com", ID, Some(2)));
    malformed(good.fast_login(&header(None)));
    malformed(good.fast_login(&header(Some(""))));
    malformed(login(fast).unwrap().fast_login(&from));
    malformed(login(&format!("<user-agent/>{fast}")).unwrap().fast_login(&from));
    malformed(login(&format!("<user-agent id=''/>{fast}")).unwrap().fast_login(&from));
    malformed(login(&format!("<user-agent id='{ID}'/>")).unwrap().fast_login(&from));
}

#[test]
fn a_user_agent_is_bounded() {
    let wire = |id: usize, software: usize, device: usize| {
        let [id, software, device] = [id, software, device].map(|len| "x".repeat(len));
        login(&format!("<user-agent id='{id}'><software>{software}</software><device>{device}</device></user-agent>"))
    };
    assert!(wire(255, 255, 255).is_ok());
    malformed(wire(256, 1, 1));
    malformed(wire(1, 256, 1));
    malformed(wire(1, 1, 256));
    let write = |len: usize| {
        let user_agent = Some(UserAgent { device: Some("x".repeat(len)), ..agent(ID) });
        Authenticate { user_agent, ..Authenticate::new(ht(), b"a") }.to_octets()
    };
    assert!(write(255).is_ok());
    misuse(write(256));
}

#[test]
fn a_token_is_bounded_and_secret() {
    let expiry = Timestamp::from_secs(1_584_023_775);
    for good in ["x", "tab\tline\nreturn\r", "<&'\">", "\u{e9}\u{10ffff}", &"x".repeat(512)] {
        let success = Success { token: Some(IssuedToken::new(good, expiry).unwrap()), ..Success::default() };
        let octets = success.to_octets(Version::Sasl2).unwrap();
        assert_eq!(receive(&octets).unwrap(), Event::Success(Box::new(success)), "{good:?}");
    }
    misuse(IssuedToken::new("", expiry));
    misuse(IssuedToken::new(&"x".repeat(513), expiry));
    assert_eq!(IssuedToken::new("a\u{0}b", expiry), Err(ProfileError::IllegalText));
    assert_eq!(IssuedToken::new("a\u{1b}b", expiry), Err(ProfileError::IllegalText));
    assert_eq!(IssuedToken::new("a\u{ffff}b", expiry), Err(ProfileError::IllegalText));
    let wire =
        |attributes: String| success(&format!("<token xmlns='urn:xmpp:fast:0' {attributes}/>")).map(|read| read.token);
    for token in ["", "token=''", &format!("token='{}'", "x".repeat(513))] {
        // The login stands; there just is no token.
        assert_eq!(wire(format!("expiry='2020-03-12T14:36:15Z' {token}")), Ok(None));
    }
    assert_eq!(wire("token='x'".into()), Ok(None));
    assert!(wire("token='x' expiry='2020-03-12T14:36:15Z'".into()).unwrap().is_some());

    let token = IssuedToken::new("hunter2", expiry).unwrap();
    assert_eq!(token, token.clone());
    assert_ne!(token, IssuedToken::new("hunter3", expiry).unwrap());
    assert_ne!(token, IssuedToken::new("hunter", expiry).unwrap());
    assert_ne!(token, IssuedToken::new("hunter2", Timestamp::from_secs(0)).unwrap());
    assert_eq!(format!("{token:?}"), "IssuedToken(redacted, until 1584023775)");
    let success = Success { token: Some(token), ..Success::default() };
    let printed = format!("{success:#?} {:?}", Event::Success(Box::new(success.clone())));
    assert!(!printed.contains("hunter"), "{printed}");
}

// ----------------------------------------------------------------------------------------------------- XEP-0082 moments

fn moment(text: &str) -> Option<u64> {
    let read = success(&format!("<token xmlns='urn:xmpp:fast:0' expiry='{text}' token='x'/>"));
    read.unwrap().token.map(|token| token.expiry().as_secs())
}

#[test]
fn moments_are_read_and_written() {
    for (text, expected) in [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T14:00:00-10:00", 0),
        ("1970-01-01T14:00:00+14:00", 0),
        ("2020-03-12T14:36:15Z", 1_584_023_775),
        ("2020-03-12T14:36:15.0Z", 1_584_023_775),
        ("2020-03-12T14:36:15.999999999Z", 1_584_023_775),
        ("2020-03-12T14:36:15.9-00:00", 1_584_023_775),
        ("2020-03-12T15:06:15+00:30", 1_584_023_775),
        ("2020-03-11T23:36:15-15:00", u64::MAX),
        ("2000-02-29T00:00:00Z", 951_782_400),
        ("2038-01-19T03:14:08Z", 1 << 31),
        ("2100-03-01T00:00:00Z", 4_107_542_400),
        ("9999-12-31T23:59:59Z", 253_402_300_799),
    ] {
        assert_eq!(moment(text), Some(expected).filter(|&expected| expected != u64::MAX), "{text}");
        if text.len() == 20 {
            let token = Some(IssuedToken::new("x", Timestamp::from_secs(expected)).unwrap());
            let octets = Success { token, ..Success::default() }.to_octets(Version::Sasl2).unwrap();
            assert!(self::text(octets).contains(&format!("expiry='{text}'")), "{text}");
        }
    }
}

#[test]
fn a_day_that_does_not_exist_is_refused() {
    for day in ["2019-02-29", "2100-02-29", "2020-02-30", "2020-04-31", "2020-12-32", "2020-01-00"] {
        assert_eq!(moment(&format!("{day}T00:00:00Z")), None, "{day}");
    }
    for day in ["2020-00-01", "2020-13-01"] {
        assert_eq!(moment(&format!("{day}T00:00:00Z")), None, "{day}");
    }
}

#[test]
fn a_time_that_does_not_exist_is_refused() {
    // the third is a leap second
    for time in ["24:00:00Z", "23:60:00Z", "23:59:60Z", "00:00:61Z"] {
        assert_eq!(moment(&format!("2016-12-31T{time}")), None, "{time}");
    }
    for zone in ["+14:01", "-14:01", "+15:00", "+01:60"] {
        assert_eq!(moment(&format!("2016-12-31T12:00:00{zone}")), None, "{zone}");
    }
}

#[test]
fn a_moment_outside_1970_to_9999_is_refused() {
    for text in [
        "0000-01-01T00:00:00Z",
        "0000-03-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:59:59+01:00",
        "9999-12-31T23:59:59-00:01",
        "10000-01-01T00:00:00Z",
    ] {
        assert_eq!(moment(text), None, "{text}");
    }
    assert!(IssuedToken::new("x", Timestamp::from_secs(253_402_300_799)).is_ok());
    misuse(IssuedToken::new("x", Timestamp::from_secs(253_402_300_800)));
    misuse(IssuedToken::new("x", Timestamp::from_secs(u64::MAX)));
}

#[test]
fn another_spelling_of_a_moment_is_refused() {
    let good = "2020-03-12T14:36:15Z";
    for end in 0..good.len() {
        assert_eq!(moment(&good[..end]), None);
    }
    for text in [
        "2020-03-12t14:36:15Z",
        "2020-03-12T14:36:15z",
        "2020-03-12 14:36:15Z",
        "20200312T14:36:15Z",
        "2020-03-12T143615Z",
        "2020-3-12T14:36:15Z",
        "+2020-03-12T14:36:15Z",
        "-2020-03-12T14:36:15Z",
        " 2020-03-12T14:36:15Z",
        "2020-03-12T14:36:15Z ",
        "2020-03-12T14:36:15ZZ",
        "2020-03-12T14:36:15.Z",
        "2020-03-12T14:36:15,5Z",
        "2020-03-12T14:36:15.0123456789Z",
        "2020-03-12T14:36:15+01",
        "2020-03-12T14:36:15+0100",
        "2020-03-12T14:36:15+01:00Z",
        "2020-03-12T14:36:15\u{2212}01:00",
        "\u{662}020-03-12T14:36:15Z",
    ] {
        assert_eq!(moment(text), None, "{text}");
    }
}

// ------------------------------------------------------------------------------------------------------------- XEP-0509

#[test]
fn a_config_version_is_echoed_and_compared_by_its_octets() {
    for scheme in ["", "scheme='opaque'", "schema='opaque'", "scheme='opaque' schema='other'"] {
        let element = format!("<config-version xmlns='urn:xmpp:iap:0' {scheme} value='VGhp'/>");
        let expected = version((!scheme.is_empty()).then_some("opaque"), "VGhp");
        let seen = features(&element).unwrap().config_version.unwrap();
        assert_eq!(seen, expected);
        assert_eq!(login(&element).unwrap().config_version, Some(expected.clone()));
        let echo = Authenticate { config_version: Some(seen), ..Authenticate::new(ht(), b"a") };
        let echo = text(echo.to_octets().unwrap());
        assert!(!echo.contains("schema") && echo.contains("value='VGhp'"), "{echo}");
        assert_eq!(echo.contains("scheme='opaque'"), !scheme.is_empty());
    }
    let ours = version(Some("opaque"), "VGhp");
    assert!(ours.matches(&ours) && ours.matches(&version(None, "VGhp")));
    for other in ["VGhP", "VGhp ", "VGh", "VGhpcyA", "\u{ff36}Ghp"] {
        assert!(!ours.matches(&version(Some("opaque"), other)), "{other}");
    }
}

#[test]
fn a_config_version_has_a_bounded_value() {
    let wire = |attributes: String| format!("<config-version xmlns='urn:xmpp:iap:0' {attributes}/>");
    let long = |len: usize| "x".repeat(len);
    let most = wire(format!("scheme='{}' value='{}'", long(1024), long(1024)));
    assert!(login(&most).unwrap().config_version.is_some());
    assert!(features(&most).unwrap().config_version.is_some());
    for wrong in [
        wire(String::new()),
        wire("value=''".into()),
        wire(format!("value='{}'", long(1025))),
        wire(format!("scheme='{}' value='x'", long(1025))),
    ] {
        malformed(login(&wrong));
        // a server's features that are none are not there
        assert_eq!(features(&wrong).unwrap().config_version, None);
    }
    for wrong in [version(None, ""), version(None, &long(1025)), version(Some(&long(1025)), "x")] {
        misuse(Features { config_version: Some(wrong.clone()), ..Features::default() }.to_octets());
        misuse(Authenticate { config_version: Some(wrong), ..Authenticate::new(ht(), b"a") }.to_octets());
    }
}

#[test]
fn a_config_version_mismatch_is_no_failed_login() {
    let failure = Failure::config_version_mismatch();
    let octets = failure.to_octets(Version::Sasl2).unwrap();
    assert_eq!(
        text(octets.clone()),
        "<failure xmlns='urn:xmpp:sasl:2'><aborted xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>\
         <config-version-mismatch xmlns='urn:xmpp:iap:0'/></failure>"
    );
    assert_eq!(receive(&octets), Ok(Event::Failure(failure.clone())));
    assert!(failure.is_config_version_mismatch() && !failure.outcome().counts_as_failure());
    // for who asks only for the verdict: a full login
    assert_eq!((failure.outcome(), failure.verdict), (Outcome::ConfigurationChanged, Answer::Expired));
    misuse(failure.to_octets(Version::Sasl1));

    let read = |inside: &str| match receive(format!("<failure xmlns='urn:xmpp:sasl:2'>{inside}</failure>").as_bytes()) {
        Ok(Event::Failure(failure)) => failure,
        other => panic!("{other:?}"),
    };
    let mismatch = "<config-version-mismatch xmlns='urn:xmpp:iap:0'/>";
    let aborted = "<aborted xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>";
    // the condition should be there, and the text may be
    assert_eq!(read(mismatch), failure);
    assert_eq!(read(&format!("{aborted}{mismatch}<text>Configuration version mismatch</text>")), failure);
    // `aborted` alone is what it was
    assert_eq!((read(aborted).is_config_version_mismatch(), read(aborted).outcome()), (false, Outcome::Malformed));
    let elsewhere = read("<config-version-mismatch xmlns='urn:xmpp:sasl:2'/>");
    assert_eq!((elsewhere.is_config_version_mismatch(), elsewhere.outcome()), (false, Outcome::Stale));
    // SASL of RFC 6120 has no config version
    let (_, mut exchange) = auth(ht(), b"a").unwrap();
    let sasl1 = format!("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><aborted/>{mismatch}</failure>");
    let Event::Failure(sasl1) = exchange.receive(sasl1.as_bytes()).unwrap() else { panic!() };
    assert!(!sasl1.is_config_version_mismatch());
    // every other outcome is what it was
    for outcome in Outcome::ALL {
        let failure = Failure::new(outcome, None);
        assert_eq!((failure.is_config_version_mismatch(), failure.outcome()), (false, Answer::from(outcome).into()));
    }
}

// --------------------------------------------------------------------------------------------------- stream management

#[test]
fn stream_management_is_enabled_with_its_attributes() {
    let bind = |inside: &str| {
        login(&format!("<bind xmlns='urn:xmpp:bind:0'>{inside}</bind>")).map(|login| login.bind.unwrap())
    };
    let read =
        bind("<enable xmlns='urn:xmpp:carbons:2'/><enable xmlns='urn:xmpp:sm:3' resume='1' max='600'/>").unwrap();
    assert_eq!(read.enable, ["urn:xmpp:carbons:2"]);
    assert_eq!(read.stream_management, Some(EnableStreamManagement { resume: true, max: Some(600) }));
    let read = bind("<enable xmlns='urn:xmpp:sm:3'/>").unwrap();
    assert_eq!((read.enable.len(), read.stream_management), (0, Some(EnableStreamManagement::default())));
    assert_eq!(bind("<resume xmlns='urn:xmpp:sm:3'/>").unwrap().stream_management, None);
    malformed(bind("<enable xmlns='urn:xmpp:sm:3' resume='yes'/>"));
    malformed(bind("<enable xmlns='urn:xmpp:sm:3' max='-1'/>"));
    malformed(bind("<enable xmlns='urn:xmpp:sm:3' max='4294967296'/>"));
    let many: String = (0..20).map(|n| format!("<enable xmlns='urn:{n}'/>")).collect();
    assert_eq!(bind(&many).unwrap().enable.len(), 16);
    // one place to ask for it
    let bind = Some(Bind { enable: vec!["urn:xmpp:sm:3".into()], ..Bind::default() });
    misuse(Authenticate { bind, ..Authenticate::new(ht(), b"a") }.to_octets());
}

#[test]
fn a_stream_that_was_bound_says_how_to_resume_it() {
    let bound = |inside: &str| {
        let octets = format!("<bound xmlns='urn:xmpp:bind:0'>{inside}</bound>");
        let made = Bound::parse(octets.as_bytes());
        let read = success(&octets);
        assert_eq!(made.is_ok(), read.is_ok(), "{inside}");
        if let (Ok(made), Ok(read)) = (&made, read) {
            assert_eq!(made.stream_management(), read.bound.unwrap().stream_management());
        }
        made
    };
    let all = "<enabled xmlns='urn:xmpp:sm:3' id='secret-id' resume='true' max='600' location='[::1]:5222'/>";
    let read = bound(all).unwrap();
    assert_eq!(read.resumable_as(), Some("secret-id"));
    let enabled = read.stream_management().unwrap();
    assert_eq!((enabled.max, enabled.location.as_deref()), (Some(600), Some("[::1]:5222")));
    assert_eq!(Bound::with_stream_management(enabled).unwrap().stream_management(), Some(enabled));
    let printed = format!("{read:#?} {:?}", success(text(read.as_octets().to_vec()).as_str()).unwrap());
    assert!(!printed.contains("secret-id"), "{printed}");

    let once = bound("<enabled xmlns='urn:xmpp:sm:3' id='x'/>").unwrap();
    assert!(once.stream_management().is_some() && once.resumable_as().is_none());
    for none in ["", "<failed xmlns='urn:xmpp:sm:3'/>", "<enabled xmlns='urn:xmpp:carbons:2' id='x' resume='true'/>"] {
        assert_eq!(bound(none).unwrap().stream_management(), None, "{none}");
    }
    for wrong in [
        "<enabled xmlns='urn:xmpp:sm:3' resume='true'/>",
        "<enabled xmlns='urn:xmpp:sm:3' resume='true' id=''/>",
        "<enabled xmlns='urn:xmpp:sm:3' resume='perhaps' id='x'/>",
        "<enabled xmlns='urn:xmpp:sm:3' max='1h'/>",
        "<enabled xmlns='urn:xmpp:sm:3' id='x'/><failed xmlns='urn:xmpp:sm:3'/>",
        "<enabled xmlns='urn:xmpp:sm:3' id='x'/><enabled xmlns='urn:xmpp:sm:3' id='y'/>",
    ] {
        malformed(bound(wrong));
    }
    let nameless = EnabledStreamManagement { resume: true, ..EnabledStreamManagement::default() };
    malformed(Bound::with_stream_management(&nameless));
    let odd = EnabledStreamManagement { id: Some("\u{0}".into()), ..EnabledStreamManagement::default() };
    assert_eq!(Bound::with_stream_management(&odd), Err(ProfileError::IllegalText));
}

#[test]
fn a_resumption_that_failed_says_how_far_it_came() {
    let read = success("<failed xmlns='urn:xmpp:sm:3' h='21'><item-not-found/></failed>").unwrap();
    assert_eq!((read.resume_failed, read.resume_failed_h), (true, Some(21)));
    let read = success("<failed xmlns='urn:xmpp:sm:3'/>").unwrap();
    assert_eq!((read.resume_failed, read.resume_failed_h), (true, None));
    assert_eq!(success("").unwrap().resume_failed_h, None);
    malformed(success("<failed xmlns='urn:xmpp:sm:3' h='many'/>"));
    let wrote = Success { resume_failed: true, resume_failed_h: Some(21), ..Success::default() };
    assert!(text(wrote.to_octets(Version::Sasl2).unwrap()).contains("<failed xmlns='urn:xmpp:sm:3' h='21'/>"));
    // h counts, in the spelling of a number
    for wrong in ["+5", "", " 5", "4294967296"] {
        malformed(login(&format!("<resume xmlns='urn:xmpp:sm:3' previd='x' h='{wrong}'/>")));
    }
    malformed(login("<resume xmlns='urn:xmpp:sm:3' h='1'/>"));
    malformed(login("<resume xmlns='urn:xmpp:sm:3' previd='x'/>"));
    let good = login("<resume xmlns='urn:xmpp:sm:3' previd='x' h='5'/>").unwrap();
    assert_eq!(good.resume, Some(Resume { previd: "x".into(), h: 5 }));
}

// ------------------------------------------------------------------------------------------------------- no second one

#[test]
fn what_is_read_stands_once_in_authenticate() {
    for element in [
        "<user-agent/>",
        "<bind xmlns='urn:xmpp:bind:0'/>",
        "<resume xmlns='urn:xmpp:sm:3' previd='x' h='1'/>",
        "<assertion-request xmlns='urn:ietf:params:xml:ns:iky' mechanism='X'/>",
        "<request-token xmlns='urn:xmpp:fast:0' mechanism='X'/>",
        "<fast xmlns='urn:xmpp:fast:0'/>",
        "<config-version xmlns='urn:xmpp:iap:0' value='x'/>",
    ] {
        assert!(login(element).is_ok(), "{element}");
        malformed(login(&format!("{element}{element}")));
        malformed(login(&format!("{element}<between/>{element}")));
    }
    // login() has one already
    malformed(login("<initial-response>YQ==</initial-response>"));
    malformed(login("<initial-response/>"));
    for (parent, child) in [
        ("user-agent", "<software>x</software>"),
        ("user-agent", "<device>x</device>"),
        ("bind xmlns='urn:xmpp:bind:0'", "<tag>x</tag>"),
        ("bind xmlns='urn:xmpp:bind:0'", "<enable xmlns='urn:xmpp:sm:3'/>"),
    ] {
        let end = parent.split(' ').next().unwrap();
        assert!(login(&format!("<{parent}>{child}</{end}>")).is_ok());
        malformed(login(&format!("<{parent}>{child}{child}</{end}>")));
    }
    // another namespace is another element
    assert!(login("<fast xmlns='urn:xmpp:fast:0'/><fast xmlns='urn:xmpp:fast:1'/>").is_ok());
}

#[test]
fn what_is_read_stands_once_in_success() {
    for element in [
        "<additional-data>YQ==</additional-data>",
        "<authorization-identifier>a@b</authorization-identifier>",
        "<authorization-identity>a@b</authorization-identity>",
        "<bound xmlns='urn:xmpp:bind:0'/>",
        "<resumed xmlns='urn:xmpp:sm:3' previd='x' h='1'/>",
        "<failed xmlns='urn:xmpp:sm:3'/>",
        "<assertion xmlns='urn:ietf:params:xml:ns:iky' mechanism='X'>BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=</assertion>",
        "<token xmlns='urn:xmpp:fast:0' expiry='2020-03-12T14:36:15Z' token='x'/>",
    ] {
        assert!(success(element).is_ok(), "{element}");
        malformed(success(&format!("{element}{element}")));
    }
}

#[test]
fn what_is_read_stands_once_in_failure() {
    let failure = |inside: String| receive(format!("<failure xmlns='urn:xmpp:sasl:2'>{inside}</failure>").as_bytes());
    let condition = |name: &str| format!("<{name} xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
    for element in [
        "<iky xmlns='urn:ietf:params:xml:ns:iky'>YQ==</iky>",
        "<config-version-mismatch xmlns='urn:xmpp:iap:0'/>",
        &condition("aborted"),
    ] {
        assert!(failure(element.to_owned()).is_ok(), "{element}");
        malformed(failure(format!("{element}{element}")));
    }
    malformed(failure(condition("not-authorized") + &condition("temporary-auth-failure")));
    assert!(failure(condition("not-authorized") + &condition("text")).is_ok());
}

#[test]
fn what_is_read_stands_once_in_features() {
    for element in [
        "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
        "<authentication xmlns='urn:xmpp:sasl:2'/>",
        "<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'/>",
        "<config-version xmlns='urn:xmpp:iap:0' value='x'/>",
    ] {
        assert!(features(element).is_ok(), "{element}");
        malformed(features(&format!("{element}{element}")));
    }
    for element in [
        "<sm xmlns='urn:xmpp:sm:3'/>",
        "<bind xmlns='urn:xmpp:bind:0'/>",
        "<assertion-request xmlns='urn:ietf:params:xml:ns:iky'/>",
        "<fast xmlns='urn:xmpp:fast:0'/>",
    ] {
        assert!(inline(element).is_ok(), "{element}");
        malformed(inline(&format!("{element}{element}")));
    }
    malformed(inline("</inline><inline>"));
    malformed(inline("<bind xmlns='urn:xmpp:bind:0'><inline/><inline/></bind>"));
}

#[test]
fn a_list_of_features_is_bounded() {
    let list: String = (0..40).map(|n| format!("<feature var='urn:{n}'/><other var='x'/><feature/>")).collect();
    let read = inline(&format!("<bind xmlns='urn:xmpp:bind:0'><inline>{list}</inline></bind>")).unwrap();
    assert_eq!((read.bind_inline.len(), read.bind_inline[31].as_str()), (32, "urn:31"));
    let list: String = (0..90).map(|n| format!("<mechanism>HT-{n}</mechanism>")).collect();
    let read = inline(&format!("<fast xmlns='urn:xmpp:fast:0'>{list}<mechanism>a b</mechanism></fast>")).unwrap();
    assert_eq!(read.fast.unwrap().offer.mechanisms().len(), 64);
    let illegal = Features {
        sasl2: Offer::of(["X"]).unwrap(),
        bind: true,
        bind_inline: vec!["\u{0}".into()],
        ..Features::default()
    };
    assert_eq!(illegal.to_octets(), Err(ProfileError::IllegalText));
}
