//! The systemd unit of the server, hardened.
//!
//! Owns its text, for `latchkey service-unit` and for packages (`packaging/systemd/latchkey.service` is
//! [`packaged`], and a test holds them together). Must not know systemd's manager.

use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::config::Typed;
use crate::exit::{Failure, Result};
use crate::output::Output;

/// `latchkey service-unit [FLAGS OF serve]`: a unit that runs `serve` with these flags from this program and place.
pub fn command(typed: &Typed, output: Output) -> Result<()> {
    let program = std::env::current_exe().map_err(|error| Failure::io("the path of this program", &error))?;
    let data = typed.value("data").map(str::to_owned).or_else(|| std::env::var("LATCHKEY_DATA").ok());
    let data = absolute(Path::new(data.as_deref().unwrap_or("latchkey-data")))?;
    let user = user_of(&data)?;
    let mut flags = vec!["--data".to_owned(), data.display().to_string()];
    flags.extend(absolute_flags(typed)?);
    let text = unit(&Unit { program: &program, flags: &flags, user: &user, writes: Some(&data), packaged: false });
    if !data.is_dir() {
        // The unit lets the server write there and nowhere else, so it can make neither the directory nor the key beside it.
        let words: String = flags.iter().map(|flag| format!(" {}", quoted_for_shell(flag))).collect();
        output.say(&format!(
            "note: {} is not there yet, and a service cannot make it; before the unit is started, once by hand as user {user}: latchkey serve{words}",
            data.display()
        ));
    }
    if output.json {
        output.document(&serde_json::json!({ "unit": text }));
    } else {
        output.text(&text);
    }
    Ok(())
}

/// The unit of the packages.
#[must_use]
pub fn packaged() -> String {
    let flags = [
        "--data",
        "/var/lib/latchkey",
        "--master-key-file",
        "/etc/latchkey/master.key",
        "--config",
        "/etc/latchkey/latchkey.toml",
    ];
    unit(&Unit {
        program: Path::new("/usr/bin/latchkey"),
        flags: &flags.map(str::to_owned),
        user: "latchkey",
        writes: None,
        packaged: true,
    })
}

struct Unit<'a> {
    program: &'a Path,
    flags: &'a [String],
    user: &'a str,
    writes: Option<&'a Path>,
    packaged: bool,
}

fn unit(unit: &Unit<'_>) -> String {
    let mut start = quoted(&unit.program.display().to_string());
    start.push_str(" serve");
    for flag in unit.flags {
        start.push(' ');
        start.push_str(&quoted(flag));
    }
    let mut text = format!(
        "[Unit]
Description=Latchkey: identity provider for managed devices
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
ExecStart={start}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=5
# Wrong configuration does not mend itself.
RestartPreventExitStatus=2
TimeoutStopSec=30
User={}
UMask=0077
LimitNOFILE=65536
",
        unit.user
    );
    if unit.packaged {
        text.push_str("StateDirectory=latchkey\nStateDirectoryMode=0700\nConfigurationDirectory=latchkey\nConfigurationDirectoryMode=0750\n");
    }
    let homes = ["/home", "/root", "/run/user"];
    let at_home = homes
        .iter()
        .any(|home| unit.program.starts_with(home) || unit.writes.is_some_and(|data| data.starts_with(home)));
    text.push_str(
        "
# Nothing but its own directory, the network, and a port below 1024.
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
ProtectSystem=strict
",
    );
    // Writing to a string does not fail.
    if let Some(data) = unit.writes {
        let _ = writeln!(text, "ReadWritePaths={}", quoted(&data.display().to_string()));
    }
    let _ = writeln!(text, "ProtectHome={}", if at_home { "read-only" } else { "yes" });
    text.push_str(
        "PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
",
    );
    text
}

/// The flags that were typed, but the data directory, with files by their full path: a unit has no working directory.
fn absolute_flags(typed: &Typed) -> Result<Vec<String>> {
    let files = ["--tls-cert", "--tls-key", "--master-key-file", "--ready-file", "--config"];
    let mut flags = Vec::new();
    let mut typed = typed.repeat().into_iter().peekable();
    while let Some(flag) = typed.next() {
        let value = typed.next_if(|value| !value.starts_with("--"));
        if flag == "--data" {
            continue;
        }
        let value = match value {
            Some(file) if files.contains(&flag.as_str()) => Some(absolute(Path::new(&file))?.display().to_string()),
            value => value,
        };
        flags.push(flag);
        flags.extend(value);
    }
    Ok(flags)
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| Failure::io(path.display(), &error))
}

/// The user that the data belongs to; before there is any, the one who asks.
fn user_of(data: &Path) -> Result<String> {
    let uid = std::fs::metadata(data).map_or_else(|_| rustix::process::geteuid().as_raw(), |found| found.uid());
    // systemd takes numbers as well as names.
    Ok(uid.to_string())
}

/// A word of a unit file: systemd expands % and $, and splits at spaces.
fn quoted(word: &str) -> String {
    let escaped = word.replace('%', "%%").replace('$', "$$");
    if escaped.contains([' ', '"', '\'', '\\', ';']) {
        format!("\"{}\"", escaped.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        escaped
    }
}

/// A word of a shell command.
pub(super) fn quoted_for_shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=@[]".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packaged_unit_is_this_text() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/systemd/latchkey.service");
        assert_eq!(
            std::fs::read_to_string(file).unwrap(),
            packaged(),
            "write packaged() to packaging/systemd/latchkey.service"
        );
    }

    #[test]
    fn words_with_spaces_and_percent_signs_stay_words() {
        let data = Path::new("/srv/my data/100%");
        let flags = ["--data".to_owned(), data.display().to_string()];
        let text = unit(&Unit {
            program: Path::new("/home/a/latchkey"),
            flags: &flags,
            user: "7",
            writes: Some(data),
            packaged: false,
        });
        assert!(text.contains("ExecStart=/home/a/latchkey serve --data \"/srv/my data/100%%\"\n"), "{text}");
        assert!(text.contains("ReadWritePaths=\"/srv/my data/100%%\"\n") && text.contains("ProtectHome=read-only\n"));
    }

    #[test]
    fn shell_words() {
        assert_eq!(quoted_for_shell("/a/b-c"), "/a/b-c");
        assert_eq!(quoted_for_shell("it's"), "'it'\\''s'");
    }
}
