//! A small company around the one person of the demonstration, so that there is something to look at in the portals.
//!
//! Owns its people, groups, devices and what goes wrong among them. Everything is done by the command lines of server and connector. Must not know
//! pages.

use std::fmt::Write as _;

use super::{DOMAIN, Story};
use crate::demo::commands::Commands;
use crate::problem::Problem;

/// Whoever opens the portals in the demonstration.
pub(super) const OWNER: &str = "olga";

const DEPARTMENTS: [(&str, &[(&str, &str)]); 4] = [
    ("Engineering", &[("Anna", "Berg"), ("Jonas", "Falk"), ("Mei", "Tanaka"), ("Luca", "Moretti"), ("Ines", "Duarte")]),
    ("Sales", &[("Peter", "Novak"), ("Sofia", "Lind"), ("Amir", "Haddad"), ("Clara", "Dubois")]),
    ("Finance", &[("Ruth", "Okafor"), ("Tom", "Becker"), ("Nadia", "Petrova")]),
    ("Operations", &[("Olga", "Sund"), ("Erik", "Holm"), ("Maya", "Cohen"), ("Paul", "Weber")]),
];

/// Who gets a device, and how their machine is called.
const MACHINES: [(&str, &str); 6] = [
    ("jonas", "macbook-falk"),
    ("mei", "thinkpad-tanaka"),
    ("peter", "elitebook-novak"),
    ("sofia", "thinkpad-lind"),
    ("ruth", "latitude-okafor"),
    ("erik", "nuc-holm"),
];

impl Story {
    /// Imports people, rolls devices out to some of them, and lets a few things go wrong.
    pub(super) fn found_company(&mut self, commands: &Commands, cloud_name: &str) -> Result<(), Problem> {
        let mut table = "login_name,display_name,given_name,family_name,emails,department,groups\n".to_owned();
        let mut people = 0;
        for (department, members) in DEPARTMENTS {
            commands.server(&["group", "create", department])?;
            for (given, family) in members {
                let login = format!("{}@{DOMAIN}", given.to_lowercase());
                // Writing to a string does not fail.
                let _ = writeln!(table, "{login},{given} {family},{given},{family},{login},{department},{department}");
                people += 1;
            }
        }
        let file = self.file("people.csv");
        self.write(&file, &table)?;
        commands.server(&["user", "import", &file])?;
        self.step(format_args!("{people} people in {} departments, imported from a table", DEPARTMENTS.len()));

        let token = self.file("token-berlin");
        let made = [
            ["token", "create", "--description", "Laptops, Berlin", "--domain", DOMAIN, "--max-uses", "500"].as_slice(),
            &["--expires", "14d", "--expect", "20", "--brake", "50%", "--no-sealed-copy", "--output", &token],
        ]
        .concat();
        commands.server(&made)?;
        for (person, machine) in MACHINES {
            let enrolled = self.enroll_machine(commands, cloud_name, &token, person, machine)?;
            if enrolled != 0 {
                return Err(Problem::new(
                    format!("{person}'s device was not registered: the connector ended with {enrolled}."),
                    "This step works on a fresh folder; if it does not, it is a defect.",
                ));
            }
        }
        // A second machine of somebody waits for approval, and a name that nobody may invent is refused.
        let waits = self.enroll_machine(commands, cloud_name, &token, "jonas", "thinkpad-second")?;
        let refused = self.enroll_machine(commands, cloud_name, &token, "postmaster", "unknown-box")?;
        self.step(format_args!(
            "{} more devices registered; a second one of somebody waits for approval (exit {waits}), a reserved name is refused (exit {refused})",
            MACHINES.len()
        ));
        commands.server(&["role", "give", "owner", "--user", &format!("{OWNER}@{DOMAIN}")])?;
        self.step(format_args!("{OWNER}@{DOMAIN} owns the organization, and may open the portals"));
        Ok(())
    }

    fn enroll_machine(
        &self,
        commands: &Commands,
        cloud_name: &str,
        token: &str,
        person: &str,
        machine: &str,
    ) -> Result<u8, Problem> {
        let arguments = [
            "enroll",
            "--cloud-name",
            cloud_name,
            "--user-domain",
            DOMAIN,
            "--device-token-file",
            token,
            "--user-name",
            person,
        ];
        Ok(commands.connector_of(&format!("devices/{machine}"), &arguments)?.exit)
    }
}
