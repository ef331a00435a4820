//! What the command line does at the desk where devices get certificates.

use super::{files, read};
use crate::cli::output::{Output, Table};
use crate::cli::{CliError, operator};
use crate::clock;
use crate::config::Config;
use crate::devices::{DeviceName, Renewal};
use crate::init::write_new;
use crate::issuing::{Asker, CrlRules, Desk, NewDevice, Rules, write_crl};
use crate::pki::Request;
use crate::store::Store;
use clap::Args;
use contract::Micros;
use contract::id::HsaId;
use serde_json::json;
use std::path::{Path, PathBuf};

/// A device to be.
#[derive(Debug, Args)]
pub(in crate::cli) struct New {
    /// The organisation's HSA-id.
    #[arg(long)]
    org: HsaId,
    /// What people call the device.
    #[arg(long)]
    name: DeviceName,
}

impl From<New> for NewDevice {
    fn from(new: New) -> Self {
        Self { organisation: new.org, name: new.name }
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Csr {
    #[command(flatten)]
    new: New,
    /// The request (PKCS#10: PEM, base64 or DER).
    #[arg(long = "csr", value_name = "FILE")]
    request: PathBuf,
    /// The file for the certificate and the authority's after it (PEM).
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

const HOUR: Micros = 3_600 * clock::SECOND;

fn desk(config: &Config, store: &Store) -> Desk {
    let devices = &config.devices;
    let rules = Rules {
        days: devices.days,
        renewal: Renewal { from_day: devices.renew_from_day },
        code_life_us: Micros::from(devices.code_hours) * HOUR,
    };
    Desk::new(store.clone(), files(config), rules, &config.keys.form, &config.app.title)
}

pub(super) async fn code(new: New, config: &Config, store: &Store, output: Output) -> Result<(), CliError> {
    let made = desk(config, store).issue_code(clock::now(), operator::by(), Asker::Operator, &new.into()).await?;
    let (id, code, until) = (made.kept.id.to_string(), made.code.shown(), clock::rfc3339(made.kept.expires));
    output.write(
        &json!({ "id": id, "code": *code, "expires": until }),
        &Table::pairs(&[("id", &id), ("code", &code), ("expires", &until)]),
    )
}

pub(super) async fn csr(args: Csr, config: &Config, store: &Store, output: Output) -> Result<(), CliError> {
    let request = Request::read(&read(&args.request)?)?;
    let desk = desk(config, store);
    let given = desk.enrol_request(clock::now(), operator::by(), Asker::Operator, &args.new.into(), &request).await?;
    let text = format!("{}\n{}", given.cert_pem.trim_end(), given.authority_pem);
    write_new(&args.out, 0o644, text.as_bytes()).map_err(|source| CliError::File { path: args.out.clone(), source })?;
    let (id, until) = (given.device.to_string(), clock::rfc3339(given.certificate.not_after));
    let fingerprint = given.certificate.fingerprint.to_string();
    let file = args.out.display().to_string();
    output.write(
        &json!({
            "device": id, "serial": given.certificate.serial, "fingerprint": fingerprint, "not_after": until, "file": file,
        }),
        &Table::pairs(&[("device", &id), ("fingerprint", &fingerprint), ("not after", &until), ("file", &file)]),
    )
}

pub(super) async fn crl(out: &Path, config: &Config, store: &Store, output: Output) -> Result<(), CliError> {
    let desk = desk(config, store);
    let rules = CrlRules { life_us: Micros::from(config.devices.crl_hours) * HOUR };
    let crl = desk.mend_crl(clock::now(), rules).await?;
    write_crl(out, &crl)?;
    let (number, until, file) = (crl.number.to_string(), clock::rfc3339(crl.next_update), out.display().to_string());
    output.write(
        &json!({ "number": crl.number, "next_update": until, "file": file }),
        &Table::pairs(&[("number", &number), ("next update", &until), ("file", &file)]),
    )
}
