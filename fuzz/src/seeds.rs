//! Seeds that no test vector has: what the library itself writes, and short stories for the operations.

use fast_reauth::assertion::{
    AccountSecret, AccountState, DeviceId, HtMechanism, Revocations, ServiceKeys, TokenRequest,
};
use fast_reauth::mechanism::Login;
use fast_reauth::store::Commit;
use fast_reauth::store::client::Accounts;

use crate::common::{Pair, Tls, account, bound, fresh, server, start_over};

/// Gives each seed to `add`, with its target.
pub fn all(add: &mut dyn FnMut(&str, &[u8])) {
    start_over();
    kept(add);
    stories(add);
    mail_server(add);
    stream(add);
    front_end(add);
    edits(add);
}

/// What both ends keep of a login.
fn kept(add: &mut dyn FnMut(&str, &[u8])) {
    let mechanism = HtMechanism::HT_SHA_256_EXPR;
    let pair = Pair::new(server().fast([mechanism], ServiceKeys::new(1, &[1; 32])));
    let (full, tls, device) = (bound("alice"), Tls::full(), DeviceId::new(fresh()));
    let request = TokenRequest { mechanism, authcid: "alice", client: "phone", random: fresh() };
    let login = Login { full: &full, identity: "alice@example.com", device, now: pair.now };
    let (logged_in, issued) = pair.connection(&tls).logged_in_with_token(login, &tls.exporter(), &request);
    let Commit::Remember(remember) = &logged_in.commit else { return };
    let accounts = Accounts::default();
    let mut client = accounts.connect(&account("alice"), tls.client()).offered(["IKY-SHA-256-EXPR"]);
    let derived = client.logged_in(&full, &tls.exporter(), &[], pair.now);
    assert_eq!(derived, Ok(true));
    let issued = issued.expect("a token");
    client.token_issued(&full, mechanism, issued.token.expose(), issued.expires, pair.now).expect("a token to keep");
    let mut revoked = Revocations::default();
    let _ = revoked.revoke(device, pair.now, None);
    revoked.revoke_all(pair.now, None, Some(device));
    let state = AccountState { identity: "alice".into(), secret: AccountSecret::new(fresh()), revoked };
    let token = remember.token.as_ref().expect("a token");
    let written = [
        accounts.assertions(&account("alice"))[0].to_bytes(),
        accounts.tokens(&account("alice"))[0].to_bytes(),
        remember.records[0].to_bytes(),
        remember.link.as_ref().expect("a session").lineage.to_bytes(),
        token.to_bytes(),
        token.new_token().expect("a new one").to_bytes(),
        state.to_bytes(),
    ];
    for (kind, octets) in written.iter().enumerate() {
        add("serialised", &[&[kind as u8], &octets[..]].concat());
    }
    add_accounts(&accounts.to_bytes(), add);
    add("serialised", b"\x07\0\x01\0\x03\0\x02\0\x46\0\x07\0\x06\0\x45\0\x46");
}

/// What an application saves: of one account, of none, of it and another, of it twice, and damaged.
fn add_accounts(saved: &[u8], add: &mut dyn FnMut(&str, &[u8])) {
    let (start, known) = saved.split_at(b"IKYaccounts\x01".len());
    let another = b"n\0\0\0\x23\0\0\0\x04imap\0\0\0\x10imap.example.com\0\0\0\x03boo\0\0\0\x05PLAIN";
    let (cut, no_account) = (&saved[..saved.len() - 1], &b"o\0\0\0\x05PLAIN"[..]);
    for octets in
        [saved, start, cut, &[start, known, another].concat(), &[saved, known].concat(), &[start, no_account].concat()]
    {
        add("serialised", &[b"\x08", octets].concat());
    }
}

/// Operations, in the four octets that `operations` has for each. Those of the attacker also by themselves: a merge leaves them out, as they
/// reach nothing new while the rules hold.
fn stories(add: &mut dyn FnMut(&str, &[u8])) {
    let alice_logs_in: &[u8] = &[14, 0, 0, 0];
    let alice_comes_back: &[u8] = &[13, 0, 1, 0];
    let on_her_session: &[u8] = &[13, 0, 0, 0];
    let mallory_logs_in: &[u8] = &[14, 3, 0, 0];
    let weeks_later: &[u8] = &[7, 7, 0, 0];
    let attempt: &[u8] = &[0, 0, 1, 0, 1, 7, 0, 0];
    let under_way: &[u8] = &[0, 0, 1, 0, 1, 1, 0, 0];
    let in_early_data: &[u8] = &[0, 0, 16, 0, 1, 1, 0, 0];
    let flight_kept: &[u8] = &[17, 0, 4, 0];
    let at_the_sibling: &[u8] = &[13, 0, 3, 0];
    let everything_heals: &[u8] = &[252, 0, 0, 0];
    let stories: [&[&[u8]]; 28] = [
        &[alice_logs_in, alice_comes_back, on_her_session, on_her_session],
        // Somebody sends on what was sent, before and after it arrived.
        &[alice_logs_in, alice_comes_back, mallory_logs_in, &[5, 0, 0, 0], &[5, 0, 0, 1]],
        &[
            mallory_logs_in,
            &[13, 3, 1, 0],
            alice_logs_in,
            alice_comes_back,
            &[5, 0, 0, 3],
            &[5, 0, 0, 4],
            &[5, 1, 0, 5],
        ],
        &[alice_logs_in, mallory_logs_in, &[6, 0, 0, 0], &[0, 3, 0, 0], &[6, 0, 1, 0]],
        // A message that is bound to nothing reaches the attacker first, on a session that is hers, or on which nobody is; and EXTERNAL there.
        &[alice_logs_in, under_way, mallory_logs_in, &[5, 0, 0, 0], &[0, 3, 0, 0], &[6, 2, 1, 0]],
        &[alice_logs_in, under_way, &[5, 0, 0, 0], &[0, 3, 0, 0], &[6, 0, 1, 0]],
        &[alice_logs_in, under_way, &[5, 0, 0, 0], &[4, 2, 0, 1], &[0, 3, 0, 0], &[6, 2, 1, 0]],
        // Answers that nobody signed, that somebody altered, and that belong to another.
        &[alice_logs_in, under_way, &[2, 1, 0, 0], &[3, 1, 9, 0], alice_comes_back],
        &[alice_logs_in, under_way, &[2, 1, 0, 0], &[3, 1, 8, 0], alice_comes_back],
        &[alice_logs_in, under_way, &[2, 1, 0, 0], &[3, 1, 6, 19], alice_comes_back],
        // Renewals, and an answer that is lost.
        &[
            alice_logs_in,
            alice_comes_back,
            weeks_later,
            alice_comes_back,
            alice_comes_back,
            weeks_later,
            alice_comes_back,
        ],
        &[alice_logs_in, alice_comes_back, weeks_later, &[0, 0, 1, 0], &[1, 2, 0, 0], &[2, 2, 0, 0], &[3, 2, 5, 0]],
        // Revoked, in the middle and before.
        &[alice_logs_in, attempt, &[2, 1, 15, 0], &[8, 0, 0, 0], alice_comes_back, &[8, 0, 5, 0], alice_comes_back],
        // Backups of both ends.
        &[
            alice_logs_in,
            &[9, 0, 0, 0],
            &[10, 0, 0, 0],
            alice_comes_back,
            &[10, 0, 1, 0],
            alice_comes_back,
            &[9, 2, 0, 0],
            alice_comes_back,
        ],
        &[
            alice_logs_in,
            &[11, 3, 0, 0],
            alice_comes_back,
            &[11, 5, 0, 0],
            alice_comes_back,
            &[9, 3, 0, 0],
            alice_comes_back,
        ],
        // What is granted, and renewed.
        &[&[14, 0, 5, 0], alice_comes_back, weeks_later, alice_comes_back, alice_comes_back],
        // At the other node, which has other keys; and at one that shows another offer.
        &[alice_logs_in, &[11, 34, 0, 0], &[0, 0, 5, 0], &[1, 1, 0, 0], &[2, 1, 0, 0], &[3, 1, 0, 0], alice_comes_back],
        &[alice_logs_in, &[11, 37, 0, 0], &[0, 0, 5, 0], &[1, 1, 0, 0], &[2, 1, 0, 0], &[3, 1, 0, 0], alice_comes_back],
        // On a connection whose secrets somebody else may have, and behind it.
        // Early data: taken; taken elsewhere before, and after; not even resumed; and the attacker's, with what somebody sent.
        &[alice_logs_in, in_early_data, &[2, 1, 0, 0], &[16, 1, 0, 0], &[3, 1, 0, 0], flight_kept, on_her_session],
        &[alice_logs_in, in_early_data, &[16, 1, 2, 0], flight_kept, &[2, 1, 0, 0], &[3, 1, 0, 0]],
        &[alice_logs_in, in_early_data, &[16, 1, 2, 0], &[2, 1, 0, 0], &[3, 1, 0, 0], flight_kept],
        &[alice_logs_in, in_early_data, &[16, 1, 3, 0], &[2, 1, 0, 0], &[3, 1, 0, 0], flight_kept, flight_kept],
        &[alice_logs_in, in_early_data, mallory_logs_in, &[5, 0, 80, 0], &[5, 0, 80, 3], flight_kept],
        // A server comes back from a backup that is older than early data, which somebody sends on.
        &[alice_logs_in, in_early_data, &[9, 0, 0, 0], &[2, 1, 0, 0], &[9, 2, 0, 0], &[17, 0, 0, 0]],
        // Everything heals in the middle; and what was sent before it comes behind it.
        &[alice_logs_in, under_way, everything_heals, &[2, 1, 0, 0], &[3, 1, 0, 0], alice_comes_back, &[5, 0, 64, 0]],
        &[
            alice_logs_in,
            in_early_data,
            &[9, 0, 0, 0],
            &[9, 3, 0, 0],
            everything_heals,
            flight_kept,
            &[10, 0, 3, 0],
            alice_comes_back,
        ],
        // The sibling, with its own sessions; and what was sent to one of the two, at the other.
        &[
            alice_logs_in,
            at_the_sibling,
            &[13, 0, 2, 0],
            mallory_logs_in,
            &[5, 0, 64, 0],
            alice_comes_back,
            &[5, 1, 72, 0],
            &[6, 0, 72, 0],
        ],
        &[&[0, 0, 241, 0], &[4, 0, 0, 1], &[0, 0, 0, 0], &[1, 1, 0, 0], &[6, 0, 0, 0], alice_logs_in, &[0, 0, 241, 0]],
    ];
    for kind in 0..10 {
        for more in [0, 1, 8, 32] {
            for story in stories {
                let seed = [&[kind, more], &story.concat()[..]].concat();
                add("operations", &seed);
                if more <= 1 && seed[2..].chunks(4).any(|operation| matches!(operation[0], 5 | 6)) {
                    add("operations_attacked", &seed);
                }
            }
        }
    }
}

fn mail_server(add: &mut dyn FnMut(&str, &[u8])) {
    let begin = "VERSION\t1\t2\nCPID\t7\n";
    for lines in [
        "AUTH\t1\tIKY-SHA-256-NONE\tservice=smtp\tsecured\tresp=bixhPWFsaWNl\nCONT\t1\t\n",
        "AUTH\t1\tIKY-SHA-256-NONE\tservice=smtp\tsecured=tls\trip=192.0.2.1\trport=5\tlip=::1\nCONT\t1\tbixhPWFsaWNl\nCONT\t1\t\n",
        "AUTH\t1\tEXTERNAL\tservice=smtp\tsecured\tresp==\nAUTH\t2\tPLAIN\tservice=smtp\tresp=AGEAYg==\nCANCEL\t2\n",
        "AUTH\t1\tPLAIN\tservice=smtp\tlocal_name=mx.example.com\tsession=a\x01tb\nAUTH\t2\tPLAIN\tservice=smtp\nCONT\t2\tAGEAYg==\n",
    ] {
        for said in [0, 3, 17] {
            add("dovecot_auth", &[&[said, 5], begin.as_bytes(), lines.as_bytes()].concat());
        }
    }
}

fn stream(add: &mut dyn FnMut(&str, &[u8])) {
    let header = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' \
                  version='1.0' to='example.com' from='juliet@example.com'>";
    for element in [
        "<stream:features><authentication xmlns='urn:xmpp:sasl:2'><mechanism>IKY-SHA-256-EXPR</mechanism><inline>\
         <fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-EXPR</mechanism></fast><bind xmlns='urn:xmpp:bind:0'><inline>\
         <feature var='urn:xmpp:sm:3'/></inline></bind><sm xmlns='urn:xmpp:sm:3'/></inline></authentication>\
         <sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'><channel-binding type='tls-exporter'/></sasl-channel-binding>\
         <config-version xmlns='urn:xmpp:iap:0' scheme='opaque' value='VGhp'/></stream:features>",
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='HT-SHA-256-EXPR'><initial-response>anVsaWV0</initial-response>\
         <user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'><software>A</software><device>B</device></user-agent>\
         <bind xmlns='urn:xmpp:bind:0'><tag>A</tag><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>\
         <fast xmlns='urn:xmpp:fast:0' count='123' invalidate='true'/><request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-EXPR'/>\
         <resume xmlns='urn:xmpp:sm:3' previd='some-id' h='12'/>\
         <config-version xmlns='urn:xmpp:iap:0' scheme='opaque' value='VGhp'/></authenticate>",
        "<success xmlns='urn:xmpp:sasl:2'><additional-data>dj0x</additional-data>\
         <authorization-identifier>juliet@example.com/A/4232</authorization-identifier><bound xmlns='urn:xmpp:bind:0'>\
         <enabled xmlns='urn:xmpp:sm:3' id='some-id' resume='true' max='60'/></bound>\
         <token xmlns='urn:xmpp:fast:0' expiry='2020-03-31T14:36:15Z' token='R3Vy'/></success>",
        "<failure xmlns='urn:xmpp:sasl:2'><aborted xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>\
         <config-version-mismatch xmlns='urn:xmpp:iap:0'/><text>no</text></failure>",
        "<failure xmlns='urn:xmpp:sasl:2'><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>\
         <iky xmlns='urn:ietf:params:xml:ns:iky'>ZT1leHBpcmVk</iky></failure>",
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>",
        "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
        "<response xmlns='urn:xmpp:sasl:2'>AAAA</response>",
        "<continue xmlns='urn:xmpp:sasl:2'><tasks><task>A</task></tasks></continue>",
    ] {
        add("xmpp_elements", &[b"\x01\0", element.as_bytes()].concat());
        add("xmpp_elements", &[b"\0\x05", header.as_bytes(), element.as_bytes(), b"</stream:stream>"].concat());
        for body in [
            format!("<body xmlns='http://jabber.org/protocol/httpbind' rid='7' sid='s'>{element}</body>"),
            format!(
                "<body xmlns='http://jabber.org/protocol/httpbind' xmlns:stream='http://etherx.jabber.org/streams'>{element}</body>"
            ),
        ] {
            add("xmpp_elements", &[b"\x06\0", body.as_bytes()].concat());
        }
        let open = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.com' version='1.0'/>";
        let close = "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>";
        add(
            "xmpp_elements",
            &[b"\x07\0", open.as_bytes(), b"\0", element.as_bytes(), b"\0", close.as_bytes()].concat(),
        );
    }
}

fn front_end(add: &mut dyn FnMut(&str, &[u8])) {
    for flags in [0x01, 0x11, 0xfd, 0x03, 0x02, 0xb1] {
        for more in 0..16 {
            add("proxy_header", &[2, flags, more, 7]);
        }
    }
    let ssl = b"\x20\0\x0f\x01\0\0\0\0\x21\0\x07TLSv1.3";
    let authority = b"\x02\0\x10imap.example.com";
    let text = b"iky1:r=1,e=0,n=1,s=1111111111111111111111111111111111111111111111111111111111111111";
    let id = [&b"\x05\0"[..], &[text.len() as u8], text].concat();
    add("proxy_header", &[&b"\x01"[..], ssl, authority, &id].concat());
    add("proxy_header", &[&b"\x01"[..], ssl, authority, b"\xe9\0\x02\x01\x3d"].concat());
    add("proxy_header", b"\0\r\n\r\n\0\r\nQUIT\n\x20\0\0\0");
    add("proxy_header", b"\0PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n");
}

/// Nothing done to the true message, one thing, and the mechanisms for the pairs of both halves.
fn edits(add: &mut dyn FnMut(&str, &[u8])) {
    for which in 0..8 {
        for edit in [&b""[..], b"\x03\0A", b"\x01\x10B", b"\x05\x15\x08", b"\x08\x04\0"] {
            add("iky_login", &[&[which, 1], edit].concat());
            add("ht_login", &[&[which % 6, 1 + 2 * (which / 6)], edit].concat());
            add("sealed_record", &[&[which % 3, which / 3, which % 2 * 2], edit].concat());
            add("iky_grammar", &[&[which % 7, 1, 0, 0, 0, which], edit].concat());
        }
    }
    for protocol in 0..6 {
        for (mechanism, said) in [(0, 0), (1, 0), (9, 1), (27, 4), (3, 0)] {
            let message = b"p=tls-exporter,a=alice,h=imap.example.com,p=AAAAx=60,r=1,v=AAAA";
            add("profile_pair", &[&[protocol, mechanism, said, 3, 6], &message[..]].concat());
        }
    }
}
