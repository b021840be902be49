//! An adapter is small: under 300 lines a unit, comments and tests included. One that grows shows that the core asks too much of those who
//! embed it; what several need goes into the rooms that they share.
//!
//! A unit is one idea: an adapter as a whole where it is small enough; where it is not, one end of a connection, or what its two ends have in
//! common, or early data. So OpenSSL, with four of them, is above the limit as a whole; so are the handles for SASL frameworks, with their two
//! ends, and what adapters share, with saved sessions.

use std::path::Path;

const LIMIT: usize = 300;

/// Each unit, with its files below `src`.
const UNITS: [(&str, &[&str]); 10] = [
    (
        "what the TLS adapters share",
        &["adapter/mod.rs", "adapter/accounts.rs", "adapter/sessions.rs", "adapter/input.rs"],
    ),
    ("what they share of saved sessions", &["adapter/saved.rs"]),
    ("OpenSSL, both ends", &["openssl/mod.rs"]),
    ("OpenSSL, a client", &["openssl/client.rs"]),
    ("OpenSSL, a server", &["openssl/server.rs"]),
    ("OpenSSL, early data", &["openssl/early.rs"]),
    ("SASL frameworks, a client", &["framework/mod.rs", "framework/client.rs"]),
    ("SASL frameworks, a server", &["framework/mod.rs", "framework/server.rs"]),
    ("rsasl", &["rsasl/mod.rs", "rsasl/mechanism.rs"]),
    ("sasl", &["sasl/mod.rs"]),
];

fn src() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

#[test]
fn each_unit_is_under_300_lines() {
    for (unit, files) in UNITS {
        let lines = |file: &&str| std::fs::read_to_string(src().join(file)).unwrap().lines().count();
        let lines: usize = files.iter().map(lines).sum();
        println!("{unit}: {lines}");
        assert!(lines < LIMIT, "{unit}: {lines} lines; is the core's interface wrong?");
    }
}

#[test]
fn no_file_of_these_rooms_is_left_out() {
    for room in ["adapter", "openssl", "framework", "rsasl", "sasl"] {
        for entry in std::fs::read_dir(src().join(room)).unwrap() {
            let file = format!("{room}/{}", entry.unwrap().file_name().to_string_lossy());
            assert!(UNITS.iter().any(|(_, files)| files.contains(&&*file)), "{file} belongs to a unit");
        }
    }
}
