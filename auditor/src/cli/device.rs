//! `auditor device`: organisations and devices from the command line.

mod ca;
mod desk;

use super::output::{Output, Table};
use super::{CliError, operator};
use crate::clock;
use crate::config::Config;
use crate::devices::{Device, DeviceName, Organisation, Why};
use crate::init::write_new;
use crate::issuing::AuthorityPlace;
use crate::pki::{self, DeviceSubject, Lock, Request};
use crate::random;
use crate::store::{DeviceOrder, Store, WantedDevices};
use clap::{Args, Subcommand};
use contract::id::{AccountId, CertFingerprint, DeviceId, HsaId};
use serde_json::json;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

#[derive(Debug, Subcommand)]
pub(super) enum DeviceCommand {
    /// Add an organisation that devices can be enrolled for.
    OrgAdd {
        /// Its HSA-id.
        #[arg(long)]
        hsa: HsaId,
        /// Its name.
        #[arg(long)]
        name: String,
    },
    /// Enrol a device: a certificate, with a new key or for a request's.
    Enrol(Enrol),
    /// Make a one-time code that a device enrols itself by, at the enrolment listener. It is shown once.
    Code(desk::New),
    /// Enrol a device with the key of a certificate request, and write its certificate.
    Csr(desk::Csr),
    /// Make the authority's key in the token of the settings, and write its certificate, or a request for one.
    CaInit(ca::Init),
    /// Write the certificate revocation list, signed anew if it is due.
    Crl {
        /// The file (DER).
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Revoke a device: it is shut out at once.
    Revoke {
        /// The device's id.
        device: DeviceId,
        /// Why: lost, stolen, key_compromised, replaced, out_of_use, leaves or mistake.
        #[arg(long, value_parser = read_why)]
        why: Option<Why>,
    },
    /// List devices.
    List {
        /// At most so many, the newest first.
        #[arg(long, default_value_t = 1000)]
        limit: u32,
        /// Only those that are not revoked and whose certificate ends within so many days, or has ended; the next to end first.
        #[arg(long, value_name = "DAYS", num_args = 0..=1, default_missing_value = "7")]
        expiring: Option<u16>,
    },
}

fn read_why(text: &str) -> Result<Why, String> {
    Why::to_revoke(text).ok_or_else(|| format!("must be {}", Why::TO_REVOKE_WORDS))
}

#[derive(Debug, Args)]
pub(super) struct Enrol {
    /// The organisation's HSA-id.
    #[arg(long)]
    org: HsaId,
    /// What people call the device.
    #[arg(long)]
    name: DeviceName,
    /// The folder for the files; made if it is not there.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The files' name before the dot [default: the device's id].
    #[arg(long, value_name = "NAME")]
    file_name: Option<String>,
    /// How many days the certificate holds [default: the settings'].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=825))]
    days: Option<u32>,
    /// A certificate request (PEM): its key is used, and no key or PKCS#12 file is written.
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
    /// Write the PKCS#12 file's pass phrase to this file (mode 0600) instead of showing it.
    #[arg(long, value_name = "FILE", conflicts_with = "csr")]
    pass_phrase_file: Option<PathBuf>,
    /// Write the PKCS#12 file as iOS, and old macOS, Windows and Android, read it.
    #[arg(long, conflicts_with = "csr")]
    legacy: bool,
}

impl Enrol {
    fn lock(&self) -> Lock {
        if self.legacy { Lock::Legacy } else { Lock::Modern }
    }
}

pub(super) async fn run(
    command: DeviceCommand,
    config: &Config,
    store: &Store,
    output: Output,
) -> Result<(), CliError> {
    match command {
        DeviceCommand::OrgAdd { hsa, name } => {
            let now = clock::now();
            let mut change = store.change(now, operator::by()).await?;
            change.add_organisation(&Organisation { hsa: hsa.clone(), name: name.clone(), created: now }).await?;
            change.commit().await?;
            output.write(&json!({ "hsa": hsa, "name": name }), &Table::pairs(&[("hsa", hsa.as_str()), ("name", &name)]))
        }
        DeviceCommand::Enrol(args) => enrol(args, config, store, output).await,
        DeviceCommand::Code(args) => desk::code(args, config, store, output).await,
        DeviceCommand::Csr(args) => desk::csr(args, config, store, output).await,
        DeviceCommand::CaInit(args) => ca::init(&args, config, output),
        DeviceCommand::Crl { out } => desk::crl(&out, config, store, output).await,
        DeviceCommand::Revoke { device, why } => {
            let mut change = store.change(clock::now(), operator::by()).await?;
            let device = change.revoke_device(device, why.unwrap_or(Why::Unspecified)).await?;
            change.commit().await?;
            let (id, at) = (device.id.to_string(), device.revoked.map(clock::rfc3339).unwrap_or_default());
            output.write(&json!({ "device": id, "revoked": at }), &Table::pairs(&[("device", &id), ("revoked", &at)]))
        }
        DeviceCommand::List { limit, expiring } => list(limit, expiring, store, output).await,
    }
}

async fn enrol(args: Enrol, config: &Config, store: &Store, output: Output) -> Result<(), CliError> {
    let authority = files(config).open()?;
    let now = clock::now();
    let days = args.days.unwrap_or(config.devices.days);
    let serial = random::secret();
    let subject = DeviceSubject {
        id: DeviceId::new(random::uuid(now)),
        name: args.name.to_string(),
        organisation: args.org.clone(),
    };
    let stem = args.file_name.clone().unwrap_or_else(|| subject.id.to_string());
    if stem.contains('/') || stem.starts_with('.') {
        return Err(CliError::Wrong("--file-name is a name, not a path".to_owned()));
    }
    std::fs::create_dir_all(&args.out).map_err(|source| CliError::File { path: args.out.clone(), source })?;
    let place = |suffix: &str| args.out.join(format!("{stem}.{suffix}"));

    let mut files = Vec::new();
    let mut shown = None;
    let (cert_der, key) = if let Some(csr) = &args.csr {
        let request = Request::read(&read(csr)?)?;
        let (pem, der) = authority.issue_device_for(&subject, &request, &serial, now, days)?;
        files.push((place("pem"), 0o644, Zeroizing::new(pem.into_bytes())));
        (der, request.key_hash())
    } else {
        let issued = authority.issue_device(&subject, &serial, now, days)?;
        let phrase = random::pass_phrase();
        let archive = pki::pkcs12(&issued, authority.cert_pem(), &subject.name, &phrase, args.lock())?;
        files.push((place("pem"), 0o644, Zeroizing::new(issued.cert_pem.into_bytes())));
        files.push((place("key"), 0o600, Zeroizing::new(issued.key_pem.as_bytes().to_vec())));
        files.push((place("p12"), 0o600, Zeroizing::new(archive)));
        match &args.pass_phrase_file {
            Some(path) => files.push((path.clone(), 0o600, Zeroizing::new(format!("{}\n", *phrase).into_bytes()))),
            None => shown = Some(phrase),
        }
        (issued.cert_der, issued.key_hash)
    };
    let device = Device {
        id: subject.id,
        organisation: args.org,
        name: subject.name,
        serial: hex::encode(pki::positive(&serial)),
        fingerprint: CertFingerprint::of_der(&cert_der),
        not_before: pki::not_before(now),
        not_after: pki::not_after(now, days),
        enrolled: now,
        enrolled_by: AccountId::NONE,
        revoked: None,
    };
    let mut change = store.change(now, operator::by()).await?;
    change.enrol_device_with(&device, Some(key)).await?;
    // Files first: a device that is enrolled and has no files would be of no use to anybody.
    for (path, mode, bytes) in &files {
        write_new(path, *mode, bytes).map_err(|source| CliError::File { path: path.clone(), source })?;
    }
    change.commit().await?;

    let id = device.id.to_string();
    let fingerprint = device.fingerprint.to_string();
    let until = clock::rfc3339(device.not_after);
    let names: Vec<String> = files.iter().map(|(path, ..)| path.display().to_string()).collect();
    let phrase = shown.as_ref().map(|phrase| phrase.as_str());
    let value = json!({
        "device": id, "serial": device.serial, "fingerprint": fingerprint, "not_after": until,
        "files": names, "pass_phrase": phrase,
    });
    let mut pairs = vec![("device", id.as_str()), ("fingerprint", &fingerprint), ("not after", &until)];
    pairs.extend(names.iter().map(|name| ("file", name.as_str())));
    pairs.extend(phrase.map(|phrase| ("pass phrase", phrase)));
    output.write(&value, &Table::pairs(&pairs))
}

async fn list(limit: u32, expiring: Option<u16>, store: &Store, output: Output) -> Result<(), CliError> {
    let devices = match expiring {
        None => store.devices(limit).await?,
        Some(days) => {
            let until = clock::now().saturating_add(i64::from(days) * clock::DAY);
            let wanted = WantedDevices {
                organisations: None,
                search: None,
                revoked: None,
                ends_before: Some(until),
                order: DeviceOrder::Expires,
                after: None,
                limit,
            };
            store.device_page(&wanted).await?.into_iter().map(|listed| listed.device).collect()
        }
    };
    let values: Vec<_> = devices
        .iter()
        .map(|device| {
            json!({
                "device": device.id, "organisation": device.organisation, "name": device.name,
                "serial": device.serial, "fingerprint": device.fingerprint,
                "enrolled": clock::rfc3339(device.enrolled), "not_after": clock::rfc3339(device.not_after),
                "revoked": device.revoked.map(clock::rfc3339),
            })
        })
        .collect();
    output.write(
        &values,
        &Table::new(&["device", "organisation", "name", "not after", "revoked"], &devices, |device| {
            vec![
                device.id.to_string(),
                device.organisation.to_string(),
                device.name.clone(),
                clock::rfc3339(device.not_after),
                device.revoked.map(clock::rfc3339).unwrap_or_default(),
            ]
        }),
    )
}

fn files(config: &Config) -> AuthorityPlace {
    AuthorityPlace::new(config.devices.ca_cert.clone(), &config.devices.ca_key)
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).map_err(|source| CliError::File { path: path.to_owned(), source })
}
