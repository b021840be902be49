// What `docs/recipes/rsasl.md` leaves out, so that its code can be compiled and run.

struct Password;
impl SessionCallback for Password {
    fn enable_channel_binding(&self) -> bool {
        true
    }
}
struct Passwords;
impl SessionCallback for Passwords {}
struct User;
impl Validation for User {
    type Value = String;
}
fn now() -> Timestamp {
    Timestamp::from_secs(1_790_000_000)
}
fn random() -> [u8; 8] {
    [7; 8]
}
fn listed() -> [&'static str; 2] {
    ["SCRAM-SHA-256-PLUS", "IKY-SHA-256-EXPR"]
}
fn chosen() -> &'static [u8] {
    b"IKY-SHA-256-EXPR"
}
fn advertise(names: Vec<String>) {
    assert_eq!(names, ["IKY-SHA-256-EXPR", "SCRAM-SHA-256-PLUS"]);
}
fn say(_: &str) {}
fn your_client_loop<V: Validation, B: ChannelBindingCallback>(session: &mut Session<V, B>) -> bool {
    if session.get_mechname().as_str() == "SCRAM-SHA-256-PLUS" {
        return true;
    }
    let mut out = Vec::new();
    assert!(session.step(None, &mut out).is_ok_and(|state| state.is_running()) && !out.is_empty());
    session.step(None, &mut out).is_err()
}
fn your_server_loop<V: Validation, B: ChannelBindingCallback>(session: &mut Session<V, B>) -> bool {
    let mut out = Vec::new();
    let state = session.step(Some(b"nonsense"), &mut out);
    assert!(out == b"e=malformed");
    state.is_ok_and(|state| state.is_finished())
}
fn scene() -> Result<()> {
    use fast_reauth::{
        assertion::{Scope, Service},
        channel::ServerName,
    };
    let exporter = |_: &[u8], _: &[u8], out: &mut [u8]| Ok(out.fill(1));
    let name = ServerName::parse("imap.example.com")?;
    let facts = ChannelFacts::tls13().server_name(name.clone()).exporter(&exporter)?;
    let account = Account::new(Scope::new(Service::IMAP, name.clone()), "alice");
    let accounts = Arc::new(Accounts::default());
    assert_eq!(log_in(&accounts, &account, facts.clone(), &exporter, None)?, Settled::LoggedIn);
    assert_eq!(accounts.assertions(&account).len(), 1);
    // It is known now. This server says nothing then, so nobody shows that it is the server.
    let abandoned = Settled::Failed(mechanism::NextStep::Abandon);
    assert_eq!(log_in(&accounts, &account, facts.clone(), &exporter, None)?, abandoned);
    let service = Arc::new(mechanism::Server::new(Service::IMAP, [name], ["SCRAM-SHA-256-PLUS"])?);
    serve(&service, &(Arc::new(MemoryStore::default()) as Arc<dyn Store>), facts, &exporter)
}
