//! A client that connects past the front end.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use fast_reauth::channel::{ChannelFacts, ExporterSecret, ServerName};
use fast_reauth::proxy;
use proxy_header::{ProxiedAddress, ProxyHeader, SslInfo, Tlv};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use crate::{Args, Fault, NAME};

/// Connects from an address of its own, with a header or without, and prints what it gets.
pub(crate) fn run(args: &Args) -> Result<(), Fault> {
    let from: IpAddr = args.from.parse()?;
    let to = SocketAddr::from(([127, 0, 0, 1], args.port));
    let mut said = match args.mode.as_str() {
        "header" => header(to)?,
        "none" => Vec::new(),
        mode => return Err(format!("there is no mode {mode}").into()),
    };
    said.extend_from_slice(b"a1 CAPABILITY\r\n");
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        let mut tcp = socket.connect(to).await?;
        tcp.write_all(&said).await?;
        let mut answer = Vec::new();
        // A server that closes on octets that it did not read resets the connection.
        let _ = tokio::time::timeout(Duration::from_secs(5), tcp.read_to_end(&mut answer)).await?;
        println!("step {} {}", args.mode, if answer.is_empty() { "closed" } else { "answered" });
        Ok(())
    })
}

/// Everything that a front end would say of a connection.
fn header(to: SocketAddr) -> Result<Vec<u8>, Fault> {
    let name = ServerName::parse(NAME)?;
    let secret = ExporterSecret::new(&[7; 32])?;
    let facts = ChannelFacts::tls13().server_name(name).exporter(&secret)?;
    let mut ssl = SslInfo::new(true, false, false, 0);
    ssl.append_tlv(Tlv::SslVersion("TLSv1.3".into()));
    let value = proxy::tlv(&facts, Some(&secret));
    let tlvs = [Tlv::Ssl(ssl), Tlv::Authority(NAME.into()), Tlv::Custom(0xE9, value.into())];
    let mut octets = Vec::new();
    let address = ProxiedAddress::stream("198.51.100.7:40000".parse()?, to);
    ProxyHeader::with_tlvs(Some(address), tlvs).encode_v2(&mut octets).map_err(|error| format!("{error:?}"))?;
    Ok(octets)
}
