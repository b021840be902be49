//! Binds of LDAP.

use super::*;

#[test]
fn ldap_bind() {
    let name = "ldap.example.com";
    let world = World::new(Service::LDAP, name, "u:alice", &[Pin::SHA_256_EXPR], Policy::default());
    world.full_login(&Tls::full(1, name), &[]);
    let mut out = Dialogue::default();
    let mut attempt = world.attempt(&Tls::full(2, name), None, "");
    let offer = attempt.offer();
    let message = attempt.message();
    let (flight, mut client) = ldap::bind(1, attempt.mechanism(), &message).unwrap();
    out.0.push_str("BindRequest, in hexadecimal:\n\n");
    out.hex("C:", &flight.bytes);
    let mut server = ldap::ServerExchange::new(&offer);
    let Ok(ServerEvent::Verify(request)) = server.receive(&mut BytesMut::from(&flight.bytes[..])) else { panic!() };
    let verdict = attempt.judge(request.mechanism.as_str(), &request.initial_response.unwrap());
    let answer = server.finish(verdict.outcome, verdict.message.as_deref()).unwrap();
    let ServerEvent::Done { bytes, accepted: true } = answer else { panic!("{answer:?}") };
    out.0.push_str("\nBindResponse:\n\n");
    out.hex("S:", &bytes);
    let Ok(Event::Done(completion)) = client.receive(&mut BytesMut::from(&bytes[..])) else { panic!() };
    assert_eq!(attempt.settle(Outcome::Accepted, completion.data.as_deref()), Settled::LoggedIn);
    out.decoded("credentials", &message);
    out.decoded("serverSaslCreds", &completion.data.unwrap());
    check("ldap.txt", out);
}
