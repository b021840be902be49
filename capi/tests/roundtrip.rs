//! The programs in C of this folder against the library: alone, under AddressSanitizer and under valgrind, where these are there.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

/// The static library of this very build lies beside the test.
fn library() -> PathBuf {
    let test = env::current_exe().expect("a test knows where it is");
    test.with_file_name("libfastreauth.a")
}

fn compiler() -> String {
    env::var("CC").unwrap_or_else(|_| "cc".to_owned())
}

/// The programs, each a file in C, with what they need beside the library.
const PROGRAMS: [(&str, &[&str]); 3] = [("roundtrip", &[]), ("misuse", &[]), ("sessions", &["-lssl", "-lcrypto"])];

/// Those that can be compiled here.
fn programs() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    PROGRAMS.into_iter().filter(|(name, libraries)| {
        let has = libraries.is_empty() || has_openssl();
        if !has {
            println!("not run: {name}, as there are no headers of OpenSSL");
        }
        has
    })
}

fn has_openssl() -> bool {
    let mut command = Command::new(compiler());
    let status = command.args(["-fsyntax-only", "-include", "openssl/ssl.h", "-x", "c", "/dev/null"]).output();
    status.is_ok_and(|output| output.status.success())
}

fn compile((name, libraries): (&str, &[&str]), suffix: &str, options: &[&str]) -> Option<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}{suffix}"));
    let status = Command::new(compiler())
        .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-g", "-D_POSIX_C_SOURCE=200809L"])
        .args(options)
        .arg("-I")
        .arg(package.join("include"))
        .arg(package.join(format!("tests/{name}.c")))
        .arg(library())
        .args(libraries)
        .args(["-lpthread", "-ldl", "-lm", "-o"])
        .arg(&program)
        .status();
    status.ok()?.success().then_some(program)
}

/// Runs a command with a fresh store's file.
fn run(command: &mut Command, name: &str) -> Output {
    let store = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.redb"));
    let _ = fs::remove_file(&store);
    command.arg(store).output().expect("it starts")
}

fn expect(output: &Output) {
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.ends_with(" as expected\n"), "{}: {said}{complained}", output.status);
}

#[test]
fn a_c_program_logs_in_and_is_refused() {
    for program @ (name, _) in programs() {
        let program = compile(program, "", &[]).expect("it compiles");
        expect(&run(&mut Command::new(program), name));
    }
}

#[test]
fn address_sanitizer_finds_nothing() {
    for program @ (name, _) in programs() {
        let Some(program) = compile(program, "-asan", &["-fsanitize=address,undefined"]) else {
            return println!("not run: {} has no AddressSanitizer", compiler());
        };
        expect(&run(&mut Command::new(program), &format!("{name}-asan")));
    }
}

#[test]
fn valgrind_finds_nothing_and_nothing_leaks() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return println!("not run: there is no valgrind");
    }
    for program @ (name, _) in programs() {
        // Memcheck takes what is encrypted here for uninitialised; why is not known. AddressSanitizer runs that part.
        let program = compile(program, "-valgrind", &["-DWITHOUT_SEALING"]).expect("it compiles");
        let mut valgrind = Command::new("valgrind");
        valgrind.args([
            "--quiet",
            "--error-exitcode=9",
            "--leak-check=full",
            "--errors-for-leak-kinds=definite,indirect",
        ]);
        expect(&run(valgrind.arg(program), &format!("{name}-valgrind")));
    }
}

/// The header is C++ too.
#[test]
fn the_header_is_cpp_too() {
    let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/fast_reauth.h");
    let Ok(output) = Command::new("c++")
        .args(["-fsyntax-only", "-Wall", "-Werror", "-include"])
        .arg(header)
        .args(["-x", "c++", "/dev/null"])
        .output()
    else {
        return println!("not run: there is no c++");
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The README's example compiles, between declarations of what is the application's and OpenSSL's.
#[test]
fn the_readme_compiles() {
    const AROUND: [&str; 2] = [
        "#include \"fast_reauth.h\"\n#include <time.h>\n\
         typedef struct ssl_st SSL;\n\
         enum { TLSEXT_NAMETYPE_host_name };\n\
         int SSL_export_keying_material(SSL *, unsigned char *, size_t, const char *, size_t, const unsigned char *, size_t, int);\n\
         int SSL_session_reused(const SSL *);\n\
         const char *SSL_get_servername(const SSL *, int);\n\
         void welcome(const uint8_t *, size_t), answer(const uint8_t *, size_t);\n",
        "fr_store *store;\nfr_server *server;\nfr_server_connection *connection;\nfr_verdict verdict;\n\
         void serve(SSL *ssl, fr_octets received);\nvoid serve(SSL *ssl, fr_octets received) {\n",
    ];
    let readme = include_str!("../README.md");
    let example = readme.split("```c\n").nth(1).and_then(|rest| rest.split("```").next()).expect("there is an example");
    let (callback, body) = example.split_once("\n\n").expect("the callback, then the rest");
    let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme.c");
    fs::write(&source, format!("{}{callback}\n{}{body}}}\n", AROUND[0], AROUND[1])).expect("it can be written");
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let status = Command::new(compiler())
        .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I"])
        .arg(include)
        .arg(source)
        .status();
    assert!(status.expect("there is a C compiler").success());
}
