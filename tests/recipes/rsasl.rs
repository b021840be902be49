// What `docs/recipes/rsasl.md` leaves out, so that its code can be compiled and run.

struct Password;
impl SessionCallback for Password {
    fn enable_channel_binding(&self) -> bool {
        true
    }
}
struct Passwords;
impl SessionCallback for Passwords {
    fn validate(
        &self,
        _: &rsasl::callback::SessionData,
        who: &rsasl::callback::Context<'_>,
        validate: &mut rsasl::validate::Validate<'_>,
    ) -> core::result::Result<(), rsasl::validate::ValidationError> {
        if let Some(name) = who.get_ref::<rsasl::property::AuthId>() {
            validate.finalize::<User>(name.to_owned());
        }
        Ok(())
    }
}
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
static SAID: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());
fn say(word: &str) {
    SAID.lock().unwrap().push(word.to_owned());
}
/// What the client sends, and whether it answers the last challenge or cancels.
static SENDS: std::sync::Mutex<(Vec<u8>, bool)> = std::sync::Mutex::new((Vec::new(), true));
fn your_client_loop<V: Validation, B: ChannelBindingCallback>(session: &mut Session<V, B>) -> bool {
    if session.get_mechname().as_str() == "SCRAM-SHA-256-PLUS" {
        return true;
    }
    let mut out = Vec::new();
    assert!(session.step(None, &mut out).is_ok_and(|state| state.is_running()) && !out.is_empty());
    session.step(None, &mut out).is_err()
}
fn your_server_loop<V: Validation, B: ChannelBindingCallback>(session: &mut Session<V, B>) -> bool {
    let (message, answers) = SENDS.lock().unwrap().clone();
    session.step(Some(&message), &mut Vec::new()).is_ok_and(|state| state.is_finished() && answers)
}
fn scene() -> Result<()> {
    use fast_reauth::{
        assertion::{Scope, Service},
        channel::ServerName,
        framework::Way,
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
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let server = Server::new(SharedConnection::new(service.clone(), facts.clone()), store.clone(), now);
    let full = FullLogin::new("SCRAM-SHA-256-PLUS", "alice")?.bound_by(BindingType::Exporter);
    let login = Login { full: &full, identity: "alice", device: DeviceId::new(random()), now: now() };
    assert!(server.logged_in(login, &exporter)?);
    let known = || {
        let client = Client::new(accounts.connect_shared(&account, facts.clone()).offered(listed()), now);
        assert_eq!(client.plan(), Way::Known("IKY-SHA-256-EXPR"));
        client.message("IKY-SHA-256-EXPR").unwrap()
    };
    for (sends, said) in [((b"nonsense".to_vec(), true), "NO"), ((known(), false), "NO"), ((known(), true), "OK")] {
        *SENDS.lock().unwrap() = sends;
        serve(&service, &store, facts.clone(), &exporter)?;
        assert_eq!(SAID.lock().unwrap().pop().as_deref(), Some(said));
    }
    Ok(())
}
