//! What may stand once stands once.

use super::*;

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
