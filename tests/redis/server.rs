//! A server of Valkey or Redis, started for one test and ended with it.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fast_reauth::store::redis::{AsyncRedisStore, RedisSettings, RedisStore};

/// Which server there is, if there is one: the one named in the environment, or one in `PATH`.
fn installed() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("FAST_REAUTH_VALKEY_SERVER") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    let in_path = |name| std::env::split_paths(&path).map(move |directory| directory.join(name));
    ["valkey-server", "redis-server"].into_iter().flat_map(in_path).find(|file| file.is_file())
}

pub(crate) struct Server {
    program: PathBuf,
    directory: PathBuf,
    options: Vec<String>,
    port: u16,
    child: Option<Child>,
}

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Nothing survives this server's end.
pub(crate) const FORGETFUL: &[&str] = &["--save", "", "--appendonly", "no"];
/// Everything does.
pub(crate) const KEEPING: &[&str] = &["--save", "", "--appendonly", "yes", "--appendfsync", "always"];

impl Server {
    /// `None`, and a line that says so, where there is none on this machine.
    pub(crate) fn start(options: &[&str]) -> Option<Self> {
        let Some(program) = installed() else {
            println!("not run: no valkey-server or redis-server");
            return None;
        };
        let name = format!("fast-reauth-redis-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory).unwrap();
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let mut server = Self { program, directory, options, port: 0, child: None };
        server.run();
        Some(server)
    }

    /// Starts it, on its port if it had one.
    pub(crate) fn run(&mut self) {
        for _ in 0..20 {
            if self.port == 0 {
                self.port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
            }
            let log = std::fs::OpenOptions::new().create(true).append(true).open(self.directory.join("log")).unwrap();
            let mut command = Command::new(&self.program);
            command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--dir"]).arg(&self.directory);
            command.args(["--enable-debug-command", "yes"]).args(&self.options);
            self.child = Some(command.stdin(Stdio::null()).stdout(log).stderr(Stdio::null()).spawn().unwrap());
            if self.answers() {
                return;
            }
            self.kill();
            self.port = 0;
        }
        panic!("{} does not start: see {}", self.program.display(), self.directory.display());
    }

    fn answers(&mut self) -> bool {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(10) {
            if self.child.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some()) {
                return false;
            }
            if self.says(&["PING"]).as_deref() == Some("+PONG") {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// The first line of the answer to a command.
    pub(crate) fn says(&self, command: &[&str]) -> Option<String> {
        use std::io::{BufRead, BufReader, Write};
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        let mut request = format!("*{}\r\n", command.len());
        command.iter().for_each(|word| request.push_str(&format!("${}\r\n{word}\r\n", word.len())));
        stream.write_all(request.as_bytes()).ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).ok()?;
        Some(line.trim_end().to_owned())
    }

    /// The elements of the answer to a command.
    pub(crate) fn lines(&self, command: &[&str]) -> Vec<String> {
        use std::io::{BufRead, BufReader, Write};
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        stream.write_all(format!("{}\r\n", command.join(" ")).as_bytes()).unwrap();
        let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
        let count: usize = lines.next().unwrap()[1..].parse().unwrap();
        (0..count).filter_map(|_| lines.nth(1)).collect()
    }

    /// The answer to a command, where it is a text.
    pub(crate) fn text(&self, command: &[&str]) -> String {
        use std::io::{BufRead, BufReader, Read, Write};
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        stream.write_all(format!("{}\r\n", command.join(" ")).as_bytes()).unwrap();
        let (mut reader, mut line) = (BufReader::new(stream), String::new());
        reader.read_line(&mut line).unwrap();
        let mut text = vec![0; line.trim_end()[1..].parse().unwrap()];
        reader.read_exact(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub(crate) fn restart(&mut self) {
        self.kill();
        let port = self.port;
        self.run();
        assert_eq!(port, self.port, "somebody took the port");
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Settings for it, with keys of their own.
    pub(crate) fn settings(&self, prefix: &str) -> RedisSettings {
        let settings = RedisSettings::new(format!("redis://127.0.0.1:{}/", self.port)).unwrap();
        // This machine may be busy; what a deadline is worth is tested by itself.
        settings.prefix(prefix).deadline(Duration::from_secs(20))
    }

    pub(crate) fn store(&self, prefix: &str) -> RedisStore {
        RedisStore::new(self.settings(prefix)).unwrap()
    }

    pub(crate) fn async_store(&self, prefix: &str) -> AsyncRedisStore {
        AsyncRedisStore::new(self.settings(prefix)).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
