//! The committed header is what the sources say.
//!
//! `FR_WRITE_HEADER=1 cargo test -p fast-reauth-capi --test header` writes it.

use std::path::Path;
use std::{env, fs};

#[test]
fn the_committed_header_is_current() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(package.join("cbindgen.toml")).expect("cbindgen.toml is good");
    let mut builder = cbindgen::Builder::new().with_config(config);
    for name in ["result", "values", "channel", "login", "store", "server", "client"] {
        builder = builder.with_src(package.join(format!("src/{name}.rs")));
    }
    for name in ["buffers", "store", "server", "client"] {
        builder = builder.with_src(package.join(format!("src/exports/{name}.rs")));
    }
    let mut made = Vec::new();
    builder.generate().expect("cbindgen reads the sources").write(&mut made);
    let made = String::from_utf8(made).expect("a header is text");
    let committed = package.join("include/fast_reauth.h");
    if env::var_os("FR_WRITE_HEADER").is_some() {
        fs::write(&committed, &made).expect("the header can be written");
    }
    let there = fs::read_to_string(&committed).unwrap_or_default();
    assert!(there == made, "include/fast_reauth.h is not current: run this test with FR_WRITE_HEADER=1");
}
