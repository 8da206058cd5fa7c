//! What this machine says about itself, and whether a state directory was made on it (lifecycle.md, Golden image).

use latchkey_options::{OptionName, Resolved};
use latchkey_wire::Platform;
use latchkey_wire::message::DeviceFacts;
use serde::{Deserialize, Serialize};

/// Three marks of a machine. If two of them differ, the state is a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// SMBIOS UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smbios_uuid: Option<String>,
    /// `/etc/machine-id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_id: Option<String>,
    /// The file system id of the root volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_volume: Option<String>,
}

impl Marks {
    /// This machine's.
    #[must_use]
    pub fn here() -> Self {
        Marks {
            smbios_uuid: first_line("/sys/class/dmi/id/product_uuid"),
            machine_id: first_line("/etc/machine-id"),
            root_volume: root_volume(),
        }
    }

    /// Whether a state with these marks was copied to a machine with those: two of three differ. A mark that either side
    /// cannot read does not count as different.
    #[must_use]
    pub fn copied_to(&self, here: &Marks) -> bool {
        let differs = |a: &Option<String>, b: &Option<String>| a.is_some() && b.is_some() && a != b;
        let count = [
            differs(&self.smbios_uuid, &here.smbios_uuid),
            differs(&self.machine_id, &here.machine_id),
            differs(&self.root_volume, &here.root_volume),
        ]
        .into_iter()
        .filter(|d| *d)
        .count();
        count >= 2
    }
}

/// What is told to the server. A private state directory is a device of its own on a machine it shares with others, so it
/// does not claim the machine's serial number.
#[must_use]
pub fn facts(options: &Resolved, owns_machine: bool) -> DeviceFacts {
    let text = |name| options.text(name).map(str::to_owned);
    DeviceFacts {
        platform: Platform::Linux,
        os: os_name(),
        host: host_name(),
        serial: owns_machine.then(|| first_line("/sys/class/dmi/id/product_serial")).flatten(),
        smbios_uuid: owns_machine.then(|| first_line("/sys/class/dmi/id/product_uuid")).flatten(),
        agent: env!("CARGO_PKG_VERSION").to_owned(),
        external_device_id: text(OptionName::ExternalDeviceId),
        ownership: text(OptionName::Ownership),
    }
}

fn first_line(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line: String = text.lines().next()?.trim().chars().take(128).collect();
    (!line.is_empty() && line != "uninitialized").then_some(line)
}

fn host_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    (!name.is_empty()).then_some(name)
}

fn os_name() -> Option<String> {
    let text = std::fs::read_to_string("/etc/os-release").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("PRETTY_NAME="))?;
    let name = line.trim().trim_matches('"').to_owned();
    (!name.is_empty()).then_some(name)
}

fn root_volume() -> Option<String> {
    let id = rustix::fs::statvfs("/").ok()?.f_fsid;
    (id != 0).then(|| format!("{id:016x}"))
}

#[cfg(test)]
mod tests {
    use super::Marks;

    fn marks(smbios: &str, machine: &str, root: &str) -> Marks {
        let mark = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Marks { smbios_uuid: mark(smbios), machine_id: mark(machine), root_volume: mark(root) }
    }

    #[test]
    fn two_of_three_marks_that_differ_make_a_copy() {
        let here = marks("a", "b", "c");
        for (there, copied) in [
            (marks("a", "b", "c"), false),
            (marks("x", "b", "c"), false),
            (marks("a", "x", "c"), false),
            (marks("x", "x", "c"), true),
            (marks("x", "b", "x"), true),
            (marks("a", "x", "x"), true),
            (marks("x", "x", "x"), true),
            (marks("", "x", "c"), false),
            (marks("", "x", "x"), true),
            (marks("", "", "x"), false),
            (marks("", "", ""), false),
        ] {
            assert_eq!(there.copied_to(&here), copied, "{there:?}");
        }
    }
}
