//! `sign-in URL`.

use crate::account::Accounts;
use crate::agent::{self, Prover, SignIn};
use crate::cli::{Place, SignInArgs};
use crate::cloud;
use crate::files::PrivateDir;
use crate::http::{Client, ClientSettings, Trust};
use crate::local::LocalProver;
use crate::output::Output;
use crate::problem::{Local, Problem, Result};
use crate::service::SocketProver;

pub(crate) fn run(place: &Place, args: &SignInArgs, output: Output) -> Result<()> {
    let wanted = SignIn { url: args.url.clone(), jar: args.cookie_jar.clone(), timeout: args.timeout };
    let folder = args.output.as_deref().map(folder_of);
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        // Before anybody is asked: a sign-in whose page is lost helps nobody.
        let detail = format!("--output names a folder that is not there: {}", folder.display());
        return Err(Problem::local(Local::Usage, detail, "make the folder, or name another file"));
    }
    let outcome = match place {
        Place::Here(core) => {
            let web = cloud::client(core, None)?;
            let account = Accounts::here().by_uid(rustix::process::geteuid().as_raw())?;
            // As root beside no service: the rules for system accounts hold all the same.
            crate::account::may_be_user(&account, &core.options, core.directory)?;
            let prover = LocalProver::new(core, account)?;
            prover.freshen()?;
            agent::sign_in(&wanted, &web, &prover)?
        }
        Place::Service(socket) => {
            let prover = SocketProver::new(socket)?;
            let web = Client::new(&ClientSettings {
                trust: Trust::Listed { extra_pem: prover.extra_pem(), keys: Vec::new() },
                proxy: prover.proxy(),
                timeout: args.timeout,
            })?;
            agent::sign_in(&wanted, &web, &prover as &dyn Prover)?
        }
    };
    if let Some(file) = &args.output
        && !outcome.page.is_empty()
    {
        write_page(file, &outcome.page)?;
    }
    match outcome.problem {
        Some(problem) => Err(problem.with_answer(outcome.answer)),
        None if output.json => {
            output.answer(&outcome.answer);
            Ok(())
        }
        None => {
            say_hops(&outcome.answer, output);
            if args.output.is_none() {
                output.bytes(&outcome.page);
            }
            Ok(())
        }
    }
}

fn say_hops(answer: &serde_json::Value, output: Output) {
    for hop in answer["hops"].as_array().into_iter().flatten() {
        output.say(&format!(
            "{} {} {} {} ms",
            hop["method"].as_str().unwrap_or_default(),
            hop["url"].as_str().unwrap_or_default(),
            hop["status"],
            hop["ms"]
        ));
    }
}

/// `--output` writes 0600 by rename.
fn write_page(file: &std::path::Path, page: &[u8]) -> Result<()> {
    let folder = folder_of(file);
    let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    PrivateDir::beside(folder).write(&name, page)
}

fn folder_of(file: &std::path::Path) -> &std::path::Path {
    file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(std::path::Path::new("."))
}
