//! Pages of lists with many rows over the same pages with a thousand: by wall time, as an administrator meets them.
//!
//! Owns filling two servers and asking both in turn, so that whatever else the machine does hurts both. The rows are those of the tests of query
//! plans (`crates/store/tests/million.sql`). Must not know how a server finds a page.

use std::path::Path;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::Result;
use crate::server::Server;

const FEW: u64 = 1_000;

/// How often each page is asked for.
const ROUNDS: usize = 41;

/// A page: what it is called, and its address below the organization's. `MIDDLE` stands for the cursor of the row in the middle.
const PAGES: [(&str, &str); 12] = [
    ("users, first page", "users"),
    ("users, a page in the middle", "users?after=MIDDLE"),
    ("users of a department", "users?department=Department%203"),
    ("users by a group", "users?group=large"),
    ("users by text", "users?q=user12"),
    ("devices, first page", "devices"),
    ("devices, a page in the middle", "devices?after=MIDDLE"),
    ("devices that wait", "devices?state=pending"),
    ("devices of two levels", "devices?level=4&level=2"),
    ("devices by text", "devices?q=host-4"),
    ("bindings, first page", "bindings"),
    ("users, first page and count", "users?count=estimate"),
];

/// One page's times, in microseconds, and how many rows it had.
pub(crate) struct Line {
    name: &'static str,
    few: f64,
    few_rows: usize,
    many: f64,
    many_rows: usize,
}

/// A filled server and who may read from it.
struct Filled {
    server: Server,
    http: ureq::Agent,
    authorization: String,
    middle: String,
}

impl Filled {
    fn start(program: &Path, folder: &Path, count: u64) -> Result<Self> {
        let mut server = Server::start(program, folder)?;
        let client = server.operator(&[
            "api-client",
            "create",
            "lists",
            "--scope",
            "users:read",
            "--scope",
            "devices:read",
            "--json",
        ])?;
        let client: Value = serde_json::from_str(&client)?;
        let text = |name: &str| client[name].as_str().ok_or(format!("the client has no {name}"));
        let (id, secret) = (text("client_id")?.to_owned(), text("client_secret")?.to_owned());
        let middle = server.while_stopped(|file| fill(file, count))?;
        let http = ureq::Agent::new_with_defaults();
        let url = format!("{}/o/bench/oauth2/token", server.url);
        let basic = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
        let asked =
            http.post(&url).header("authorization", &basic).send_form([("grant_type", "client_credentials")])?;
        let token: Value = serde_json::from_str(&asked.into_body().read_to_string()?)?;
        let token = token["access_token"].as_str().ok_or("no access token")?;
        Ok(Self { server, http, authorization: format!("Bearer {token}"), middle })
    }

    /// Asks for a page; how long that took, and how many rows it had.
    fn ask(&self, page: &str) -> Result<(f64, usize)> {
        let page = page.replace("MIDDLE", &self.middle);
        let url = format!("{}/api/v1/o/bench/{page}", self.server.url);
        let begin = Instant::now();
        let answer = self.http.get(&url).header("authorization", &self.authorization).call()?;
        let answer = answer.into_body().read_to_string()?;
        let time = begin.elapsed().as_secs_f64() * 1e6;
        let answer: Value = serde_json::from_str(&answer)?;
        Ok((time, answer["items"].as_array().map_or(0, Vec::len)))
    }
}

/// Fills the organization; the cursor of the row in the middle.
fn fill(file: &Path, count: u64) -> Result<String> {
    let connection = rusqlite::Connection::open(file)?;
    let org: String = connection.query_row("SELECT org FROM organization", [], |row| row.get(0))?;
    let indexes: Vec<(String, String)> = connection
        .prepare("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<std::result::Result<_, _>>()?;
    let start = jiff::Timestamp::now().as_millisecond() - i64::try_from(count)? * 1_000;
    let text = include_str!("../../../crates/store/tests/million.sql")
        .replace("ORG", &org)
        .replace("COUNT", &count.to_string())
        .replace("START", &start.to_string())
        .replace("BYTES32(i)", "unhex(printf('%064x', i))")
        .replace("BYTES32(0)", "zeroblob(32)")
        .replace("HEX12(", "printf('%012x', ");
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000")?;
    // Rows first, indexes once: otherwise filling takes the most of the benchmark.
    for (name, _) in &indexes {
        connection.execute_batch(&format!("DROP INDEX {name}"))?;
    }
    connection.execute_batch(&text)?;
    for (_, index) in &indexes {
        connection.execute_batch(index)?;
    }
    let middle = "SELECT id FROM person WHERE org = ?1 ORDER BY id LIMIT 1 OFFSET ?2";
    let middle: String = connection.query_row(middle, (&org, i64::try_from(count / 2)?), |row| row.get(0))?;
    Ok(URL_SAFE_NO_PAD.encode(format!("0.{middle}")))
}

/// Measures every page on both.
pub(crate) fn measure(program: &Path, folder: &Path, many: u64) -> Result<Vec<Line>> {
    eprintln!("filling {FEW} and {many} users, devices and bindings");
    let few = Filled::start(program, &folder.join("few"), FEW)?;
    let large = Filled::start(program, &folder.join("many"), many)?;
    eprintln!("asking for pages of lists");
    let mut lines = Vec::new();
    for (name, page) in PAGES {
        let mut times = (Vec::new(), Vec::new());
        let (mut few_rows, mut many_rows) = (0, 0);
        for _ in 0..ROUNDS {
            let ((a, rows), (b, as_many)) = (few.ask(page)?, large.ask(page)?);
            if rows == 0 || as_many == 0 {
                return Err(format!("{name}: a page without rows measures nothing").into());
            }
            (few_rows, many_rows) = (rows, as_many);
            times.0.push(a);
            times.1.push(b);
        }
        let (few, many) = (crate::median(times.0), crate::median(times.1));
        lines.push(Line { name, few, few_rows, many, many_rows });
    }
    Ok(lines)
}

/// Prints them.
pub(crate) fn report(lines: &[Line], many: u64) {
    println!("| page of 50 | of {FEW}, µs (rows) | of {many}, µs (rows) | ratio |");
    println!("|---|---:|---:|---:|");
    for Line { name, few, few_rows, many, many_rows } in lines {
        println!("| {name} | {few:.0} ({few_rows}) | {many:.0} ({many_rows}) | {:.2} |", many / few);
    }
    println!();
}
