//! The client: one account at IMAP and the same at submission, and a step for everything that may come of it.

use std::io::BufRead as _;
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fast_reauth::Timestamp;
use fast_reauth::assertion::{FullLogin, HtMechanism, Pin, Policy, Scope, Service};
use fast_reauth::channel::ServerName;
use fast_reauth::mechanism::Sibling;
use fast_reauth::profile::Completion;
use fast_reauth::rustls::{ClientWatch, Sessions, exporter};
use fast_reauth::store::client::{Account, Accounts, Attempt, Connection, Plan, Settled};
use tokio_rustls::rustls::pki_types::ServerName as DnsName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection};

use crate::smtp::Submission;
use crate::state::StateFile;
use crate::wire::Wire;
use crate::{Args, Fault, IMAP, PASSWORD, SMTP, USER, certificates, now};

const IKY: Pin = Pin::SHA_256_NONE;
const HT: HtMechanism = HtMechanism::HT_SHA_256_NONE;

struct Client {
    base: Arc<ClientConfig>,
    sessions: Sessions,
    accounts: Accounts,
    imap: Account,
    submission: Account,
    ports: (u16, u16),
    state: StateFile,
    /// The last message of each mechanism, to be sent again.
    last: Vec<(&'static str, Vec<u8>)>,
}

/// Takes the steps, and prints what came of each.
pub(crate) fn run(args: &Args) -> Result<(), Fault> {
    let account = |service, name| Ok::<_, Fault>(Account::new(Scope::new(service, ServerName::parse(name)?), USER));
    let mut client = Client {
        base: certificates::client_of(&args.ca)?,
        sessions: Sessions::new(NonZeroUsize::MIN),
        accounts: Accounts::new(Policy::default()),
        imap: account(Service::IMAP, IMAP)?,
        submission: account(Service::SMTP, SMTP)?,
        ports: (args.imap, args.smtp),
        state: StateFile::new(&args.state),
        last: Vec::new(),
    };
    for step in &args.steps {
        println!("step {step} {}", client.step(step).map_err(|fault| format!("in step {step}: {fault}"))?);
    }
    Ok(())
}

impl Client {
    fn step(&mut self, step: &str) -> Result<String, Fault> {
        match step {
            "full" => self.full(),
            "token" => self.token(),
            // Until the script has done something.
            "wait" => line().map(|_| "waited".to_owned()),
            // For `smtp_client`, which is another process: the same account, and another stack.
            "keep" => self.state.save(&self.accounts, &self.submission).map(|()| "kept".to_owned()),
            "listed" => self.listed(),
            "iky" => self.known(IKY.name(), false),
            "ht" => self.known(HT.name(), false),
            "iky-altered" => self.known(IKY.name(), true),
            "ht-altered" => self.known(HT.name(), true),
            "iky-again" => self.again(IKY.name()),
            "ht-again" => self.again(HT.name()),
            "malformed" => self.malformed(),
            "given-up" => self.given_up(),
            "parallel" => self.parallel(),
            _ => Err(format!("there is no step {step}").into()),
        }
    }

    /// A full login at IMAP, which makes the client known at submission as well.
    fn full(&self) -> Result<String, Fault> {
        let (config, watch) = self.sessions.connection(&self.base, &self.imap);
        let tls = ClientConnection::new(config, DnsName::try_from(IMAP)?)?;
        let mut wire = Wire::new(tls, TcpStream::connect(("127.0.0.1", self.ports.0))?)?;
        let offer = fast_reauth::profile::imap::offer(&wire.line()?);
        let names = offer.mechanisms().iter().map(|name| name.as_str());
        let mut connection = self.accounts.connect(&self.imap, watch.facts(&wire.tls.conn)?).offered(names);
        let message = STANDARD.encode(format!("\0{USER}\0{PASSWORD}"));
        wire.send(format!("a1 AUTHENTICATE PLAIN {message}\r\n").as_bytes())?;
        let line = wire.text()?;
        if !line.starts_with("a1 OK") {
            return Err(line.into());
        }
        let full = FullLogin::new("PLAIN", USER)?;
        // What the account's settings say beside the IMAP server.
        let siblings = [Sibling { scope: self.submission.scope.clone(), pin: IKY }];
        connection.logged_in(&full, &exporter(&wire.tls.conn), &siblings, now())?;
        Ok("logged-in PLAIN".to_owned())
    }

    /// The control channel: a token for the submission service, by some way of the operator's own.
    fn token(&self) -> Result<String, Fault> {
        let line = line()?;
        let ["token", text, expires] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err("not a token".into());
        };
        let expires = Timestamp::from_secs(expires.parse()?);
        let facts = fast_reauth::channel::ChannelFacts::tls13().server_name(ServerName::parse(SMTP)?);
        let mut connection = self.accounts.connect(&self.submission, facts).fast([HT.name()]);
        connection.token_issued(&FullLogin::new("PLAIN", USER)?, HT, text, expires, now())?;
        Ok("kept".to_owned())
    }

    fn listed(&self) -> Result<String, Fault> {
        let (submission, _) = self.submit()?;
        let mut names: Vec<_> = submission.offer.mechanisms().iter().map(|name| name.as_str()).collect();
        names.sort_unstable();
        let (pipelining, ahead) = (submission.offer.pipelining(), submission.offer.iky_pipelining());
        let said = format!("{} pipelining={pipelining} iknowyou={ahead}", names.join(" "));
        submission.close()?;
        Ok(said)
    }

    /// Known at once, by this mechanism; then a mail. With an altered proof nobody is.
    fn known(&mut self, mechanism: &str, alter: bool) -> Result<String, Fault> {
        let (mut submission, watch) = self.submit()?;
        let mut connection = self.connection(&submission, &watch, mechanism)?;
        let attempt = plan(&mut connection)?;
        let (name, mut message) = (attempt.mechanism(), attempt.message().to_vec());
        if alter {
            spoil(&mut message);
        }
        let completion = submission.log_in(name, &message)?;
        let verdict = completion.verdict.into();
        let settled = connection.settle(attempt, verdict, completion.data.as_deref(), now());
        let words = match settled {
            Settled::LoggedIn => format!("logged-in {name} queued={}", submission.mail()?),
            Settled::Failed(next) => {
                let held = match mechanism.starts_with("IKY") {
                    true => self.accounts.assertions(&self.submission).len(),
                    false => self.accounts.tokens(&self.submission).len(),
                };
                format!("{} next={next:?} kept={held} mail={}", refused(&completion), submission.no_mail()?)
            }
        };
        drop(connection);
        submission.close()?;
        if settled == Settled::LoggedIn {
            self.last.retain(|(last, _)| *last != name);
            self.last.push((name, message));
        }
        Ok(words)
    }

    /// The last message with this mechanism once more, as a thief of it would.
    fn again(&self, mechanism: &str) -> Result<String, Fault> {
        let last = self.last.iter().find(|(last, _)| *last == mechanism);
        let (name, message) = last.ok_or("nothing was sent before")?;
        let (mut submission, _) = self.submit()?;
        let completion = submission.log_in(name, message)?;
        let words = match completion.accepted() {
            true => format!("accepted queued={}", submission.mail()?),
            false => format!("{} mail={}", refused(&completion), submission.no_mail()?),
        };
        submission.close()?;
        Ok(words)
    }

    /// Messages that are none, and a good login behind them on the same connection.
    fn malformed(&self) -> Result<String, Fault> {
        let (mut submission, watch) = self.submit()?;
        let mut codes = Vec::new();
        // What Postfix sees to itself, what the codec sees, and what the mechanism sees.
        for bad in ["!", "aGl="] {
            submission.wire.send(format!("AUTH {IKY} {bad}\r\n").as_bytes())?;
            let mut reply = submission.reply()?;
            if reply.starts_with("334") {
                codes.push("334".to_owned());
                submission.wire.send(b"\r\n")?;
                reply = submission.reply()?;
            }
            codes.push(reply.chars().take(3).collect());
        }
        codes.push(refused(&submission.log_in(IKY.name(), b"hello")?));
        codes.push(format!("mail={}", submission.no_mail()?));
        let mut connection = self.connection(&submission, &watch, IKY.name())?;
        let attempt = plan(&mut connection)?;
        let completion = submission.log_in(attempt.mechanism(), attempt.message())?;
        let settled = connection.settle(attempt, completion.verdict.into(), completion.data.as_deref(), now());
        if settled != Settled::LoggedIn {
            return Err(refused(&completion).into());
        }
        let queued = submission.mail()?;
        submission.close()?;
        Ok(format!("{} then logged-in queued={queued}", codes.join(" ")))
    }

    /// A client that stops behind the challenge, and goes on with something else.
    fn given_up(&self) -> Result<String, Fault> {
        let (mut submission, watch) = self.submit()?;
        for _ in 0..3 {
            submission.command(&format!("AUTH {IKY}"), 334)?;
            submission.command("*", 501)?;
        }
        let mut connection = self.connection(&submission, &watch, IKY.name())?;
        let attempt = plan(&mut connection)?;
        let completion = submission.log_in(attempt.mechanism(), attempt.message())?;
        let _ = connection.settle(attempt, completion.verdict.into(), completion.data.as_deref(), now());
        let said = if completion.accepted() { submission.mail()? } else { refused(&completion) };
        submission.close()?;
        Ok(format!("then logged-in queued={said}"))
    }

    /// Two connections at once: both at their challenge before either answers it.
    fn parallel(&self) -> Result<String, Fault> {
        let (mut first, watch) = self.submit()?;
        let mut connections = vec![self.connection(&first, &watch, IKY.name())?];
        let (mut second, watch) = self.submit()?;
        connections.push(self.connection(&second, &watch, IKY.name())?);
        let attempts = connections.iter_mut().map(plan).collect::<Result<Vec<_>, _>>()?;
        let [one, two] = &attempts[..] else { return Err("two connections".into()) };
        let one = first.begin(one.mechanism(), one.message())?;
        let two = second.begin(two.mechanism(), two.message())?;
        if !(one.is_challenged() && two.is_challenged()) {
            return Err("no challenge".into());
        }
        // The later one first.
        let completions = [second.end(two)?, first.end(one)?];
        for ((connection, attempt), completion) in connections.iter_mut().zip(attempts).zip(completions.iter().rev()) {
            let settled = connection.settle(attempt, completion.verdict.into(), completion.data.as_deref(), now());
            if settled != Settled::LoggedIn {
                return Err(refused(completion).into());
            }
        }
        let queued = format!("{} {}", first.mail()?, second.mail()?);
        first.close()?;
        second.close()?;
        Ok(format!("logged-in queued={queued}"))
    }

    fn submit(&self) -> Result<(Submission, ClientWatch), Fault> {
        let (config, watch) = self.sessions.connection_without_resumption(&self.base, &self.submission);
        Ok((Submission::connect(config, self.ports.1)?, watch))
    }

    /// With this mechanism, of those that are listed.
    fn connection(&self, there: &Submission, watch: &ClientWatch, mechanism: &str) -> Result<Connection<'_>, Fault> {
        let names = || there.offer.mechanisms().iter().map(|name| name.as_str()).filter(|name| *name == mechanism);
        let facts = watch.facts(&there.wire.tls.conn)?;
        Ok(self.accounts.connect(&self.submission, facts).offered(names()).fast(names()))
    }
}

fn plan(connection: &mut Connection<'_>) -> Result<Attempt, Fault> {
    match connection.plan(now()) {
        Plan::Known(attempt) => Ok(attempt),
        plan => Err(format!("the client would log in otherwise: {plan:?}").into()),
    }
}

/// The code of a refusal, and the reason that the server's message has.
fn refused(completion: &Completion) -> String {
    let code = String::from_utf8_lossy(completion.line.get(..3).unwrap_or_default()).into_owned();
    let said = completion.data.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    let said = said.split(',').next().filter(|said| said.starts_with("e=")).unwrap_or("-");
    format!("refused {code} said={said}")
}

/// Alters the proof: IKY's begins behind `,p=`, HT's is what ends the message.
fn spoil(message: &mut [u8]) {
    match message.windows(3).rposition(|three| three == b",p=") {
        Some(at) => {
            message.get_mut(at + 3).into_iter().for_each(|first| *first = if *first == b'A' { b'B' } else { b'A' })
        }
        None => message.last_mut().into_iter().for_each(|last| *last ^= 1),
    }
}

/// What comes over the control channel.
fn line() -> Result<String, Fault> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}
