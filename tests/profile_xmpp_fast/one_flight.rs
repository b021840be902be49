//! A login in one flight, and the examples of the XEPs.

use super::*;

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
