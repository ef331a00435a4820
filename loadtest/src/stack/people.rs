//! Who works in the stack: personal accounts with their grants, and enrolled devices, made by the auditor's commands.
//!
//! Passwords and second factors are the demo's own; they are kept in the stack's folder, readable by its owner, so
//! that a second start can tell them again.

use super::files::Layout;
use super::process::output;
use crate::client::login::Credentials;
use crate::patients::{CARE_PROVIDER, UNITS};
use anyhow::Context as _;
use contract::record::Right;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The sample registry's name in routes and grants.
pub const REGISTRY: &str = "exempelregistret";
/// The second sample registry's name, in stacks that have one.
pub const SECOND: &str = "andra-registret";
const LIMIT: Duration = Duration::from_mins(1);

/// Somebody who gets an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person {
    /// The user name.
    pub user: &'static str,
    /// The name.
    pub name: &'static str,
    /// The title or profession.
    pub title: &'static str,
    /// The HSA-id.
    pub hsa: &'static str,
    /// The right in the sample registry, if any.
    pub right: Option<Right>,
    /// What they are appointed to, if anything.
    pub appointment: Option<&'static str>,
    /// The care unit from which this person acts, if any: HSA-id and name.
    pub unit: Option<(&'static str, &'static str)>,
}

/// Everybody and every device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    /// Accounts.
    pub people: Vec<Person>,
    /// Devices, by name.
    pub devices: Vec<&'static str>,
}

const NORTH: (&str, &str) = UNITS[0];
const SOUTH: (&str, &str) = UNITS[1];

/// May read and write; the demo's user.
pub const ANNA: Person = Person {
    user: "anna",
    name: "Anna Provsson",
    title: "Läkare",
    hsa: "SE0000000000-P001",
    right: Some(Right::ReadWrite),
    appointment: None,
    unit: Some(NORTH),
};
/// May read and write, elsewhere.
pub const BERTIL: Person = Person {
    user: "bertil",
    name: "Bertil Testgren",
    title: "Sjuksköterska",
    hsa: "SE0000000000-P002",
    unit: Some(SOUTH),
    ..ANNA
};
/// May read.
pub const CECILIA: Person = Person {
    user: "cecilia",
    name: "Cecilia Låtsberg",
    title: "Medicinsk sekreterare",
    hsa: "SE0000000000-P003",
    right: Some(Right::Read),
    appointment: None,
    unit: Some(SOUTH),
};
/// Has an account, and no grant.
pub const DAVID: Person = Person {
    user: "david",
    name: "David Utanrätt",
    title: "Vårdbiträde",
    hsa: "SE0000000000-P004",
    right: None,
    appointment: None,
    unit: Some(NORTH),
};
/// The first administrator; acts from no care unit.
pub const ELSA: Person = Person {
    user: "elsa",
    name: "Elsa Förvaltare",
    title: "Systemförvaltare",
    hsa: "SE0000000000-P005",
    right: None,
    appointment: Some("account_admin"),
    unit: None,
};

impl Roster {
    /// The demo's people, and the devices that they work on.
    pub fn demo() -> Self {
        Self { people: vec![ANNA, BERTIL, CECILIA, DAVID, ELSA], devices: vec!["mottagning", "avdelning"] }
    }
}

/// What enrolment gave.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Enrolled {
    /// How each user logs in, by user name.
    pub credentials: BTreeMap<String, Credentials>,
    /// The devices, by name.
    pub devices: BTreeMap<String, EnrolledDevice>,
    /// The devices' organisation is there.
    organisation: bool,
    /// The users whose commission is set: a stack that was made before there were any gets them at its next start.
    #[serde(default)]
    commissions: BTreeSet<String>,
}

/// A device that has its certificate.
#[derive(Clone, Serialize, Deserialize)]
pub struct EnrolledDevice {
    /// Its id.
    pub device: String,
    /// When its certificate ends, RFC 3339.
    pub not_after: String,
    /// The pass phrase of its PKCS#12 file.
    pub pass_phrase: String,
}

impl Enrolled {
    /// What is kept in a stack's folder; nothing if it is new.
    pub fn load(layout: &Layout) -> anyhow::Result<Self> {
        let path = layout.credentials();
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).with_context(|| path.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }
}

impl EnrolledDevice {
    fn holds_on(&self, day: OffsetDateTime) -> bool {
        OffsetDateTime::parse(&self.not_after, &Rfc3339).is_ok_and(|end| end > day)
    }
}

#[derive(Deserialize)]
struct MadeAccount {
    password: String,
    totp_secret: String,
}

/// Makes the accounts and devices that are not there yet, and devices' certificates anew that end within a day.
pub async fn enrol(roster: &Roster, auditor: &Path, layout: &Layout) -> anyhow::Result<Enrolled> {
    let mut maker = Maker { auditor, layout, enrolled: Enrolled::load(layout)? };
    if !maker.enrolled.organisation {
        maker.call(&["device", "org-add", "--hsa", CARE_PROVIDER, "--name", "Exempelvården"]).await?;
        maker.enrolled.organisation = true;
        maker.save()?;
    }
    for person in &roster.people {
        if !maker.enrolled.credentials.contains_key(person.user) {
            maker.account(person).await?;
        }
        if let Some(unit) = person.unit
            && !maker.enrolled.commissions.contains(person.user)
        {
            maker.commission(person, unit).await?;
        }
    }
    let tomorrow = crate::clock::now() + time::Duration::DAY;
    for name in &roster.devices {
        if !maker.enrolled.devices.get(*name).is_some_and(|device| device.holds_on(tomorrow)) {
            maker.device(name).await?;
        }
    }
    Ok(maker.enrolled)
}

struct Maker<'a> {
    auditor: &'a Path,
    layout: &'a Layout,
    enrolled: Enrolled,
}

impl Maker<'_> {
    /// After each step: what the auditor shows once must not be lost.
    fn save(&self) -> anyhow::Result<()> {
        let path = self.layout.credentials();
        let partial = path.with_extension("partial");
        let mut file = std::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        serde_json::to_writer_pretty(&mut file, &self.enrolled)?;
        file.sync_all()?;
        std::fs::rename(&partial, &path).with_context(|| path.display().to_string())
    }

    async fn call(&self, arguments: &[&str]) -> anyhow::Result<String> {
        Ok(output(self.auditor, &self.layout.auditor_arguments(arguments), LIMIT).await?)
    }

    async fn account(&mut self, person: &Person) -> anyhow::Result<()> {
        let mut arguments =
            vec!["account", "create", "--user", person.user, "--name", person.name, "--hsa", person.hsa];
        arguments.extend(["--title", person.title, "--generate-password", "--totp"]);
        if let Some(appointment) = person.appointment {
            arguments.extend(["--appoint", appointment]);
        }
        let made: MadeAccount =
            serde_json::from_str(&self.call(&arguments).await?).context("auditor account create")?;
        let user = person.user.to_owned();
        let credentials = Credentials { user: user.clone(), password: made.password, totp_secret: made.totp_secret };
        self.enrolled.credentials.insert(user, credentials);
        self.save()?;
        if let Some(right) = person.right {
            self.call(&["account", "grant", person.user, "--registry", REGISTRY, "--right", right.as_str()]).await?;
        }
        Ok(())
    }

    async fn commission(&mut self, person: &Person, (unit, name): (&str, &str)) -> anyhow::Result<()> {
        let commission = format!("{}, {name}", person.title);
        let mut arguments = vec!["account", "commission", person.user, "--care-unit", unit, "--care-unit-name", name];
        arguments.extend(["--care-provider", CARE_PROVIDER, "--name", &commission]);
        self.call(&arguments).await?;
        self.enrolled.commissions.insert(person.user.to_owned());
        self.save()
    }

    async fn device(&mut self, name: &str) -> anyhow::Result<()> {
        let (certificate, key) = self.layout.device_files(name);
        for old in [&certificate, &key, &self.layout.device_bundle(name)] {
            match std::fs::remove_file(old) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| old.display().to_string());
                }
                _ => {}
            }
        }
        let folder = certificate.parent().unwrap_or(self.layout.dir()).to_string_lossy().into_owned();
        let arguments =
            ["device", "enrol", "--org", CARE_PROVIDER, "--name", name, "--out", &folder, "--file-name", name];
        let made: EnrolledDevice =
            serde_json::from_str(&self.call(&arguments).await?).context("auditor device enrol")?;
        self.enrolled.devices.insert(name.to_owned(), made);
        self.save()
    }
}
