//! The configuration version of XEP-0509.

use super::*;

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
