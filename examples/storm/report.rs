//! What is printed.

use std::fmt::Write as _;

use serde_json::json;

use crate::meter::Cpu;
use crate::storm::{Measured, Storm};
use crate::{Fault, THREADS};

/// Machine-readable, and nothing else. Times are in microseconds where they don't say otherwise, memory in octets.
pub(crate) fn json(measured: &Measured) -> Result<String, Fault> {
    let rounded = |number: f64| (number * 1000.0).round() / 1000.0;
    let storms = measured.storms.iter().map(|storm| {
        json!({
            "way": storm.way.name(),
            "mechanism": storm.way.title(),
            "clients": storm.clients,
            "logins": storm.logins,
            "logins_per_second": rounded(storm.per_second()),
            "server_cpu_per_login": storm.server.json(),
            "client_cpu_per_login": storm.client.json(),
            "authentication_share_of_login": rounded(storm.share_of_login()),
            "authentication_to_tls": rounded(storm.to_tls()),
            "p50_milliseconds": rounded(storm.percentile(50)),
            "p99_milliseconds": rounded(storm.percentile(99)),
        })
    });
    let object = json!({
        "clients": measured.clients,
        "rounds": measured.rounds,
        "threads": THREADS,
        "tls": "1.3, resumed",
        "memory_per_known_client": measured.known.round(),
        "memory_per_connection": measured.connection.round(),
        "storms": storms.collect::<Vec<_>>(),
    });
    Ok(serde_json::to_string_pretty(&object)? + "\n")
}

/// For a person.
pub(crate) fn text(measured: &Measured) -> String {
    let Measured { clients, rounds, known, connection, storms } = measured;
    let mut out = format!(
        "{clients} clients reconnect at once, {rounds} times for each way to log in, over TLS 1.3 that is resumed; XMPP from\n\
         TCP connect to <bound/>. The server has {THREADS} threads, and so has the process of the clients.\n\n\
         CPU time of a login in microseconds, by the clocks of the threads:\n  \
         channel   the adapter's: facts of the connection, two values of TLS' exporter, whose session it was\n  \
         authent.  from what is listed to the verdict, with what the store is asked; or the check of the password\n  \
         record    behind the reply: a write to the store, so that the next connection that resumes is known, too\n  \
         sockets   and the runtime, and the kernel's TCP\n\n"
    );
    let heads = ["TLS", "channel", "authent.", "record", "XMPP", "sockets", "all"];
    let row = |cells: &[String]| cells.iter().map(|cell| format!("{cell:>9}")).collect::<String>();
    let head = row(&heads.map(str::to_owned));
    let _ = writeln!(out, "{:20}{:^63}{:^65}", "", "at the server", "at the client");
    let _ = writeln!(out, "{:20}{head}  {head}", "");
    for storm in storms {
        let cells = |cpu: &Cpu| {
            let parts = [cpu.tls, cpu.channel, cpu.authentication, cpu.record, cpu.xmpp, cpu.rest, cpu.whole()];
            row(&parts.map(|nanos| format!("{:.1}", nanos / 1e3)))
        };
        let _ = writeln!(out, "{:20}{}  {}", storm.way.title(), cells(&storm.server), cells(&storm.client));
    }
    let _ = writeln!(
        out,
        "\n{:20}{:>9}{:>11}{:>12}{:>12}{:>16}{:>16}",
        "", "clients", "logins/s", "half in", "99 % in", "authent.:TLS", "authent.:all"
    );
    for storm in storms {
        let _ = writeln!(
            out,
            "{:20}{:>9}{:>11.0}{:>9.0} ms{:>9.0} ms{:>15}x{:>14.1} %",
            storm.way.title(),
            storm.clients,
            storm.per_second(),
            storm.percentile(50),
            storm.percentile(99),
            ratio(storm.to_tls()),
            100.0 * storm.share_of_login(),
        );
    }
    let _ = writeln!(
        out,
        "\nMemory of the server: {:.1} KiB for a client that it knows and that is away (record, token, TLS sessions), {:.1} KiB\n\
         for one that is connected.",
        known / 1024.0,
        connection / 1024.0,
    );
    let of = |name: &str| storms.iter().find(|storm| storm.way.name() == name);
    if let (Some(argon2), Some(scram), Some(iky), Some(external)) =
        (of("argon2-plain"), of("scram"), of("iky"), of("external"))
    {
        let times = |from: &Storm, to: &Storm| ratio(from.server.authentication / to.server.authentication);
        let whole = |from: &Storm, to: &Storm| ratio(from.server.whole() / to.server.whole());
        let _ = writeln!(
            out,
            "To authenticate a client with Argon2 takes the server {} times the CPU of IKY, with SCRAM {} times; of EXTERNAL {} and {} times.\n\
             A whole login, TLS and all: Argon2 {} times that of IKY, SCRAM {} times.",
            times(argon2, iky),
            times(scram, iky),
            times(argon2, external),
            times(scram, external),
            whole(argon2, iky),
            whole(scram, iky),
        );
    }
    out
}

/// With two digits that count.
pub(crate) fn ratio(number: f64) -> String {
    match number {
        small if small < 0.1 => format!("{small:.3}"),
        small if small < 1.0 => format!("{small:.2}"),
        some if some < 10.0 => format!("{some:.1}"),
        many => format!("{many:.0}"),
    }
}
