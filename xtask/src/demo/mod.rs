//! `cargo xtask demo`: the main job with the real programs, through their real command lines.
//!
//! Owns the order of the steps and what the person reads. Every step is a command that an administrator or a device would type; nothing
//! is done behind their backs. Must not know how any of the programs works inside.

mod children;
mod commands;
mod company;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::Value;

use self::children::Children;
use self::commands::Commands;
use crate::output::{say, seconds};
use crate::problem::Problem;
use crate::process::Program;
use crate::workspace::Workspace;

const ORGANIZATION: &str = "acme";
const DOMAIN: &str = "acme.example";
const PERSON: &str = "anna";
const SERVICE: &str = "wiki";

/// What the connector ends with when a page was not reached (cli.md).
const NOT_REACHED: u8 = 14;

/// Options of the demonstration.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// End after the sign-in; exit code 0 only if the page was really reached
    #[arg(long)]
    once: bool,
    /// Where the cloud listens; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    listen: std::net::SocketAddr,
    /// Where everything is kept; made anew by each run [default: demo in the target folder]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Use the programs as they were last built
    #[arg(long)]
    built: bool,
    /// Before the sign-in, write this file with what runs, and go on when it is gone: a chance to break something
    #[arg(long, value_name = "FILE")]
    hold: Option<PathBuf>,
}

/// Runs the demonstration.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, Problem> {
    let folder = args.folder.clone().unwrap_or_else(|| workspace.target().join("demo"));
    prepare(&folder)?;
    let programs = build(workspace, args.built)?;
    let begin = Instant::now();
    let children = Children::new()?;
    let mut story = Story { begin, last: begin, number: 0, folder, programs, children };
    let reached = story.tell(args)?;
    if let Reached::No { exit, said } = reached {
        say("");
        say(format!("The page was not reached: {said}"));
        return Ok(ExitCode::from(exit));
    }
    say("");
    say(format!("Done in {}.", seconds(begin.elapsed())));
    if !args.once {
        story.stay()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The three programs.
struct Programs {
    server: PathBuf,
    connector: PathBuf,
    service: PathBuf,
}

fn build(workspace: &Workspace, built: bool) -> Result<Programs, Problem> {
    let target = workspace.target();
    // A workspace of its own: somebody else's SAML stack, which shares no crate of ours.
    let apart = target.join("demo-service");
    let programs = Programs {
        server: target.join("debug/latchkey"),
        connector: target.join("debug/latchkey-connector"),
        service: apart.join("debug/demo-service"),
    };
    let complete =
        [&programs.server, &programs.connector, &programs.service].into_iter().all(|program| program.is_file());
    if built {
        let missing = || Problem::new("Not all programs are built.", "Leave --built out, and they will be.");
        return if complete { Ok(programs) } else { Err(missing()) };
    }
    if !complete {
        say("First build, about 6 minutes on two cores; after that a run takes seconds.");
    }
    if !crate::process::exists(workspace, "cc") {
        return Err(Problem::new(
            "There is no C compiler; the cryptography and the embedded database are built from C.",
            "apt-get install -y --no-install-recommends gcc libc6-dev",
        ));
    }
    // The whole workspace, so that the dependencies are built once for this and for the tests: their features differ by selection.
    let ours = ["build", "--quiet", "--locked", "--workspace", "--bins"];
    compile(Program::new(workspace, "cargo").args(ours))?;
    let theirs = ["build", "--quiet", "--locked", "--manifest-path", "interop/demo-service/Cargo.toml"];
    compile(Program::new(workspace, "cargo").args(theirs).env("CARGO_TARGET_DIR", &apart))?;
    Ok(programs)
}

fn compile(cargo: Program) -> Result<(), Problem> {
    if cargo.run()? {
        return Ok(());
    }
    Err(Problem::new(
        "The programs were not built; the compiler says why above.",
        "If a crate could not be fetched, check the network; if the disk is full, make room; then run the same command again.",
    ))
}

/// An empty folder for this run. Only one that an earlier run made is emptied.
fn prepare(folder: &Path) -> Result<(), Problem> {
    const MARK: &str = "made-by-xtask-demo";
    let refused = |error: &std::io::Error| {
        Problem::new(
            format!("{} cannot be written: {error}.", folder.display()),
            "Give a folder that can: cargo xtask demo --folder DIR",
        )
    };
    if folder.exists() {
        let ours = folder.join(MARK).exists();
        let empty = folder.read_dir().map_err(|e| refused(&e))?.next().is_none();
        if !ours && !empty {
            return Err(Problem::new(
                format!("{} holds files that no demonstration made.", folder.display()),
                "Give an empty folder: cargo xtask demo --folder DIR",
            ));
        }
        std::fs::remove_dir_all(folder).map_err(|e| refused(&e))?;
    }
    std::fs::create_dir_all(folder).map_err(|e| refused(&e))?;
    std::fs::write(folder.join(MARK), "").map_err(|e| refused(&e))
}

enum Reached {
    Yes,
    No { exit: u8, said: String },
}

struct Story {
    begin: Instant,
    last: Instant,
    number: usize,
    folder: PathBuf,
    programs: Programs,
    children: Children,
}

impl Story {
    fn step(&mut self, what: impl std::fmt::Display) {
        self.number += 1;
        let took = self.last.elapsed();
        self.last = Instant::now();
        say(format!("{:>2}. {what}  ({} ms)", self.number, took.as_millis()));
    }

    fn more(text: impl std::fmt::Display) {
        for line in text.to_string().lines() {
            say(format!("      {line}"));
        }
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn tell(&mut self, args: &Args) -> Result<Reached, Problem> {
        let ready = self.start_cloud(args)?;
        let text = |name: &str| ready[name].as_str().unwrap_or_default().to_owned();
        let (url, cloud_name) = (text("url"), text("cloud_name"));
        self.step(format_args!("the cloud {cloud_name} answers at {url}, with an empty embedded store"));
        let commands = Commands::new(&self.programs, &self.folder);

        commands.server(&["org", "create", ORGANIZATION, "--name", "Acme"])?;
        self.step(format_args!("organization {ORGANIZATION}: no directory, no mail, no other identity provider"));
        commands.server(&["domain", "add", DOMAIN])?;
        commands.server(&["domain", "verify", DOMAIN, "--operator-word", "demonstration"])?;
        self.step(format_args!("domain {DOMAIN}, verified by the operator's word"));

        self.make_token(&commands)?;
        commands.server(&["policy", "set", "--enabled", "--domain", DOMAIN, "--jit"])?;
        self.step(format_args!("device tokens enabled for {DOMAIN}; unknown people are created just in time"));

        let page = self.register_service(&commands)?;
        self.enroll(&commands, &cloud_name)?;
        if let Some(hold) = &args.hold {
            self.hold(hold, &ready)?;
        }
        let reached = self.sign_in(&commands, &page)?;
        self.audit(&commands)?;
        self.found_company(&commands, &cloud_name)?;
        let link = Self::portal_link(&commands)?;
        if !args.once {
            Self::invite(&self.folder, &url, &page, &link);
        }
        Ok(reached)
    }

    fn start_cloud(&mut self, args: &Args) -> Result<Value, Problem> {
        let listen = args.listen.to_string();
        let (data, ready_file) = (self.file("cloud"), self.file("ready.json"));
        let arguments = ["serve", "--data", &data, "--listen", &listen, "--ready-file", &ready_file];
        self.children.start("latchkey", &self.programs.server, &arguments, &self.folder)?;
        let text = self.children.wait_for("latchkey", &self.folder.join("ready.json"))?;
        serde_json::from_str(&text).map_err(|e| unexpected("the ready file", &e))
    }

    fn make_token(&mut self, commands: &Commands) -> Result<(), Problem> {
        let token_file = self.file("token");
        commands.server(&[
            "token",
            "create",
            "--description",
            "Laptops of the demonstration",
            "--domain",
            DOMAIN,
            "--max-uses",
            "5",
            "--expires",
            "1d",
            "--platform",
            "linux",
            "--no-sealed-copy",
            "--output",
            &token_file,
        ])?;
        let tokens = commands.ask_server(&["token", "list"])?;
        let token = &tokens["items"][0];
        let masked = token["masked"].as_str().unwrap_or_default();
        self.step(format_args!("device token {masked}: 5 uses, one day, Linux only"));
        Ok(())
    }

    /// The service is somebody else's program; it and the cloud know each other by their metadata only.
    fn register_service(&mut self, commands: &Commands) -> Result<String, Problem> {
        let (ours, theirs) = (self.file("idp.xml"), self.file("sp.xml"));
        let arguments = ["--listen", "127.0.0.1:0", "--idp-metadata", &ours, "--metadata-out", &theirs];
        self.children.start("demo-service", &self.programs.service, &arguments, &self.folder)?;
        self.children.wait_for("demo-service", Path::new(&theirs))?;
        commands.server(&["service", "add", SERVICE, "--metadata", &theirs])?;
        commands.server(&["org", "idp-metadata", "--output", &ours])?;
        let ready = self.children.first_line("demo-service")?;
        // "ready URL on ADDRESS", as interop/README.md has it.
        let page = ready.split_ascii_whitespace().nth(1).unwrap_or_default().to_owned();
        self.step(format_args!(
            "SAML service {SERVICE}, an independent program on saml-rs, registered by its metadata"
        ));
        Ok(page)
    }

    fn enroll(&mut self, commands: &Commands, cloud_name: &str) -> Result<(), Problem> {
        let token_file = self.file("token");
        let enrolled = commands.ask_connector(&[
            "enroll",
            "--cloud-name",
            cloud_name,
            "--user-domain",
            DOMAIN,
            "--device-token-file",
            &token_file,
            "--user-name",
            PERSON,
        ])?;
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.step(format_args!(
            "latchkey-connector traded the token for a key of its own: device {} {}, user {} at level {}",
            text(&enrolled["device_id"]),
            text(&enrolled["state"]),
            text(&enrolled["user"]["login_name"]),
            text(&enrolled["user"]["level"]),
        ));
        let status = commands.ask_connector(&["status"])?;
        let state = self.folder.join("device");
        if contains_token(&state, &std::fs::read_to_string(&token_file).unwrap_or_default()) {
            return Err(Problem::new("The connector kept the device token.", "This is a defect of the connector."));
        }
        Self::more(format_args!("the token is nowhere in the device's state; status: {}", text(&status["state"])));
        Ok(())
    }

    fn hold(&self, file: &Path, ready: &Value) -> Result<(), Problem> {
        let running = serde_json::json!({
            "cloud": ready,
            "folder": self.folder,
            "pids": self.children.pids(),
        });
        let io = |e: std::io::Error| {
            Problem::new(format!("{}: {e}.", file.display()), "Give --hold a file that can be written.")
        };
        // By rename, so that whoever waits never reads half of it.
        let new = file.with_extension("new");
        std::fs::write(&new, running.to_string()).map_err(io)?;
        std::fs::rename(&new, file).map_err(io)?;
        while file.exists() {
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn sign_in(&mut self, commands: &Commands, page: &str) -> Result<Reached, Problem> {
        let output = self.file("page.html");
        let ended = commands.connector(&["--json", "sign-in", page, "--output", &output])?;
        let answer: Value = serde_json::from_str(&ended.stdout).unwrap_or_default();
        for hop in answer["hops"].as_array().into_iter().flatten() {
            let part = |name: &str| hop[name].as_str().map_or_else(|| hop[name].to_string(), str::to_owned);
            Self::more(format_args!("{:<4} {}  {}  {} ms", part("method"), part("url"), part("status"), part("ms")));
        }
        if ended.exit != 0 {
            return Ok(Reached::No { exit: ended.exit, said: ended.last_words() });
        }
        // The connector's word is not enough: the page itself must greet the person.
        let text = std::fs::read_to_string(&output).unwrap_or_default();
        if !text.contains(&format!("{PERSON}@{DOMAIN}")) {
            return Ok(Reached::No { exit: NOT_REACHED, said: "the page does not name the person".to_owned() });
        }
        self.step(format_args!("{PERSON}@{DOMAIN} reached {page} without typing anything; the page greets by name"));
        Ok(Reached::Yes)
    }

    fn audit(&mut self, commands: &Commands) -> Result<(), Problem> {
        let events = commands.ask_server(&["audit", "list", "--all"])?;
        let verified = commands.ask_server(&["audit", "verify"])?;
        self.step(format_args!("the audit trail, {} events in verified chains:", verified["events"]));
        let mut lines: Vec<_> = events["items"].as_array().into_iter().flatten().collect();
        lines.reverse();
        for event in lines {
            let part = |name: &str| event[name].as_str().unwrap_or_default();
            Self::more(format_args!(
                "{}  {:<16} {:<8} {} {}",
                part("at"),
                part("action"),
                part("outcome"),
                part("actor"),
                part("target")
            ));
        }
        Ok(())
    }

    /// The one-time link by which the owner chooses how to sign in.
    fn portal_link(commands: &Commands) -> Result<String, Problem> {
        let made = commands.ask_server(&["setup-link", "--user", &format!("{}@{DOMAIN}", company::OWNER)])?;
        made["url"].as_str().map(str::to_owned).ok_or_else(|| {
            Problem::new("The answer of setup-link has no address.", "This is a defect; see docs/commands.md.")
        })
    }

    fn write(&self, file: &str, text: &str) -> Result<(), Problem> {
        std::fs::write(file, text)
            .map_err(|error| Problem::new(format!("{file} cannot be written: {error}."), "Give another --folder."))
    }

    fn invite(folder: &Path, url: &str, page: &str, link: &str) {
        let folder = folder.display();
        say("");
        say("Everything stays up. Open the portals, as their owner:");
        say("");
        say(format!("  {link}"));
        say("");
        say(format!(
            "The link counts once, for 15 minutes; another: latchkey setup-link --user {}@{DOMAIN}",
            company::OWNER
        ));
        say("After that you sign in at the same address with what you chose there. Now you could also");
        say(format!("  sign in again:       latchkey-connector --state-dir {folder}/device sign-in {page}"));
        say(format!("  open the service:    {page}   (in a browser: by signing in as the owner)"));
        say(format!("  look at the cloud:   {url}"));
        say(format!("  be the operator:     export LATCHKEY_DATA={folder}/cloud; latchkey device list"));
        say("  lock the device out: latchkey device suspend X   and sign in again: exit 12");
        say("The programs are in the target folder's debug/. Ctrl-C ends it all.");
    }

    fn stay(self) -> Result<(), Problem> {
        say(format!("Up since {}.", seconds(self.begin.elapsed())));
        self.children.stay()
    }
}

fn contains_token(folder: &Path, token: &str) -> bool {
    let token = token.trim();
    // The seed is the secret part; looking for it alone also finds a token that was taken apart.
    let seed = token.split('_').nth(3).unwrap_or(token);
    let Ok(entries) = folder.read_dir() else { return false };
    entries.flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return contains_token(&path, token);
        }
        std::fs::read(&path).is_ok_and(|bytes| {
            !seed.is_empty() && bytes.windows(seed.len()).any(|window| window.eq_ignore_ascii_case(seed.as_bytes()))
        })
    })
}

fn unexpected(what: &str, error: &dyn std::fmt::Display) -> Problem {
    Problem::new(
        format!("{what} is not what the contract says: {error}."),
        "This is a defect; the demonstration's log has more.",
    )
}
