//! Asking the system service, with the caller's own rights.

use std::cell::RefCell;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use latchkey_wire::{Bytes, Code};
use serde_json::{Value, json};
use url::Url;

use crate::agent::Prover;
use crate::http::{Client, ClientSettings, Trust};
use crate::problem::{Local, Problem, Result};
use crate::proof::Signed;

/// So long a place is waited for.
const PATIENCE: Duration = Duration::from_secs(6);

struct Line {
    reader: BufReader<UnixStream>,
}

impl Line {
    fn open(socket: &Path) -> Result<Self> {
        let stream =
            UnixStream::connect(socket).map_err(|e| crate::files::cannot("reach the service at", socket, &e))?;
        stream.set_read_timeout(Some(Duration::from_secs(90)))?;
        Ok(Line { reader: BufReader::new(stream) })
    }

    /// A connection and its first answer. Where the service has no place for us right now, one is waited for.
    fn begin(socket: &Path, question: &Value) -> Result<(Self, Value)> {
        let started = Instant::now();
        loop {
            let mut line = Line::open(socket)?;
            match line.ask(question) {
                Ok(answer) => return Ok((line, answer)),
                Err(problem) if problem.code == Local::Busy.as_str() && started.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(100));
                }
                Err(problem) => return Err(problem),
            }
        }
    }

    fn ask(&mut self, question: &Value) -> Result<Value> {
        // A service that has no place for us says so unasked, and closes.
        let written = self.reader.get_mut().write_all(format!("{question}\n").as_bytes());
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            written?;
        }
        let answer: Value = serde_json::from_str(&line).map_err(|_| no_sense())?;
        if answer["ok"] == true {
            return Ok(answer);
        }
        Err(problem(&answer["problem"]).unwrap_or_else(no_sense))
    }
}

fn no_sense() -> Problem {
    Problem::local(
        Local::Failed,
        "the service's answer makes no sense",
        "restart it: systemctl restart latchkey-connector; both must be of one version",
    )
}

fn problem(value: &Value) -> Option<Problem> {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let mut problem = Problem::local(Local::Failed, text("detail")?, text("fix")?);
    problem.code = text("code")?;
    problem.reference = text("ref")?;
    problem.exit = value["exit"].as_u64().and_then(|e| u8::try_from(e).ok())?;
    problem.retry_after = value["retry_after"].as_u64();
    Some(problem)
}

/// `status` as the service tells it to this caller.
///
/// # Errors
/// The service does not answer.
pub fn ask_status(socket: &Path) -> Result<(Value, Option<Problem>)> {
    let (_line, mut answer) = Line::begin(socket, &json!({"op": "status"}))?;
    let problem = problem(&answer["problem"]);
    Ok((answer["status"].take(), problem))
}

/// A prover behind the socket: the service signs for whoever the kernel says we are.
pub struct SocketProver {
    line: RefCell<Line>,
    trust: RefCell<Trusted>,
}

/// The question whom to trust.
fn trust() -> Value {
    json!({"op": "trust"})
}

/// What the service says about the issuer.
struct Trusted {
    public: Vec<Url>,
    client: Rc<Client>,
    extra_pem: Option<Vec<u8>>,
    proxy: Option<String>,
}

impl Trusted {
    fn read(trust: &Value) -> Result<Self> {
        let list = |name: &str| trust[name].as_array().cloned().unwrap_or_default();
        let public = list("public_urls").iter().filter_map(|u| Url::parse(u.as_str()?).ok()).collect();
        let keys =
            list("tls_spki_sha256").iter().filter_map(|k| k.as_str()?.parse::<Bytes<32>>().ok()).map(|k| k.0).collect();
        let extra_pem = trust["ca_pem"].as_str().map(|p| p.as_bytes().to_vec());
        let proxy = trust["proxy"].as_str().map(str::to_owned);
        let client = Client::new(&ClientSettings {
            trust: Trust::Listed { extra_pem: extra_pem.clone(), keys },
            proxy: proxy.clone(),
            timeout: Duration::from_secs(30),
        })?;
        Ok(Trusted { public, client: Rc::new(client), extra_pem, proxy })
    }
}

impl SocketProver {
    /// Asks the service whom to trust.
    ///
    /// # Errors
    /// The service does not answer, or the device is not enrolled.
    pub fn new(socket: &Path) -> Result<Self> {
        let (line, trust) = Line::begin(socket, &trust())?;
        let trust = Trusted::read(&trust)?;
        Ok(SocketProver { line: RefCell::new(line), trust: RefCell::new(trust) })
    }

    /// The administrator's extra CA; it counts for services too.
    #[must_use]
    pub fn extra_pem(&self) -> Option<Vec<u8>> {
        self.trust.borrow().extra_pem.clone()
    }

    /// The administrator's proxy.
    #[must_use]
    pub fn proxy(&self) -> Option<String> {
        self.trust.borrow().proxy.clone()
    }
}

impl Prover for SocketProver {
    fn is_issuer(&self, url: &Url) -> bool {
        self.trust.borrow().public.iter().any(|ours| ours.origin() == url.origin())
    }

    fn client(&self) -> Result<Rc<Client>> {
        Ok(self.trust.borrow().client.clone())
    }

    fn prove(&self, challenge: &str, origin: &str, cb: Bytes<32>, txn: &str) -> Result<Signed> {
        let question = json!({"op": "prove", "challenge": challenge, "origin": origin, "cb": cb, "txn": txn});
        let answer = self.line.borrow_mut().ask(&question)?;
        let text = |name: &str| answer[name].as_str().map(str::to_owned).ok_or_else(no_sense);
        Ok(Signed {
            proof: text("proof")?,
            service: text("service")?,
            login_name: text("login_name")?,
            level: answer["level"].as_u64().and_then(|l| u8::try_from(l).ok()).ok_or_else(no_sense)?,
        })
    }

    fn settle(&self, code: Code) -> Result<()> {
        let mut line = self.line.borrow_mut();
        line.ask(&json!({"op": "settle", "code": code.as_str()}))?;
        *self.trust.borrow_mut() = Trusted::read(&line.ask(&trust())?)?;
        Ok(())
    }
}
