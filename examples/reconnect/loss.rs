//! What the loss of packets makes of a run: the link's flights once more, some thousand times, with packets that get lost.
//!
//! Which flight waits for which is what the link saw; the time of each comes from a model of TCP as Linux does it. A flight is one
//! packet for each 1,460 octets begun. Each packet, and each that is sent in its place, is lost with the same probability. A packet
//! that is lost is sent again after the retransmission timeout: one second for SYN and SYN-ACK (RFC 6298), else a round trip and
//! 200 ms, doubled each time. A flight has arrived when all of it has. There are no fast retransmissions, which
//! take three packets behind the lost one, and no tail loss probes. Acknowledgements that get lost cost nothing.

use std::time::Duration;

use crate::link::Flight;

/// Octets of a packet, and the timeouts.
const SEGMENT: usize = 1460;
const INITIAL: Duration = Duration::from_secs(1);
const LEAST: Duration = Duration::from_millis(200);

/// How often each run is made. Enough for the mean to be stable to a few milliseconds.
const RUNS: u32 = 10_000;

/// What a client waits on average, where one packet in so many is lost.
pub(crate) fn mean(flights: &[Flight], hops: u32, rtt: Duration, one_in: u64) -> Duration {
    // Always the same losses, so that two runs print the same.
    let mut random = Random(0x5eed);
    let mut sum = Duration::ZERO;
    for _ in 0..RUNS {
        for hop in 1..=hops {
            let packets = flights.iter().filter(|flight| flight.hop == hop).map(packets).max().unwrap_or(1);
            let timeout = if hop <= 2 { INITIAL } else { rtt + LEAST };
            let late = (0..packets).map(|_| delay(&mut random, timeout, one_in)).max().unwrap_or_default();
            sum += rtt / 2 + late;
        }
    }
    sum / RUNS
}

fn packets(flight: &Flight) -> usize {
    flight.octets.div_ceil(SEGMENT).max(1)
}

/// How much later a packet arrives than it would.
fn delay(random: &mut Random, timeout: Duration, one_in: u64) -> Duration {
    let mut late = Duration::ZERO;
    let mut timeout = timeout;
    while random.next() % one_in == 0 {
        late += timeout;
        timeout *= 2;
    }
    late
}

/// A splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}
