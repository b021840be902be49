//! The link between a client and a server: a TCP proxy that adds latency, and the only one who counts.
//!
//! **Latency.** A chunk that enters at one end leaves at the other half a round trip later, in order, and any number of chunks may
//! be under way at once, so sending several commands ahead costs nothing. A connect on loopback is instant, so the link charges
//! the handshake of TCP itself: half a round trip for SYN, half for SYN-ACK, and only then it takes the client's first octets.
//! The server is heard from when the client's ACK has reached it. That is right whoever speaks first.
//!
//! **Counting.** Round trips are counted by cause, not by the clock, so a slow computer changes no count. Every chunk has a *hop*:
//! one more than the highest hop that had been delivered to its sender before it was sent. SYN is hop 1, SYN-ACK 2, the
//! ClientHello 3, and so on. Whoever waits for an answer sends with a higher hop; whoever doesn't, doesn't. What the client has
//! received up to a moment took half as many round trips as the highest hop in it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until};

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Client,
    Server,
}

impl End {
    fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// All that one end sent for the same reason: what crossed in one direction with the same hop.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    pub(crate) from: End,
    pub(crate) hop: u32,
    /// When its first octet entered the link, since the connect.
    pub(crate) departed: Duration,
    /// When its last octet so far left the link.
    pub(crate) arrived: Option<Duration>,
    pub(crate) octets: usize,
    /// What the sender says was in it. The link can't know: it sees TLS.
    pub(crate) labels: Vec<String>,
}

/// What the client has waited for, up to some moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Count {
    pub(crate) round_trips: u32,
    pub(crate) elapsed: Duration,
}

/// One connection's link. A clone is another handle to it, for the two programs to say what they send.
#[derive(Clone)]
pub(crate) struct Link {
    rtt: Duration,
    log: Rc<RefCell<Log>>,
}

struct Log {
    start: Instant,
    flights: Vec<Flight>,
    /// The highest hop delivered to each end.
    delivered: [u32; 2],
    /// What each end says it is sending, until the link has seen it.
    announced: [Vec<String>; 2],
}

impl Link {
    pub(crate) fn new(rtt: Duration) -> Self {
        let log = Log { start: Instant::now(), flights: Vec::new(), delivered: [0; 2], announced: Default::default() };
        Self { rtt, log: Rc::new(RefCell::new(log)) }
    }

    /// Says what is about to be sent, for the waterfall. It counts for nothing.
    pub(crate) fn announce(&self, from: End, what: impl Into<String>) {
        self.log.borrow_mut().announced[from as usize].push(what.into());
    }

    /// How many round trips, and how much time, what has been delivered to the client so far took.
    pub(crate) fn count(&self) -> Count {
        let log = self.log.borrow();
        Count { round_trips: log.delivered[End::Client as usize] / 2, elapsed: log.start.elapsed() }
    }

    pub(crate) fn flights(&self) -> Vec<Flight> {
        self.log.borrow().flights.clone()
    }

    /// Carries one connection from `listener` to `server` until both ends have closed.
    pub(crate) async fn carry(&self, listener: &TcpListener, server: SocketAddr) -> io::Result<()> {
        let (client, _) = listener.accept().await?;
        let start = Instant::now();
        self.log.borrow_mut().start = start;
        let half = self.rtt / 2;

        self.handshake(End::Client, "SYN", 1);
        sleep_until(start + half).await;
        self.arrived(End::Server, 1);
        let server = TcpStream::connect(server).await?;
        self.handshake(End::Server, "SYN-ACK", 2);
        sleep_until(start + self.rtt).await;
        self.arrived(End::Client, 2);

        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let upstream = self.pump(End::Client, from_client, to_server);
        let downstream = async {
            // The client's ACK is hop 3 and carries nothing. A server that speaks first speaks when it is here.
            sleep_until(start + self.rtt + half).await;
            self.log.borrow_mut().deliver(End::Server, 3);
            self.pump(End::Server, from_server, to_client).await
        };
        tokio::try_join!(upstream, downstream).map(|_| ())
    }

    /// Carries what `from` sends until it closes.
    async fn pump(&self, from: End, mut input: OwnedReadHalf, mut output: OwnedWriteHalf) -> io::Result<()> {
        let mut under_way: VecDeque<(Instant, u32, Vec<u8>)> = VecDeque::new();
        let mut open = true;
        while open || !under_way.is_empty() {
            let due = under_way.front().map(|(due, ..)| *due);
            let mut chunk = Vec::with_capacity(16 * 1024);
            tokio::select! {
                biased;
                read = input.read_buf(&mut chunk), if open => match read? {
                    0 => open = false,
                    octets => under_way.push_back((Instant::now() + self.rtt / 2, self.departed(from, octets), chunk)),
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    let Some((_, hop, chunk)) = under_way.pop_front() else { continue };
                    settle().await;
                    output.write_all(&chunk).await?;
                    self.arrived(from.other(), hop);
                }
            }
        }
        output.shutdown().await
    }

    /// TCP's own packets, which no program sees.
    fn handshake(&self, from: End, what: &str, hop: u32) {
        let mut log = self.log.borrow_mut();
        let departed = log.start.elapsed();
        log.flights.push(Flight { from, hop, departed, arrived: None, octets: 0, labels: vec![what.to_owned()] });
    }

    /// A chunk entered the link: its hop follows from what had been delivered to its sender by now.
    fn departed(&self, from: End, octets: usize) -> u32 {
        let mut log = self.log.borrow_mut();
        let hop = log.delivered[from as usize] + 1;
        let labels = std::mem::take(&mut log.announced[from as usize]);
        let departed = log.start.elapsed();
        match log.flights.iter_mut().find(|flight| flight.from == from && flight.hop == hop) {
            Some(flight) => {
                flight.octets += octets;
                flight.labels.extend(labels);
            }
            None => log.flights.push(Flight { from, hop, departed, arrived: None, octets, labels }),
        }
        hop
    }

    fn arrived(&self, at: End, hop: u32) {
        let mut log = self.log.borrow_mut();
        log.deliver(at, hop);
        let now = log.start.elapsed();
        if let Some(flight) = log.flights.iter_mut().find(|flight| flight.from == at.other() && flight.hop == hop) {
            flight.arrived = Some(now);
        }
    }
}

impl Log {
    fn deliver(&mut self, to: End, hop: u32) {
        let delivered = &mut self.delivered[to as usize];
        *delivered = hop.max(*delivered);
    }
}

/// Lets everything happen that can happen already, before one more thing is delivered.
///
/// All of this program runs in one thread. Without this, on a computer too busy to keep time, a chunk could be delivered to an end
/// whose last words still wait to be read, and those would seem to be an answer to it. Each yield polls sockets and tasks once;
/// from a delivery to the reading of its answer it takes three.
async fn settle() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(20);

    /// What a client waits for that talks to a server like this, over plain TCP.
    async fn count<S, C>(server: impl FnOnce(TcpStream) -> S, client: impl FnOnce(TcpStream) -> C) -> Count
    where
        S: Future<Output = io::Result<()>>,
        C: Future<Output = io::Result<()>>,
    {
        let link = Link::new(RTT);
        let far = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = async { server(far.accept().await?.0).await };
        let client = async {
            client(TcpStream::connect(near.local_addr()?).await?).await?;
            io::Result::Ok(link.count())
        };
        let (_, _, count) = tokio::try_join!(server, link.carry(&near, far.local_addr().unwrap()), client).unwrap();
        assert!(count.elapsed >= RTT * count.round_trips, "{count:?}");
        count
    }

    #[tokio::test]
    async fn a_server_that_speaks_first_is_heard_after_two() {
        let server = |mut tcp: TcpStream| async move { tcp.write_all(b"hello").await };
        let client = |mut tcp: TcpStream| async move { tcp.read_exact(&mut [0; 5]).await.map(|_| ()) };
        assert_eq!(count(server, client).await.round_trips, 2);
    }

    #[tokio::test]
    async fn commands_sent_ahead_cost_nothing() {
        let server = |mut tcp: TcpStream| async move {
            for _ in 0..3 {
                tcp.read_u8().await?;
                tcp.write_u8(1).await?;
            }
            Ok(())
        };
        let ahead = |mut tcp: TcpStream| async move {
            for _ in 0..3 {
                tcp.write_u8(0).await?;
                tokio::time::sleep(RTT / 10).await;
            }
            tcp.read_exact(&mut [0; 3]).await.map(|_| ())
        };
        assert_eq!(count(server, ahead).await.round_trips, 2);
        let in_turn = |mut tcp: TcpStream| async move {
            for _ in 0..3 {
                tcp.write_u8(0).await?;
                tcp.read_u8().await?;
            }
            Ok(())
        };
        assert_eq!(count(server, in_turn).await.round_trips, 4);
    }
}
