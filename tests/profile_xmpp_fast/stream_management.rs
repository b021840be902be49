//! Stream management (XEP-0198).

use super::*;

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
