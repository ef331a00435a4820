//! `gateway seal-key show|rotate`: the key that seals this node's records, for those who check them, and its replacement.
//!
//! Both work with or without a gateway running. `show` changes nothing. `rotate` makes the next key; the gateway takes it at
//! its next start, and only then does the present key sign the hand-over, for it must say from which batch on.

use std::io::{self, Write};

use clap::{Subcommand, ValueEnum};
use contract::instant;
use contract::seal::{SignedHandOver, key_id};
use serde_json::json;

use crate::config::Node;
use crate::keys::{self, KeysError, Seen};

/// Shows or replaces the seal key.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
    /// How to show it.
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Action {
    /// Print the public key for auditor.toml, and each hand-over so far
    Show,
    /// Make the key that takes over at the gateway's next start
    Rotate,
}

/// How to show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people: what is not a comment can be pasted into auditor.toml.
    Table,
    /// For programs: one object.
    Json,
}

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The keys are of no use.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// There is no key yet.
    #[error("this node has no seal key yet: `gateway keys` makes one")]
    NoKey,
    /// The answer could not be written.
    #[error("the answer cannot be written")]
    Write(#[from] io::Error),
}

/// Does what the arguments ask for, and writes the answer to `out`.
pub fn run(args: &Args, node: &Node, out: &mut dyn Write) -> Result<(), CliError> {
    let look = || keys::look_at_seal_keys(&node.state_dir, &node.name)?.ok_or(CliError::NoKey);
    match args.action {
        Action::Show => show(node, &look()?, args.output, out)?,
        Action::Rotate => {
            look()?;
            let (key, made) = keys::prepare_seal_key(&node.state_dir)?;
            let id = key_id(&key);
            match args.output {
                Output::Json => {
                    writeln!(out, "{}", json!({ "waiting": hex::encode(key), "id": id, "made": made }))?;
                }
                Output::Table => {
                    let was = if made { "was made" } else { "was waiting already" };
                    writeln!(out, "seal key {id} {was}; it takes over when the gateway is started again")?;
                }
            }
        }
    }
    Ok(())
}

fn show(node: &Node, seen: &Seen, output: Output, out: &mut dyn Write) -> Result<(), CliError> {
    let root = hex::encode(seen.root());
    if output == Output::Json {
        let shown = json!({
            "node": node.name.as_str(), "key": hex::encode(seen.current), "id": key_id(&seen.current),
            "first_key": root, "first_id": key_id(&seen.root()), "waiting": seen.next.map(hex::encode),
            "hand_overs": seen.history,
        });
        writeln!(out, "{shown}")?;
        return Ok(());
    }
    writeln!(out, "# {}: seal key {}, public {}", node.name, key_id(&seen.current), hex::encode(seen.current))?;
    if let Some(next) = &seen.next {
        writeln!(out, "# key {} waits, and takes over when the gateway is started again", key_id(next))?;
    }
    for SignedHandOver { said, .. } in &seen.history {
        let (old, new) = (key_id(&said.old), key_id(&said.new));
        let (access, auth, at) = (said.access.batch, said.auth.batch, instant::text(said.at));
        writeln!(
            out,
            "# {at}: {old} handed over to {new}, from batch {access} of access_log and {auth} of auth_event on"
        )?;
    }
    writeln!(out, "# For auditor.toml: the first key. From it `auditor verify` follows the hand-overs to the others.")?;
    writeln!(out, "[[seal_key]]\nnode = \"{}\"\nkey = \"{root}\"", node.name)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::NodeKeys;
    use contract::seal::Edge;

    fn said(args: &Args, node: &Node) -> String {
        let mut out = Vec::new();
        run(args, node, &mut out).expect("does it");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn what_is_shown_can_be_pasted_and_stays_the_first_key() {
        let dir = tempfile::tempdir().expect("a folder");
        let node = Node {
            name: "gw1".parse().expect("a name"),
            tenant: "SE2321000016-T".parse().expect("an id"),
            state_dir: dir.path().to_owned(),
            threads: None,
        };
        let args = |action, output| Args { action, output };
        let refused = run(&args(Action::Rotate, Output::Table), &node, &mut Vec::new());
        assert!(matches!(refused, Err(CliError::NoKey)));
        let first = NodeKeys::open(dir.path(), &node.name).expect("makes keys").seal.current().public();
        assert!(said(&args(Action::Rotate, Output::Table), &node).contains("was made"));
        assert!(said(&args(Action::Rotate, Output::Table), &node).contains("was waiting already"));
        let edge = Edge { batch: 3, previous: [4; 32] };
        let mut keys = NodeKeys::open(dir.path(), &node.name).expect("reads keys");
        assert!(keys.seal.hand_over(edge, edge, 1_000_000).expect("hands over"));
        let shown = said(&args(Action::Show, Output::Table), &node);
        let pasted: toml::Table = shown.parse().expect("is TOML");
        let wanted = format!("node = \"gw1\"\nkey = \"{}\"", hex::encode(first));
        assert_eq!(pasted["seal_key"][0].as_table().expect("a table"), &wanted.parse::<toml::Table>().expect("TOML"));
        assert!(shown.contains("1970-01-01T00:00:01Z: ") && shown.contains("from batch 3 of access_log"), "{shown}");
        let json: serde_json::Value =
            serde_json::from_str(&said(&args(Action::Show, Output::Json), &node)).expect("JSON");
        assert_eq!(json["key"], hex::encode(keys.seal.current().public()));
        assert_eq!(json["hand_overs"][0]["new"], json["key"]);
        assert!(json["waiting"].is_null());
    }
}
