//! A man in the middle whose certificate the client accepts, and what rides along: what he says in front of a login and behind it, and
//! where he sends what he got.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fast_reauth::assertion::Pin;
use fast_reauth::mechanism::NextStep;
use fast_reauth::store::client::{Plan, Settled};

use super::common::{Pair, Tls, account, server_with};
use super::*;

const COMMANDS: &str = "a2 SELECT INBOX\r\na3 STORE 1 +FLAGS (\\Deleted)\r\n";

fn logged_in() -> Pair {
    let pair = Pair::new(server_with(&[Pin::SHA_256_EXPR]));
    pair.full_login("alice", &Tls::full());
    pair
}

/// Answers to what rode along are not read, and the client leaves.
#[test]
fn what_is_said_around_a_login_is_no_login() {
    let pair = logged_in();
    let signature = STANDARD.encode(format!("v={}", STANDARD.encode([0; 32])));
    let behind = "a2 OK [READ-WRITE] selected\r\na3 OK stored\r\n";
    for (said, passed) in [
        (format!("+ {signature}\r\na1 OK Recognised\r\n"), 0),
        ("a1 OK Recognised\r\n".to_owned(), 0),
        ("+ \r\na1 OK Recognised\r\n".to_owned(), 0),
        // In front of it: what is not tagged, and the answer to a command that was not answered yet, or never sent.
        (
            format!(
                "* 1 EXISTS\r\n* 1 FETCH (BODY[] {{4}}\r\nevil)\r\na2 OK selected\r\n+ {signature}\r\na1 OK yes\r\n"
            ),
            3,
        ),
    ] {
        for chunk in [1, 5, 4096] {
            let tls = Tls::full();
            let (mut end, attempt) = pair.attempt("alice", &tls, None, &[IKY]);
            let attempt = attempt.unwrap();
            let (flight, exchange) = imap::authenticate(tag(), &offer(), name(IKY), attempt.message());
            assert_eq!(flight.rides_along, RideAlong::Commands);
            let (mut events, rest) = client(exchange, format!("{said}{behind}").as_bytes(), chunk);
            let Some(Ok(Event::Done(done))) = events.pop() else { panic!("it is over: {said}") };
            assert!(done.accepted());
            assert_eq!(events.len(), passed, "{events:?}");
            assert_eq!(text(&rest), behind, "what is behind it is left for who is logged in");
            let settled = end.settle(attempt, done.verdict.into(), done.data.as_deref(), pair.now);
            assert_eq!(settled, Settled::Failed(NextStep::Abandon), "{said}");
            assert!(matches!(end.plan(pair.now), Plan::Abandon));
            assert_eq!(pair.client.assertions(&account("alice")).len(), 1, "and nothing is deleted");
        }
    }
}

/// The whole flight, sent on: nobody is logged in there for whom the commands could be carried out, his own ones or the client's.
#[test]
fn a_flight_that_is_sent_on_logs_nobody_in() {
    let pair = logged_in();
    let (_, attempt) = pair.attempt("alice", &Tls::full(), None, &[IKY]);
    let (flight, _) = imap::authenticate(tag(), &offer(), name(IKY), attempt.unwrap().message());
    let his = Tls::full();
    for commands in [COMMANDS, "a2 DELETE INBOX\r\n"] {
        let (mut exchange, mut input) = (imap::server(&offer()), BytesMut::from(&flight.bytes[..]));
        input.extend_from_slice(commands.as_bytes());
        let Ok(ServerEvent::Verify(request)) = exchange.receive(&mut input) else { panic!("a login") };
        let verdict = pair.judge(&his, IKY, &request.initial_response.unwrap());
        assert_eq!((verdict.outcome, verdict.recognised), (Outcome::BadProof, None));
        let mut event = exchange.finish(verdict.outcome, verdict.message.as_deref()).unwrap();
        while let ServerEvent::Send(_) = event {
            event = exchange.receive(&mut input).unwrap();
        }
        assert!(matches!(event, ServerEvent::Done { accepted: false, .. }), "{event:?}");
        assert_eq!(text(&input), commands, "read by whoever is not logged in");
    }
}
