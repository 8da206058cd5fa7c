//! Debian packages. Owns the list of what the tests need of the system, and the precautions while packages are installed.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::Install;
use crate::output;
use crate::problem::Problem;
use crate::process::{self, Program};
use crate::workspace::Workspace;

/// How to see that a package is there, without asking the package manager: on other systems the file may come from elsewhere.
enum Sign {
    /// A program on the path.
    Program(&'static str),
    /// A file.
    File(&'static str),
    /// A file in one of the folders of a folder: `(folder, file)`.
    Below(&'static str, &'static str),
    /// Something that Python can import.
    PythonModules(&'static str),
}

struct Package {
    name: &'static str,
    sign: Sign,
    why: &'static str,
}

const fn package(name: &'static str, sign: Sign, why: &'static str) -> Package {
    Package { name, sign, why }
}

const PACKAGES: &[Package] = &[
    package("gcc", Sign::Program("cc"), "linking, and the C code of the cryptography and of SQLite"),
    package("libc6-dev", Sign::File("/usr/include/stdio.h"), "the same"),
    package("g++", Sign::Program("c++"), "the fuzzing engine"),
    package("python3", Sign::Program("python3"), "the second client, the services"),
    package("python3-venv", Sign::PythonModules("venv, ensurepip"), "an environment for Python packages"),
    package("xmlsec1", Sign::Program("xmlsec1"), "judges every signature"),
    package("curl", Sign::Program("curl"), "scripts as an administrator writes them"),
    package("jq", Sign::Program("jq"), "the same"),
    package("openssl", Sign::Program("openssl"), "certificates from somebody else"),
    package("util-linux", Sign::Program("setpriv"), "tests that become another user"),
    package("apache2", Sign::Program("apache2"), "the service mod_auth_mellon runs in"),
    package(
        "libapache2-mod-auth-mellon",
        Sign::File("/usr/lib/apache2/modules/mod_auth_mellon.so"),
        "the service mod_auth_mellon",
    ),
    package(
        "libapache2-mod-shib",
        Sign::File("/usr/lib/apache2/modules/mod_shib.so"),
        "the service Shibboleth, with its daemon shibd",
    ),
    package("simplesamlphp", Sign::File("/usr/share/simplesamlphp/www/module.php"), "the service SimpleSAMLphp"),
    package("php-cli", Sign::Program("php"), "the same"),
    package("php-curl", Sign::Below("/usr/lib/php", "curl.so"), "the same"),
    package("php-mbstring", Sign::Below("/usr/lib/php", "mbstring.so"), "the same"),
    package("php-sqlite3", Sign::Below("/usr/lib/php", "pdo_sqlite.so"), "the same, which remembers assertions there"),
    package("php-xml", Sign::Below("/usr/lib/php", "dom.so"), "the same"),
    package("postgresql", Sign::Below("/usr/lib/postgresql", "bin/initdb"), "the second store"),
    package("nodejs", Sign::Program("node"), "what drives the browser"),
    package("npm", Sign::Program("npm"), "the same, and brings its packages"),
    package("chromium", Sign::Program("chromium"), "the browser in which the portals are tested"),
    package(
        "fonts-noto-core",
        Sign::File("/usr/share/fonts/truetype/noto/NotoSans-Regular.ttf"),
        "letters in that browser's pictures",
    ),
    package("fonts-noto-mono", Sign::File("/usr/share/fonts/truetype/noto/NotoSansMono-Regular.ttf"), "the same"),
];

const POLICY: &str = "/usr/sbin/policy-rc.d";
const NO_CLUSTER: &str = "/etc/postgresql-common/createcluster.conf";

/// Installs the packages whose signs are missing.
pub(super) fn prepare(workspace: &Workspace, install: Install) -> Result<(), Problem> {
    let missing: Vec<&Package> = PACKAGES.iter().filter(|package| !is_there(workspace, &package.sign)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    for package in &missing {
        output::say(format_args!("missing: {} ({})", package.name, package.why));
    }
    let by_hand = format!("apt-get install --no-install-recommends {}", names.join(" "));
    if install == Install::Nothing {
        return Err(Problem::new("Nothing may be installed here, and packages are missing.", by_hand));
    }
    if !rustix::process::geteuid().is_root() {
        return Err(Problem::new("Packages are missing, and only root installs them.", format!("sudo {by_hand}")));
    }
    if !process::exists(workspace, "apt-get") {
        return Err(Problem::new(
            "Packages are missing, and this system has no apt-get.",
            format!("Install what these Debian packages hold: {}", names.join(" ")),
        ));
    }

    let _policy = NoDaemons::begin()?;
    if names.contains(&"postgresql") {
        no_cluster()?;
    }
    let apt = |arguments: &[&str]| {
        Program::new(workspace, "apt-get")
            .args(["-qq", "-y", "-o", "Dpkg::Options::=--force-confold", "-o", "Dpkg::Use-Pty=0"])
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .run()
    };
    // An old list is no reason to give up: the installation itself says what it does not find.
    if !apt(&["update"])? {
        output::say("apt-get update failed; going on with the lists that are here");
    }
    let installed = apt(&[&["install", "--no-install-recommends"], names.as_slice()].concat())?;
    if names.contains(&"apache2") {
        // Nor at the next start of the machine. Where no systemd runs, nothing would be started anyway.
        let _ = Program::new(workspace, "systemctl").args(["disable", "apache2", "apache-htcacheclean"]).ask();
    }
    let still: Vec<&str> =
        missing.iter().filter(|package| !is_there(workspace, &package.sign)).map(|package| package.name).collect();
    if installed && still.is_empty() {
        return Ok(());
    }
    Err(Problem::new(format!("apt-get did not bring everything: {} missing.", still.join(", ")), by_hand))
}

fn is_there(workspace: &Workspace, sign: &Sign) -> bool {
    match *sign {
        Sign::Program(name) => process::exists(workspace, name),
        Sign::File(path) => Path::new(path).exists(),
        Sign::Below(folder, file) => std::fs::read_dir(folder)
            .is_ok_and(|found| found.filter_map(Result::ok).any(|entry| entry.path().join(file).exists())),
        Sign::PythonModules(modules) => {
            Program::new(workspace, "python3").args(["-c", &format!("import {modules}")]).ask().is_ok()
        }
    }
}

/// While it lives, packages start no daemon: the tests start their own, on ports of their own. A policy that somebody else made is
/// left alone, then and afterwards.
struct NoDaemons {
    ours: Option<PathBuf>,
}

impl NoDaemons {
    fn begin() -> Result<Self, Problem> {
        let path = PathBuf::from(POLICY);
        if path.exists() {
            return Ok(Self { ours: None });
        }
        std::fs::write(&path, "#!/bin/sh\nexit 101\n")
            .and_then(|()| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)))
            .map_err(|error| cannot_write(&path, &error))?;
        Ok(Self { ours: Some(path) })
    }
}

impl Drop for NoDaemons {
    fn drop(&mut self) {
        if let Some(path) = &self.ours
            && let Err(error) = std::fs::remove_file(path)
        {
            output::say(format_args!("{} could not be removed ({error}); do so by hand", path.display()));
        }
    }
}

/// Debian's PostgreSQL makes and starts a database of the whole machine when it is installed, unless it is told not to.
fn no_cluster() -> Result<(), Problem> {
    let path = Path::new(NO_CLUSTER);
    if path.exists() {
        return Ok(());
    }
    path.parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::write(path, "create_main_cluster = false\n"))
        .map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(
        format!("{} cannot be written: {error}.", path.display()),
        "Run this as root on a machine of your own.",
    )
}
