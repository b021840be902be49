//! The same over tokio-rustls and loopback TCP.
#![cfg(feature = "rustls")]

use std::sync::Arc;

use fast_reauth::channel::{ChannelFacts, Exporter, Handle};
use fast_reauth::rustls::exporter;
use fast_reauth::store::client::Predecessor;
use rustls::server::Acceptor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor, TlsConnector};

mod rustls_support;
use rustls_support::*;

#[derive(Clone, Copy, Debug)]
enum Accept {
    Plainly,
    Lazily,
}

struct Seen {
    server: ChannelFacts,
    client: ChannelFacts,
    handle: Handle,
    predecessor: Option<Predecessor>,
}

async fn connect(bench: &Bench, how: Accept) -> Seen {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let handle = handle();
    let server = async {
        let (tcp, _) = listener.accept().await.unwrap();
        let (config, watch) = bench.recognition.connection(handle);
        let mut tls = match how {
            Accept::Plainly => TlsAcceptor::from(config).accept(tcp).await.unwrap(),
            Accept::Lazily => {
                let start = LazyConfigAcceptor::new(Acceptor::default(), tcp).await.unwrap();
                start.into_stream(config).await.unwrap()
            }
        };
        tls.write_all(b"x").await.unwrap();
        tls.read_u8().await.unwrap();
        let mut seed = [0; 32];
        exporter(tls.get_ref().1).export(b"EXPORTER-SASL-IKY", b"context", &mut seed).unwrap();
        (watch.facts(tls.get_mut().1).unwrap(), seed)
    };
    let client = async {
        let tcp = TcpStream::connect(address).await.unwrap();
        let (config, watch) = bench.sessions.connection(&bench.base, &account("alice"));
        let mut tls = TlsConnector::from(config).connect(NAME.try_into().unwrap(), tcp).await.unwrap();
        let facts = watch.facts(tls.get_ref().1).unwrap();
        watch.authenticated(&facts, None);
        // The tickets come before this.
        tls.read_u8().await.unwrap();
        tls.write_all(b"x").await.unwrap();
        let mut seed = [0; 32];
        exporter(tls.get_ref().1).export(b"EXPORTER-SASL-IKY", b"context", &mut seed).unwrap();
        (facts, watch.predecessor(tls.get_ref().1), seed)
    };
    let ((server, one), (client, predecessor, other)) = tokio::join!(server, client);
    assert_eq!(one, other);
    Seen { server, client, handle, predecessor }
}

#[tokio::test]
async fn a_returning_client_is_recognised() {
    for mode in MODES {
        for how in [Accept::Plainly, Accept::Lazily] {
            let bench = Bench::new(mode);
            let first = connect(&bench, how).await;
            let second = connect(&bench, how).await;
            assert_eq!(first.server.resumed_handle(), None);
            assert_eq!(first.predecessor, None);
            assert_eq!(second.server.resumed_handle(), Some(&first.handle), "{mode:?} {how:?}");
            assert_eq!(second.server.session_tickets(), mode.1);
            assert_eq!(second.predecessor.as_ref().map(|it| &it.lineage), first.server.lineage());
            for seen in [first, second] {
                assert_agreed(&seen.client, &seen.server);
                assert_eq!(seen.client.tls_server_end_point(), seen.server.tls_server_end_point());
            }
        }
    }
}

#[tokio::test]
async fn eight_connections_at_once() {
    let bench = Arc::new(Bench::with(MODES[0], |config| config.send_tls13_tickets = 8));
    let first = connect(&bench, Accept::Plainly).await;
    let (a, b, c, d, e, f, g, h) = tokio::join!(
        connect(&bench, Accept::Plainly),
        connect(&bench, Accept::Lazily),
        connect(&bench, Accept::Plainly),
        connect(&bench, Accept::Lazily),
        connect(&bench, Accept::Plainly),
        connect(&bench, Accept::Lazily),
        connect(&bench, Accept::Plainly),
        connect(&bench, Accept::Lazily),
    );
    for seen in [a, b, c, d, e, f, g, h] {
        assert!(seen.server.is_resumed());
        assert_agreed(&seen.client, &seen.server);
        let predecessor = seen.predecessor.unwrap();
        // A connection that authenticated may have left newer tickets by then.
        if seen.server.resumed_handle() == Some(&first.handle) {
            assert_eq!(Some(&predecessor.lineage), first.client.lineage());
        }
    }
}
