//! Measures P1: complete silent sign-ins per CPU-second of the server, over the rate of the protocol's own three operations. And pages of
//! lists with a million rows over pages with a thousand (`lists`).
//!
//! Owns the order of measuring: load and raw operations in turn, in one run, so that whatever else the machine does hurts both. Only the
//! server's CPU time counts, never wall time, never this program's own; pages of lists are the exception. Prints Markdown; the last line is `P1 0.NN`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program whose answer is its output")]

mod client;
mod cpu;
mod lists;
mod raw;
mod server;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::client::{Cloud, Device};
use crate::raw::Raw;
use crate::server::Server;

/// What can go wrong; the sentence is for the person at the terminal.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Rounds of load and raw operations; the median of an odd number is one that was seen.
const ROUNDS: usize = 5;

/// How many sign-ins were answered with 503.
static REFUSED: AtomicU64 = AtomicU64::new(0);

/// How many sign in at the same time.
const CLIENTS: usize = 48;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let server_program =
        PathBuf::from(arguments.next().ok_or("usage: latchkey-bench SERVER FOLDER [--quick | --lists]")?);
    let folder = PathBuf::from(arguments.next().ok_or("usage: latchkey-bench SERVER FOLDER [--quick | --lists]")?);
    let flag = arguments.next();
    let quick = flag.as_ref().is_some_and(|flag| flag == "--quick");
    let many = if quick { 100_000 } else { 1_000_000 };
    if flag.is_some_and(|flag| flag == "--lists") {
        lists::report(&lists::measure(&server_program, &folder, many)?, many);
        return Ok(());
    }
    let load = Duration::from_secs(if quick { 3 } else { 12 });

    let server = Server::start(&server_program, &folder)?;
    let cloud = Arc::new(Cloud::meet(&server)?);
    eprintln!("enrolling {CLIENTS} devices");
    let devices = (0..CLIENTS).map(|n| Device::enroll(&cloud, n)).collect::<Result<Vec<_>>>()?;
    let devices: Vec<_> = devices.into_iter().map(Arc::new).collect();

    eprintln!("warming up");
    sign_in_for(&cloud, &devices, load / 3)?;
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        eprintln!("round {} of {ROUNDS}", round + 1);
        let before = server.cpu()?;
        let done = sign_in_for(&cloud, &devices, load)?;
        let spent = server.cpu()?.since(&before);
        let raw = Raw::measure(load / 12)?;
        rounds.push(Round { done, spent, raw });
    }
    let idle = server.cpu()?;
    let asked = cloud.ask_health(load / 2)?;
    let health = server.cpu()?.since(&idle);
    let machine = server.cpu_model();
    drop(server);
    let lists = lists::measure(&server_program, &folder, many)?;
    println!(
        "Machine: {machine}. {ROUNDS} rounds, {CLIENTS} clients, medians. Only CPU time of the server counts, but for pages of lists.\n"
    );
    lists::report(&lists, many);
    report(&rounds, per(health.process, asked));
    Ok(())
}

struct Round {
    done: u64,
    spent: cpu::Spent,
    raw: Raw,
}

/// Microseconds of CPU each.
#[expect(clippy::cast_precision_loss, reason = "counts of a few hundred thousand")]
fn per(time: Duration, count: u64) -> f64 {
    time.as_secs_f64() * 1e6 / count.max(1) as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn sign_in_for(cloud: &Arc<Cloud>, devices: &[Arc<Device>], time: Duration) -> Result<u64> {
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = devices
        .iter()
        .map(|device| {
            let (cloud, device) = (Arc::clone(cloud), Arc::clone(device));
            let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
            std::thread::spawn(move || -> Result<()> {
                let mut agent = cloud.agent();
                while !stop.load(Ordering::Relaxed) {
                    match agent.sign_in(&cloud, &device) {
                        Ok(()) => {
                            done.fetch_add(1, Ordering::Relaxed);
                        }
                        // A grant that waited too long for the disk is not given out; the device asks again. Its cost counts, it does not.
                        Err(error) if client::is_asked_to_wait(error.as_ref()) => {
                            REFUSED.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => return Err(error),
                    }
                }
                Ok(())
            })
        })
        .collect();
    std::thread::sleep(time);
    stop.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().map_err(|_| "a client panicked")??;
    }
    Ok(done.load(Ordering::Relaxed))
}

fn report(rounds: &[Round], request: f64) {
    let of = |f: &dyn Fn(&Round) -> f64| median(rounds.iter().map(f).collect());
    let whole = of(&|r| per(r.spent.process, r.done));
    let store = of(&|r| per(r.spent.writer, r.done));
    let (rsa, verify, challenge) = (of(&|r| r.raw.rsa_sign), of(&|r| r.raw.p256_verify), of(&|r| r.raw.ed25519_sign));
    let xml = of(&|r| (r.raw.response - r.raw.rsa_sign).max(0.0));
    let http = 2.0 * request;
    // Each round's own ratio, so that a slow moment counts on both sides.
    let p1 = of(&|r| (r.raw.rsa_sign + r.raw.p256_verify + r.raw.ed25519_sign) / per(r.spent.process, r.done));
    let over_rsa = of(&|r| r.raw.rsa_sign / per(r.spent.process, r.done));
    let rest = whole - rsa - verify - challenge - xml - store - http;

    println!("| part of a sign-in | µs of CPU | how it is known |");
    println!("|---|---:|---|");
    for (part, time, how) in [
        ("RSA-2048 signature", rsa, "measured alone, same library, same run"),
        ("P-256 verification of the proof", verify, "measured alone"),
        ("Ed25519 signature on the challenge", challenge, "measured alone"),
        ("XML: the response without its signature", xml, "writing and signing a response, less the signature"),
        ("store: the writer's thread, commit included", store, "that thread's CPU time under load"),
        ("HTTP: two kept-alive requests", http, "twice `GET /healthz`"),
        ("rest", rest, "what is left: parsing, seals, reads, the runtime"),
        ("**whole**", whole, "CPU time of the process under load"),
    ] {
        println!("| {part} | {time:.0} | {how} |");
    }
    println!();
    println!("Sign-ins that were answered 503 and asked again: {}.\n", REFUSED.load(Ordering::Relaxed));
    println!("Sign-ins per CPU-second: {:.0}. Over raw RSA signing alone: {over_rsa:.2} (at most 0.82).", 1e6 / whole);
    println!("P1 {p1:.2}");
}
