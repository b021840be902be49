//! The rival that examples/reconnect measures is DIGEST-MD5: the example of RFC 2831 section 4, and what subsequent authentication refuses.

#[allow(dead_code)]
#[path = "../examples/reconnect/digest_md5.rs"]
mod digest_md5;

use digest_md5::{Account, Client, Server};

fn account() -> Account {
    let [name, password, realm] = ["chris", "secret", "elwood.innosoft.com"].map(str::to_owned);
    Account { name, password, realm, uri: "imap/elwood.innosoft.com".to_owned() }
}

fn ends() -> (Client, Server) {
    (Client::new(account(), "OA6MHXh6VqTrRk"), Server::new(account(), "OA6MG9tEQGm2hh"))
}

#[test]
fn the_example_of_the_rfc() {
    let (mut client, mut server) = ends();
    let response = client.first(&server.challenge()).unwrap();
    assert!(String::from_utf8_lossy(&response).contains("response=d388dad90d4bbd760a152321f2143af7,"));
    let rspauth = server.verify(&response).unwrap();
    assert_eq!(rspauth, b"rspauth=ea40f60335c427b5527b84dbabcdfffd");
    assert!(client.is_server(&rspauth));
}

#[test]
fn the_next_login_needs_no_challenge_and_a_replay_is_refused() {
    let (mut client, mut server) = ends();
    assert_eq!(client.subsequent(), None);
    let first = client.first(&server.challenge()).unwrap();
    assert!(server.verify(&first).is_some());
    let second = client.subsequent().unwrap();
    assert!(String::from_utf8_lossy(&second).contains("nc=00000002,"));
    assert!(client.is_server(&server.verify(&second).unwrap()));
    assert!(server.verify(&second).is_none(), "the count was used");
    assert!(!client.is_server(b"rspauth=ea40f60335c427b5527b84dbabcdfffd"), "that was the answer to the first");
}
