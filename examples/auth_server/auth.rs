//! The listener that Postfix asks who its clients are.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use fast_reauth::dovecot_auth::{AuthEvent, AuthServer, FullLogin, Greeting, Ruling};
use fast_reauth::mechanism::Outcome;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::service::Provider;
use crate::{Fault, random};

pub(crate) async fn listen(provider: Arc<Provider>, imap: u16) -> Result<(), Fault> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("auth {}\nport {imap}", listener.local_addr()?.port());
    for connection in 1.. {
        // Out of file descriptors, or a client that is gone again, is no reason to serve nobody any more.
        let tcp = loop {
            match listener.accept().await {
                Ok((tcp, _)) => break tcp,
                Err(error) => println!("error {error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let provider = provider.clone();
        tokio::spawn(async move {
            if let Err(fault) = serve(tcp, &provider, connection).await {
                println!("error {fault}");
            }
        });
    }
    Ok(())
}

/// One process of Postfix, until it ends.
async fn serve(mut tcp: TcpStream, provider: &Provider, connection: u32) -> Result<(), Fault> {
    let process = std::process::id();
    let greeting = Greeting { mechanisms: provider.mechanisms()?, process, connection, cookie: random()? };
    let (hello, mut server) = AuthServer::new(&greeting);
    tcp.write_all(&hello).await?;
    let mut input = BytesMut::new();
    let mut outcomes = HashMap::new();
    loop {
        let event = match server.receive(&mut input)? {
            AuthEvent::Verify(attempt) => {
                let verdict = provider.judge(&attempt)?;
                // Whatever FAIL says, Postfix 3.7 makes 535 of it, and a client would give up its token. Only when the
                // connection is lost it says 454. IKY's own message says it behind either.
                if verdict.outcome == Outcome::Unavailable && !attempt.mechanism.is_iky() {
                    return Err("the store does not answer".into());
                }
                let note = format!("{} {:?}", attempt.mechanism, verdict.outcome);
                outcomes.insert(attempt.pending.number(), note);
                server.finish(attempt.pending, Ruling::of(&verdict))
            }
            // None is listed. Where one is, the caller's own SASL engine takes it from here.
            AuthEvent::FullLogin(FullLogin { turn, .. }) | AuthEvent::Response { turn, .. } => {
                server.finish(turn, Ruling::refused(Outcome::BadProof))
            }
            event => Some(event),
        };
        match event {
            Some(AuthEvent::NeedMore) => {
                let read = tcp.read_buf(&mut input).await?;
                if read == 0 {
                    return Ok(());
                }
            }
            Some(AuthEvent::Send(bytes)) => tcp.write_all(&bytes).await?,
            Some(AuthEvent::Done { number, bytes, user }) => {
                let note = outcomes.remove(&number).unwrap_or_else(|| "unheard".to_owned());
                let user = user.as_ref().map_or("nobody", |user| user.as_str());
                println!("login {connection}.{number} {note} {user}");
                tcp.write_all(&bytes).await?;
            }
            Some(AuthEvent::Cancelled { number }) => _ = outcomes.remove(&number),
            // Nothing is left with this caller, so there is always room.
            _ => {}
        }
    }
}
