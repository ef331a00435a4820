//! `auditor device ca-init`: an authority whose key is made in a token.

use super::super::CliError;
use super::super::output::{Output, Table};
use crate::clock;
use crate::config::Config;
use crate::devices::AuthorityKey;
use crate::init::{CA_DAYS, write_new};
use crate::issuing::{IssueError, Token};
use crate::pki;
use crate::random;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(in crate::cli) struct Init {
    /// The authority's name.
    #[arg(long, default_value = "Grindvakt device CA")]
    name: String,
    /// The file for the certificate, or for the request (PEM).
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Write a certificate request, for an authority above this one, instead of a certificate that signs itself.
    #[arg(long)]
    request: bool,
}

pub(super) fn init(args: &Init, config: &Config, output: Output) -> Result<(), CliError> {
    let AuthorityKey::Token(place) = &config.devices.ca_key else {
        return Err(CliError::Wrong("the settings have no [devices.ca_token] to make a key in".to_owned()));
    };
    // A key that is there for nothing would be in the way of the next try.
    if args.out.exists() {
        return Err(CliError::Wrong(format!("{} is there already", args.out.display())));
    }
    let token = Token::new(place.clone());
    token.make_key(&random::secret())?;
    let key = token.key()?;
    let made = if args.request {
        pki::authority_request(&key, &args.name)
    } else {
        pki::authority_of(&key, &args.name, &random::secret(), clock::now(), CA_DAYS)
    };
    let pem = made.map_err(IssueError::from)?;
    write_new(&args.out, 0o644, pem.as_bytes()).map_err(|source| CliError::File { path: args.out.clone(), source })?;
    let file = args.out.display().to_string();
    output.write(
        &json!({ "token": place.token, "key": place.key, "file": file }),
        &Table::pairs(&[("token", &place.token), ("key", &place.key), ("file", &file)]),
    )
}
