//! Services as programs, all started and asked in the one way of `interop/README.md`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::attacker::Attacker;
use crate::cells::{Case, Expected, Kind, Outcome, Setup, expected};
use crate::cloud::{Cloud, Visit};
use crate::programs::{Running, lines, profile_folder, python, repository};

/// How long a service may take to start.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it may take to say why it refused, after it did.
const WORDS: Duration = Duration::from_secs(3);

/// A service that knows its identity provider and answers.
pub(crate) struct Service {
    kind: Kind,
    _process: Running,
    said: Receiver<String>,
    pub(crate) attacker: Attacker,
    /// The page for people who signed in.
    secret: String,
    _folder: tempfile::TempDir,
}

impl Service {
    /// Starts the service, makes it and `cloud` known to each other by metadata, and waits until it answers.
    pub(crate) fn start(kind: Kind, setup: Setup, cloud: &mut dyn Cloud) -> Self {
        Self::start_by(kind, setup, cloud, false)
    }

    /// The same, and the service is set up as its hand-over sheet says.
    pub(crate) fn start_by_sheet(kind: Kind, setup: Setup, cloud: &mut dyn Cloud) -> Self {
        Self::start_by(kind, setup, cloud, true)
    }

    fn start_by(kind: Kind, setup: Setup, cloud: &mut dyn Cloud, by_sheet: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (own, idp) = (folder.path().join("sp.xml"), folder.path().join("idp.xml"));
        let attacker = Attacker::new();
        let sheet = folder.path().join("sheet.txt");
        let mut command = command(kind);
        if by_sheet {
            command.arg("--sheet").arg(&sheet);
        }
        let mut child = command
            .args(["--listen", "127.0.0.1:0", "--public-url", &attacker.origin()])
            .args(["--binding", setup.binding, "--requests", setup.requests, "--name-id", setup.name_id])
            .arg("--metadata-out")
            .arg(&own)
            .arg("--idp-metadata")
            .arg(&idp)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{} does not start: {e}", kind.name()));
        let (out, said) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        let mut process = Running::new(child);

        let until = Instant::now() + PATIENCE;
        while !own.exists() {
            assert!(
                process.is_alive() && Instant::now() < until,
                "{} wrote no metadata: {:?}",
                kind.name(),
                talk(&said)
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        cloud.add(kind, setup, &own);
        let appear = |path: &Path, text: String| {
            let new = path.with_extension("new");
            std::fs::write(&new, text).unwrap();
            std::fs::rename(new, path).unwrap();
        };
        appear(&idp, cloud.metadata());
        if by_sheet {
            appear(&sheet, cloud.sheet(kind.name()));
        }

        let ready =
            out.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{} is not ready: {:?}", kind.name(), talk(&said)));
        let words: Vec<&str> = ready.split(' ').collect();
        let ["ready", secret, "on", address] = words[..] else { panic!("{} said {ready:?}", kind.name()) };
        attacker.stand_before(address.parse().unwrap());
        Self { kind, _process: process, said, attacker, secret: secret.to_owned(), _folder: folder }
    }

    /// Has `cloud` sign the user in and says what came of it.
    pub(crate) fn sign_in(&self, case: Case, cloud: &mut dyn Cloud) -> Outcome {
        self.forget();
        let visit = cloud.sign_in(&self.secret);
        self.judge(case, &visit)
    }

    /// Has `cloud` sign the user in and gives back the page that the user then sees.
    pub(crate) fn page(&self, cloud: &mut dyn Cloud) -> String {
        let visit = cloud.sign_in(&self.secret);
        assert_eq!(visit.status, 200, "{visit:?} {:?}", talk(&self.said));
        visit.page
    }

    /// Sends the last answer again.
    pub(crate) fn replay(&self) -> Outcome {
        self.forget();
        // Who is let in is sent on to the page; a refusal is a page at once.
        let status = self.attacker.replay();
        self.outcome(Case::Replayed, (300..400).contains(&status))
    }

    fn judge(&self, case: Case, visit: &Visit) -> Outcome {
        let accepted = visit.status == 200 && visit.page.contains(crate::attacker::USER);
        // SimpleSAMLphp refuses with status 200, so a page without the user has to do; the service's words must follow.
        self.outcome(case, accepted)
    }

    fn outcome(&self, case: Case, accepted: bool) -> Outcome {
        if accepted {
            return Outcome::Accepted;
        }
        let wanted = match expected(self.kind, case) {
            Expected::Refused(words) => words,
            Expected::Accepted => "",
        };
        let mut last = "no reason".to_owned();
        let until = Instant::now() + WORDS;
        while let Ok(line) = self.said.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if let Some(words) = line.strip_prefix("refused: ") {
                last = words.to_owned();
                if words.contains(wanted) {
                    break;
                }
            }
        }
        Outcome::Refused(last)
    }

    /// What was said about earlier visits is not about the next one.
    fn forget(&self) {
        while self.said.try_recv().is_ok() {}
    }
}

fn talk(said: &Receiver<String>) -> Vec<String> {
    said.try_iter().collect()
}

fn command(kind: Kind) -> Command {
    let script = |name: &str| {
        let mut command = python();
        command.arg(repository().join("interop").join(name).join("service.py"));
        command
    };
    match kind {
        Kind::DemoService => Command::new(demo_service()),
        Kind::Mellon => script("mellon"),
        Kind::Python3Saml => script("python3-saml"),
        Kind::Shibboleth => script("shibboleth"),
        Kind::SimpleSamlPhp => script("simplesamlphp"),
    }
}

/// The demonstration service is a workspace of its own, so nobody built it for this test; where it is built already, as by
/// `cargo xtask demo` and `cargo xtask test`, this takes no time.
fn demo_service() -> PathBuf {
    static BUILT: std::sync::Once = std::sync::Once::new();
    let target = profile_folder().parent().expect("a profile's folder is in target").join("demo-service");
    BUILT.call_once(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--quiet", "--locked", "--manifest-path"])
            .arg(repository().join("interop/demo-service/Cargo.toml"))
            .arg("--target-dir")
            .arg(&target)
            .status()
            .unwrap();
        assert!(built.success(), "interop/demo-service does not build");
    });
    target.join("debug/demo-service")
}
