// What `docs/recipes/sasl.md` leaves out, so that its code can be compiled and run.

use sasl::{
    secret::Pbkdf2Sha256,
    server::{Provider, ProviderError},
};
impl Provider<Pbkdf2Sha256> for Users {
    fn provide(&self, _: &Identity) -> Result<Pbkdf2Sha256, ProviderError> {
        Ok(Pbkdf2Sha256::derive("pencil", b"salt", 16)?)
    }
}
sasl::impl_validator_using_provider!(Users, Pbkdf2Sha256);
fn now() -> Timestamp {
    Timestamp::from_secs(1_790_000_000)
}
fn listed() -> [&'static str; 2] {
    ["SCRAM-SHA-256-PLUS", "IKY-SHA-256-EXPR"]
}
fn scene() -> Fallible<()> {
    use fast_reauth::assertion::{BindingType, DeviceId, FullLogin, Scope, Service};
    use fast_reauth::{
        channel::ServerName,
        mechanism::{Login, Outcome, SharedConnection},
        store::client::Settled,
    };
    use sasl::server::Response;
    let exporter = |_: &[u8], _: &[u8], out: &mut [u8]| Ok(out.fill(1));
    let name = ServerName::parse("xmpp.example.com")?;
    let facts = ChannelFacts::tls13().server_name(name.clone()).exporter(&exporter)?;
    let account = Account::new(Scope::new(Service::XMPP, name.clone()), "alice");
    let accounts = Arc::new(Accounts::default());
    let service = Arc::new(mechanism::Server::new(Service::XMPP, [name], ["SCRAM-SHA-256-PLUS"])?);
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    for expected in ["SCRAM-SHA-256-PLUS", "IKY-SHA-256-EXPR"] {
        let client = client(&accounts, &account, facts.clone(), None);
        let server = Server::new(SharedConnection::new(service.clone(), facts.clone()), store.clone(), now);
        let mut near = choose(&client, &facts)?;
        assert_eq!(near.name(), expected);
        let mut message = near.initial();
        let mut far = serve(&server, &facts, expected, &message);
        let data = loop {
            match far.respond(&message)? {
                Response::Proceed(challenge) => message = near.response(&challenge)?,
                Response::Success(_, data) => break data,
            }
        };
        near.success(&data)?;
        match client.finish(Outcome::Accepted) {
            Some(settled) => assert_eq!(settled, Settled::LoggedIn),
            None => {
                let full = FullLogin::new(expected, "alice")?.bound_by(BindingType::Exporter);
                let login = Login { full: &full, identity: "alice", device: DeviceId::new([7; 8]), now: now() };
                assert!(server.logged_in(login, &exporter)? && client.logged_in(&full, &exporter, &[])?);
            }
        }
    }
    Ok(())
}
