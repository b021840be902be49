//! FAST (XEP-0484): tokens, counts and user agents.

use super::*;

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
