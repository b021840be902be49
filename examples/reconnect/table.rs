//! The published table, `docs/round-trips.md`: each protocol and each way to log in, over three links, with and without loss.
//!
//! All connections are made, on each link, and counted by it; the counts have to be the same on all three. Times are those that the
//! link takes, so that the table is the same on every machine: a round trip for each one counted, and what `loss.rs` adds. What
//! this computer took on top is checked to be no less, and is not in the table.

use std::fmt::Write as _;
use std::time::Duration;

use crate::service::Service;
use crate::visitor::Visitor;
use crate::{CREDENTIALS, Fault, Protocol, Run, Way, connection, early, loss, report, runtime, tls};

const LINKS: [Duration; 3] = [Duration::from_millis(20), Duration::from_millis(100), Duration::from_millis(300)];

/// One packet in so many is lost.
const ONE_IN: u64 = 100;

/// The columns, after the one without a login.
const WAYS: [(Way, &str); 7] = [
    (Way::Full, "full login, SCRAM-PLUS"),
    (Way::DigestMd5, "DIGEST-MD5, subsequent"),
    (Way::Ht, "HT (FAST)"),
    (Way::ExternalResumed, "EXTERNAL"),
    (Way::IkyResumed, "IKY, resumed TLS"),
    (Way::IkyFresh, "IKY, fresh TLS"),
    (Way::Early, "IKY, early data"),
];

/// What is true of every line of the file.
const HEAD: &str = "\
# Round trips

From TCP connect to the first application reply, over TLS 1.3: in IMAP the tagged OK of SELECT, in SMTP submission the reply to MAIL, in XMPP `<bound/>`. Each cell is a
connection between real ends, counted by the link that it crosses. `cargo run --example reconnect -- --table` prints this file; with `--check docs/round-trips.md` in the place
of `--table` it compares.

";

const TAIL: &str = "
- **DIGEST-MD5** is its subsequent authentication (RFC 2831 section 2.2): initial response with `nc=00000002`, and the server's `rspauth`. In IMAP and SMTP that comes as a challenge, whose empty
  answer a client may not send ahead, nor a command behind it. In XMPP it is measured as a mechanism of SASL2, which nobody deployed; as it was, in SASL1 with a stream restart and a bind, it takes more.
- **HT** needs a token, which only XMPP carries (XEP-0484). **Early data** is specified for IMAP only.
- SMTP's client waits for the greeting, and for the reply to EHLO, with or without a login.

";

const LOSS: &str = "
## How long that is

Milliseconds that the link takes, on average where packets are lost. No kernel is asked: packets get lost in a model of TCP over the flights that the link counted, made
10,000 times with the same random numbers. A flight is a packet for each 1,460 octets begun; one in 100 is lost, and sent again after a second if it is a SYN or SYN-ACK (RFC 6298), else after a round trip and 200 ms,
which doubles. There are no fast retransmissions, which take three packets behind the lost one, and
no tail loss probes.

";

/// One protocol's connections over one link.
struct Column {
    protocol: Protocol,
    without_login: Run,
    ways: Vec<Option<Run>>,
}

/// Prints the table, or compares it with this file.
pub(crate) fn run(check: Option<&str>) -> Result<(), Fault> {
    eprintln!("the link is this program's own; it takes half a minute");
    let mut links = Vec::new();
    for rtt in LINKS {
        let all = runtime()?.block_on(async {
            let mut all = Vec::new();
            for protocol in Protocol::ALL {
                eprintln!("{}, {} ms", protocol.name(), rtt.as_millis());
                all.push(measure(protocol, rtt).await?);
            }
            Ok::<_, Fault>(all)
        })?;
        links.push((rtt, all));
    }
    let text = markdown(&links)?;
    match check {
        None => report::print(&text),
        Some(file) if std::fs::read_to_string(file)? == text => {
            report::print(&format!("{file} is what was measured\n"))
        }
        Some(file) => Err(format!("{file} is not what was measured, which is:\n{text}").into()),
    }
}

async fn measure(protocol: Protocol, rtt: Duration) -> Result<Column, Fault> {
    let (server_tls, client_tls) = tls::configurations()?;
    let open = Service::new(protocol, server_tls.clone(), CREDENTIALS, false)?;
    let new = || Visitor::new(protocol, client_tls.clone(), CREDENTIALS);
    let without_login = connection(&open, &new()?, None, rtt).await?;
    let service = Service::new(protocol, server_tls.clone(), CREDENTIALS, true)?.with_rivals()?;
    let mut visitor = new()?;
    let (digest, token) = (new()?, new()?);
    connection(&service, &digest, Some(Way::DigestMd5), rtt).await?;
    let mut ways = Vec::new();
    // In this order: see `Way::MEASURED`.
    for way in [Way::Full, Way::IkyResumed, Way::ExternalResumed, Way::IkyFresh, Way::DigestMd5, Way::Ht, Way::Early] {
        let run = match (way, protocol) {
            (Way::Ht, Protocol::Xmpp) => {
                connection(&service, &token, Some(Way::Full), rtt).await?;
                connection(&service, &token, Some(way), rtt).await?
            }
            (Way::Early, Protocol::Imap) => early::measure(rtt).await?,
            (Way::Ht | Way::Early, _) => continue,
            (Way::DigestMd5, _) => connection(&service, &digest, Some(way), rtt).await?,
            (Way::IkyFresh, _) => {
                visitor.restart()?;
                connection(&service, &visitor, Some(way), rtt).await?
            }
            _ => connection(&service, &visitor, Some(way), rtt).await?,
        };
        if run.count.elapsed < rtt * run.count.round_trips {
            return Err(format!("{}, {}: faster than its link", protocol.name(), way.name()).into());
        }
        ways.push((way, run));
    }
    let ways = WAYS.map(|(way, _)| ways.iter().position(|(measured, _)| *measured == way).map(|at| ways.remove(at).1));
    Ok(Column { protocol, without_login, ways: ways.into() })
}

fn markdown(links: &[(Duration, Vec<Column>)]) -> Result<String, Fault> {
    let mut out = HEAD.to_owned();
    let heads: String = WAYS.iter().map(|(_, title)| format!(" {title} |")).collect();
    let rule = "| --- ".repeat(WAYS.len() + 2);
    let _ = writeln!(out, "| round trips | no login |{heads}\n{rule}|");
    let Some((_, first)) = links.first() else { return Err("no link".into()) };
    for column in first {
        let count = |run: &Run| run.count.round_trips;
        for (rtt, others) in links {
            let other = others.iter().find(|other| other.protocol == column.protocol).ok_or("a protocol is missing")?;
            let same =
                |(one, other): (&Option<Run>, &Option<Run>)| one.as_ref().map(count) == other.as_ref().map(count);
            if count(&other.without_login) != count(&column.without_login)
                || !column.ways.iter().zip(&other.ways).all(same)
            {
                return Err(format!("{} takes other round trips at {rtt:?}", column.protocol.name()).into());
            }
        }
        let cells = row(column, |run| run.count.round_trips.to_string());
        let _ = writeln!(out, "| {} {cells}", column.protocol.name().to_uppercase());
    }
    out += TAIL.trim_end();
    out += "\n";
    out += LOSS;
    let _ = writeln!(out, "| protocol, round trip, loss | no login |{heads}\n{rule}|");
    for at in 0..first.len() {
        for (rtt, columns) in links {
            let Some(column) = columns.get(at) else { continue };
            let name = format!("{}, {} ms", column.protocol.name().to_uppercase(), rtt.as_millis());
            let cells = row(column, |run| (*rtt * run.count.round_trips).as_millis().to_string());
            let _ = writeln!(out, "| {name}, none {cells}");
            let late =
                |run: &Run| loss::mean(&run.flights, 2 * run.count.round_trips, *rtt, ONE_IN).as_millis().to_string();
            let _ = writeln!(out, "| {name}, 1 % {}", row(column, late));
        }
    }
    Ok(out)
}

fn row(column: &Column, cell: impl Fn(&Run) -> String) -> String {
    let ways = column.ways.iter().map(|run| run.as_ref().map_or("–".to_owned(), &cell));
    let cells = std::iter::once(cell(&column.without_login)).chain(ways);
    cells.fold("|".to_owned(), |row, cell| format!("{row} {cell} |"))
}
