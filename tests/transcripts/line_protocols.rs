//! IMAP, SMTP, POP3, ManageSieve and ACAP.

use super::*;

fn tag() -> Tag {
    Tag::parse("a1").unwrap()
}

const IMAP: Application = Application {
    commands: "a2 SELECT INBOX\r\n",
    answers: "* 172 EXISTS\r\n* OK [UIDVALIDITY 3857529045] UIDs valid\r\n* FLAGS (\\Answered \\Seen)\r\n\
              a2 OK [READ-WRITE] SELECT completed\r\n",
    refusals: "a2 BAD Log in first\r\n",
};

fn imap_run(out: &mut Dialogue, attempt: &mut Attempt<'_>, application: Application) -> (Completion, Settled) {
    let offer = attempt.offer();
    let greeting = format!("* OK [CAPABILITY IMAP4rev2 {}] ready\r\n", imap::capabilities(&offer));
    out.lines("S:", greeting.as_bytes());
    let heard = imap::offer(greeting.as_bytes());
    let start = imap::authenticate(tag(), &heard, attempt.mechanism(), &attempt.message());
    run(out, attempt, start, imap::server(&offer), application)
}

fn imap_world() -> World {
    World::new(Service::IMAP, "imap.example.com", "alice", &[Pin::SHA_256_EXPR], Policy::default())
}

#[test]
fn imap_recognised() {
    let world = imap_world();
    let first = Tls::full(1, "imap.example.com");
    world.full_login(&first, &[]);
    let tls = first.resuming(2);

    let mut out = Dialogue::default();
    let mut attempt = world.attempt(&tls, Some(&first), "EXTERNAL");
    let message = attempt.message();
    let (completion, settled) = imap_run(&mut out, &mut attempt, IMAP);
    assert_eq!(settled, Settled::LoggedIn);
    out.decoded("Initiator message", &message);
    out.decoded("Responder message", &completion.data.unwrap());
    check("imap-iky.txt", out);

    let mut out = Dialogue::default();
    let mut attempt = world.attempt(&first.resuming(3), Some(&first), "");
    let (_, settled) = imap_run(&mut out, &mut attempt, IMAP);
    assert_eq!(settled, Settled::LoggedIn);
    check("imap-external.txt", out);
}

#[test]
fn imap_refused() {
    let world = imap_world();
    let first = Tls::full(1, "imap.example.com");
    world.full_login(&first, &[]);

    // Unknown: another server of the same name, which has no record.
    let other = imap_world();
    other.accounts.restore(&world.account, world.assertion(), ["IKY-SHA-256-EXPR"]);
    let mut out = Dialogue::default();
    let mut attempt = other.attempt(&Tls::full(4, "imap.example.com"), None, "");
    let (completion, settled) = imap_run(&mut out, &mut attempt, IMAP);
    assert!(matches!(settled, Settled::Failed(_)));
    out.decoded("Responder message", &completion.data.unwrap());
    check("imap-unknown.txt", out);
    assert_eq!(other.accounts.assertions(&other.account).len(), 1, "kept");

    // Revoked: told, signed, to the client itself.
    world.store.revoke("alice", Revoke::All, world.now).unwrap();
    let mut out = Dialogue::default();
    let mut attempt = world.attempt(&Tls::full(5, "imap.example.com"), None, "");
    let (completion, settled) = imap_run(&mut out, &mut attempt, IMAP);
    assert!(matches!(settled, Settled::Failed(_)));
    out.decoded("Responder message", &completion.data.unwrap());
    check("imap-revoked.txt", out);
    assert!(world.accounts.assertions(&world.account).is_empty(), "gone");
}

/// A sibling of an IMAP service that sees nothing of TLS: no byte was ever sent for this assertion.
#[test]
fn smtp_by_a_sibling() {
    let imap_name = "imap.example.com";
    let name = "submission.example.com";
    let scope = Scope::new(Service::SMTP, ServerName::parse(name).unwrap());
    let mut world = World::new(Service::IMAP, imap_name, "alice", &[Pin::SHA_256_EXPR], no_lineage());
    world.server = world.server.sibling(Sibling { scope: scope.clone(), pin: Pin::SHA_256_NONE });
    world.full_login(&Tls::full(1, imap_name), &[Sibling { scope: scope.clone(), pin: Pin::SHA_256_NONE }]);

    let submission = World::new(Service::SMTP, name, "alice", &[Pin::SHA_256_NONE], no_lineage());
    let account = Account::new(scope, "alice");
    let world = World { server: submission.server, account, service: Service::SMTP, ..world };
    let mut tls = Tls::full(2, name);
    tls.server_sees = false;

    for (file, keyword) in [("smtp-iknowyou.txt", true), ("smtp-plain.txt", false)] {
        let mut out = Dialogue::default();
        let mut attempt = world.attempt(&tls, None, "");
        let mut offer = attempt.offer().with_pipelining();
        if keyword {
            offer = offer.with_iky_pipelining();
        }
        out.lines("C:", b"EHLO client.example.net\r\n");
        let reply = format!("250-{name}\r\n{}250 ENHANCEDSTATUSCODES\r\n", smtp::ehlo_lines(&offer));
        out.lines("S:", reply.as_bytes());
        let start = smtp::authenticate(&smtp::offer(reply.as_bytes()), attempt.mechanism(), &attempt.message());
        let application = Application {
            commands: "MAIL FROM:<alice@example.com>\r\nRCPT TO:<bob@example.org>\r\n",
            answers: "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n",
            refusals: "530 5.7.0 Authentication required\r\n",
        };
        let message = attempt.message();
        let (completion, settled) = run(&mut out, &mut attempt, start, smtp::server(&offer), application);
        assert_eq!(settled, Settled::LoggedIn);
        if keyword {
            out.decoded("Initiator message", &message);
            out.decoded("Responder message", &completion.data.unwrap());
        }
        check(file, out);
    }
}

/// Too long for POP3's line, so the message follows an empty challenge.
#[test]
fn pop3_too_long_for_the_line() {
    let name = "pop.example.com";
    let world = World::new(Service::POP, name, "alice@example.com", &[Pin::ED25519_EXPR], Policy::default());
    world.full_login(&Tls::full(1, name), &[]);
    let mut out = Dialogue::default();
    let mut attempt = world.attempt(&Tls::full(2, name), None, "");
    let offer = attempt.offer().with_pipelining();
    out.lines("C:", b"CAPA\r\n");
    let answer = format!("+OK\r\n{}.\r\n", pop3::capa_lines(&offer));
    out.lines("S:", answer.as_bytes());
    let start = pop3::authenticate(&pop3::offer(answer.as_bytes()), attempt.mechanism(), &attempt.message());
    let application = Application { commands: "STAT\r\n", answers: "+OK 2 320\r\n", refusals: "-ERR Log in first\r\n" };
    let message = attempt.message();
    let (completion, settled) = run(&mut out, &mut attempt, start, pop3::server(&offer), application);
    assert_eq!(settled, Settled::LoggedIn);
    out.decoded("Initiator message", &message);
    out.decoded("Responder message", &completion.data.unwrap());
    check("pop3.txt", out);
}

#[test]
fn sieve_and_acap() {
    let name = "sieve.example.com";
    let world = World::new(Service::SIEVE, name, "alice", &[Pin::SHA_256_EXPR], Policy::default());
    world.full_login(&Tls::full(1, name), &[]);
    let mut out = Dialogue::default();
    let mut attempt = world.attempt(&Tls::full(2, name), None, "");
    let offer = attempt.offer();
    let greeting = format!("\"IMPLEMENTATION\" \"example\"\r\n{}OK\r\n", sieve::capability_line(&offer));
    out.lines("S:", greeting.as_bytes());
    let start = sieve::authenticate(&sieve::offer(greeting.as_bytes()), attempt.mechanism(), &attempt.message());
    let application =
        Application { commands: "LISTSCRIPTS\r\n", answers: "\"vacation\" ACTIVE\r\nOK\r\n", refusals: "NO\r\n" };
    let (_, settled) = run(&mut out, &mut attempt, start, sieve::server(&offer), application);
    assert_eq!(settled, Settled::LoggedIn);
    check("sieve.txt", out);

    let name = "acap.example.com";
    let world = World::new(Service::ACAP, name, "alice", &[Pin::SHA_256_EXPR], Policy::default());
    world.full_login(&Tls::full(1, name), &[]);
    let mut out = Dialogue::default();
    let mut attempt = world.attempt(&Tls::full(2, name), None, "");
    let offer = attempt.offer();
    let greeting = format!("* ACAP (IMPLEMENTATION \"example\") {}\r\n", acap::greeting_item(&offer));
    out.lines("S:", greeting.as_bytes());
    let offered = acap::offer(greeting.as_bytes());
    let start = acap::authenticate(tag(), &offered, attempt.mechanism(), &attempt.message());
    let application = Application { commands: "a2 NOOP\r\n", answers: "a2 OK \"NOOP completed\"\r\n", refusals: "" };
    let (_, settled) = run(&mut out, &mut attempt, start, acap::server(&offer), application);
    assert_eq!(settled, Settled::LoggedIn);
    check("acap.txt", out);
}
