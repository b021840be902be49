//! A greeting in the server's first flight that says whether the client is recognised.
#![cfg(feature = "rustls")]

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use fast_reauth::channel::Handle;
use rustls::server::Acceptor;
use rustls::{ClientConnection, ServerConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{LazyConfigAcceptor, TlsConnector};

mod rustls_support;
use rustls_support::*;

fn greeting(recognised: Option<Handle>) -> &'static [u8] {
    match recognised {
        Some(_) => b"* OK [CAPABILITY IMAP4rev2 AUTH=EXTERNAL] again\r\n",
        None => b"* OK [CAPABILITY IMAP4rev2 AUTH=SCRAM-SHA-256] new\r\n",
    }
}

fn read(client: &mut ClientConnection) -> Vec<u8> {
    let mut plain = vec![0; 256];
    let len = client.reader().read(&mut plain).unwrap_or(0);
    plain.truncate(len);
    plain
}

#[test]
fn the_greeting_comes_in_the_first_flight() {
    for mode in &MODES[..2] {
        let bench = Bench::new(*mode);
        for resumed in [false, true] {
            let mut link = bench.start("alice");
            transfer(&mut link.client, &mut link.server);
            let recognised = link.watch.recognised(&link.server);
            assert_eq!(recognised.is_some(), resumed, "{mode:?}");
            assert!(link.server.is_handshaking());
            link.server.writer().write_all(greeting(recognised)).unwrap();
            // One flight each way: the client has sent nothing but its ClientHello.
            transfer(&mut link.server, &mut link.client);
            assert!(!link.client.is_handshaking());
            assert_eq!(read(&mut link.client), greeting(recognised), "{mode:?}");
            link.pump();
            assert_eq!(link.facts().resumed_handle().copied(), recognised);
            link.authenticated(None);
        }
    }
}

#[test]
fn under_tls12_it_waits_for_the_handshake() {
    for mode in &MODES[2..] {
        let bench = Bench::new(*mode);
        for resumed in [false, true] {
            let mut link = bench.start("alice");
            transfer(&mut link.client, &mut link.server);
            let recognised = link.watch.recognised(&link.server);
            assert_eq!(recognised.is_some(), resumed, "{mode:?}");
            link.server.writer().write_all(greeting(recognised)).unwrap();
            transfer(&mut link.server, &mut link.client);
            assert_eq!(read(&mut link.client), b"", "{mode:?}");
            link.pump();
            assert_eq!(read(&mut link.client), greeting(recognised), "{mode:?}");
            link.authenticated(None);
        }
    }
}

#[tokio::test]
async fn the_greeting_comes_in_the_first_flight_under_tokio() {
    for mode in &MODES[..2] {
        let bench = Bench::new(*mode);
        for resumed in [false, true] {
            let (near, far) = tokio::io::duplex(1 << 16);
            let (config, watch) = bench.recognition.connection(handle());
            let spoken = Arc::new(Mutex::new(Vec::new()));
            let note = Arc::clone(&spoken);
            let server = async move {
                let start = LazyConfigAcceptor::new(Acceptor::default(), far).await.unwrap();
                let greet = |tls: &mut ServerConnection| {
                    let greeting = greeting(watch.recognised(tls));
                    tls.writer().write_all(greeting).unwrap();
                    note.lock().unwrap().extend_from_slice(greeting);
                };
                let mut tls = start.into_stream_with(config, greet).await.unwrap();
                let facts = watch.facts(tls.get_mut().1).unwrap();
                tls.write_all(b"bye").await.unwrap();
                tls.shutdown().await.unwrap();
                facts
            };
            let (config, watch) = bench.sessions.connection(&bench.base, &account("alice"));
            let client = async move {
                // Holds back everything after the ClientHello, so only what came with the first flight can arrive.
                let mut tls = ClientConnection::new(config, NAME.try_into().unwrap()).unwrap();
                let (mut read_half, mut write_half) = tokio::io::split(near);
                let mut wire = Vec::new();
                while tls.wants_write() {
                    tls.write_tls(&mut wire).unwrap();
                }
                write_half.write_all(&wire).await.unwrap();
                let mut plain = Vec::new();
                while plain.is_empty() {
                    let mut wire = vec![0; 1 << 14];
                    let len = read_half.read(&mut wire).await.unwrap();
                    assert!(len > 0);
                    let mut wire = &wire[..len];
                    while !wire.is_empty() {
                        tls.read_tls(&mut wire).unwrap();
                        tls.process_new_packets().unwrap();
                    }
                    plain = read(&mut tls);
                }
                // Now the client's Finished, and the rest until the server closes.
                loop {
                    let mut out = Vec::new();
                    while tls.wants_write() {
                        tls.write_tls(&mut out).unwrap();
                    }
                    write_half.write_all(&out).await.unwrap();
                    let mut wire = vec![0; 1 << 14];
                    let len = read_half.read(&mut wire).await.unwrap();
                    if len == 0 {
                        break;
                    }
                    let mut wire = &wire[..len];
                    while !wire.is_empty() {
                        tls.read_tls(&mut wire).unwrap();
                        tls.process_new_packets().unwrap();
                    }
                }
                let facts = watch.facts(&tls).unwrap();
                watch.authenticated(&facts, None);
                (plain, facts)
            };
            let (server_facts, (plain, client_facts)) = tokio::join!(server, client);
            assert_eq!(plain, *spoken.lock().unwrap(), "{mode:?}");
            assert_eq!(server_facts.is_resumed(), resumed, "{mode:?}");
            assert_eq!(plain.ends_with(b"again\r\n"), resumed);
            assert_agreed(&client_facts, &server_facts);
        }
    }
}

#[tokio::test]
async fn a_tokio_client_reads_the_greeting() {
    let bench = Bench::new(MODES[0]);
    for resumed in [false, true] {
        let (near, far) = tokio::io::duplex(1 << 16);
        let (config, watch) = bench.recognition.connection(handle());
        let server = async move {
            let start = LazyConfigAcceptor::new(Acceptor::default(), far).await.unwrap();
            let greet = |tls: &mut ServerConnection| {
                let greeting = greeting(watch.recognised(tls));
                tls.writer().write_all(greeting).unwrap();
            };
            let mut tls = start.into_stream_with(config, greet).await.unwrap();
            tls.read_u8().await.unwrap();
            tls.write_all(b"bye").await.unwrap();
        };
        let (config, watch) = bench.sessions.connection(&bench.base, &account("alice"));
        let client = async move {
            let mut tls = TlsConnector::from(config).connect(NAME.try_into().unwrap(), near).await.unwrap();
            let mut line = [0; 80];
            let len = tls.read(&mut line).await.unwrap();
            tls.write_all(b"x").await.unwrap();
            tls.read_exact(&mut [0; 3]).await.unwrap();
            let facts = watch.facts(tls.get_ref().1).unwrap();
            watch.authenticated(&facts, None);
            line[..len].to_vec()
        };
        let ((), line) = tokio::join!(server, client);
        assert_eq!(line.ends_with(b"again\r\n"), resumed);
    }
}
