//! The processes that the example starts: each ends with whoever started it, and after a minute in any case.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::config::Config;
use crate::{Fault, LIFETIME, random};

/// For an answer, and for a start.
const PATIENCE: Duration = Duration::from_secs(10);

/// A node that runs.
pub(crate) struct NodeProcess {
    child: Child,
    input: ChildStdin,
    output: Receiver<String>,
    pub(crate) port: u16,
}

impl NodeProcess {
    /// This very program, as a node.
    pub(crate) fn start(config: &Config) -> Result<Self, Fault> {
        let mut child =
            Command::new(std::env::current_exe()?).arg("node").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut input = child.stdin.take().ok_or("no standard input")?;
        let lines = BufReader::new(child.stdout.take().ok_or("no standard output")?).lines();
        let (said, output) = channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| said.send(line)));
        input.write_all(config.to_text().as_bytes())?;
        let mut node = Self { child, input, output, port: 0 };
        let port = node.answer().map_err(|_| format!("node {} does not start", config.name))?;
        node.port = port.strip_prefix("port ").ok_or("a port was due")?.parse()?;
        Ok(node)
    }

    /// Gives a command, and waits for the line that answers it.
    pub(crate) fn command(&mut self, command: &str) -> Result<String, Fault> {
        writeln!(self.input, "{command}")?;
        let answer = self.answer()?;
        if answer.starts_with("error") { Err(format!("{command}: {answer}").into()) } else { Ok(answer) }
    }

    fn answer(&self) -> Result<String, Fault> {
        Ok(self.output.recv_timeout(PATIENCE).map_err(|_| "a node does not answer")?)
    }

    /// Ends it as a crash would: SIGKILL.
    pub(crate) fn kill(&mut self) -> Result<(), Fault> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// A server of Valkey or Redis, which forgets everything when it ends.
pub(crate) struct KeyValueServer {
    keeper: Child,
    /// Its program's name.
    pub(crate) name: String,
    /// Where it is, with its password.
    pub(crate) url: String,
}

impl KeyValueServer {
    /// Starts the one that is installed, if one is, and the nodes can speak with it.
    pub(crate) fn start() -> Result<Option<Self>, Fault> {
        if cfg!(not(feature = "redis")) {
            return Ok(None);
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let programs = ["valkey-server", "redis-server"];
        let mut found = programs.iter().flat_map(|name| std::env::split_paths(&path).map(move |dir| dir.join(name)));
        let Some(program) = found.find(|program| program.is_file()) else { return Ok(None) };
        // Somebody else may take the port in between.
        for _ in 0..3 {
            let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
            if let Some(server) = Self::start_at(port, &program)? {
                return Ok(Some(server));
            }
        }
        Err(format!("{} does not start", program.display()).into())
    }

    fn start_at(port: u16, program: &Path) -> Result<Option<Self>, Fault> {
        let password = URL_SAFE_NO_PAD.encode(random::<24>()?);
        let keeper = Command::new(std::env::current_exe()?).arg("keeper").arg(program).stdin(Stdio::piped()).spawn()?;
        let mut server = Self {
            keeper,
            name: program.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            url: format!("redis://:{password}@127.0.0.1:{port}"),
        };
        // Nothing is written to it.
        let directory = std::env::temp_dir();
        let nothing_kept = "save \"\"\nappendonly no\nloglevel warning";
        let config = format!(
            "port {port}\nbind 127.0.0.1\nrequirepass {password}\ndir {}\n{nothing_kept}\n\n",
            directory.display()
        );
        server.keeper.stdin.as_mut().ok_or("no standard input")?.write_all(config.as_bytes())?;
        let started = Instant::now();
        while started.elapsed() < PATIENCE && server.keeper.try_wait()?.is_none() {
            if answers(port, &password).is_ok_and(|answers| answers) {
                return Ok(Some(server));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(None)
    }
}

/// Whether a server that knows the password is there.
fn answers(port: u16, password: &str) -> Result<bool, Fault> {
    let mut tcp = TcpStream::connect(("127.0.0.1", port))?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    write!(tcp, "AUTH {password}\r\n")?;
    let mut answer = [0; 3];
    tcp.read_exact(&mut answer)?;
    Ok(answer == *b"+OK")
}

impl Drop for KeyValueServer {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Keeps a server, which doesn't look at who started it: it gets the configuration that comes up to an empty line, and
/// ends when standard input does.
pub(crate) fn keep(program: &str) -> Result<(), Fault> {
    let mut config = String::new();
    let mut input = std::io::stdin().lock();
    while !config.ends_with("\n\n") && input.read_line(&mut config)? > 0 {}
    let mut server = Command::new(program).arg("-").stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    // A configuration with a password in it is for nobody to see.
    server.stdin.take().ok_or("no standard input")?.write_all(config.as_bytes())?;
    let (said, ended) = channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
        let _ = said.send(());
    });
    drop(input);
    let until = Instant::now() + LIFETIME - Duration::from_secs(2);
    while ended.try_recv().is_err() && Instant::now() < until && server.try_wait()?.is_none() {
        std::thread::sleep(Duration::from_millis(20));
    }
    server.kill()?;
    server.wait()?;
    Ok(())
}
