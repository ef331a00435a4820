//! `auditor account`: accounts from the command line.

mod confirm;

use super::output::{Output, Table};
use super::passkeys::{self, Passkeys};
use super::{CliError, operator, output};
use crate::accounts::password::PasswordError;
use crate::accounts::totp::TotpSecret;
use crate::accounts::{Account, NewGrant, State, Tries, UserName, password};
use crate::breached::Breached;
use crate::clock;
use crate::config::Config;
use crate::duties::{Appointment, Why};
use crate::random;
use crate::store::{Change, Store, StoreError};
use clap::{Args, Subcommand};
use contract::Micros;
use contract::directory::{self, Commission};
use contract::id::{AccountId, HsaId, RegistryName};
use contract::record::{AuthEventKind, Reason, Right};
use serde_json::json;
use std::path::PathBuf;
use zeroize::Zeroizing;

#[derive(Debug, Subcommand)]
pub(super) enum AccountCommand {
    /// Make an account. With a password and a second factor it is handed out: the first login makes it active.
    Create(Create),
    /// Give, change or take a right in a registry.
    Grant(Grant),
    /// Say from which care unit the user acts (medarbetaruppdrag): for the records, and for grants of single units.
    ///
    /// An account has one commission. Changing or removing it ends the account's sessions.
    Commission(SetCommission),
    /// Close an account for good.
    Close(Which),
    /// Lock an account until it is unlocked.
    Lock(Which),
    /// Unlock an account: after a call-back to the number on file.
    Unlock(Which),
    /// Take a dormant account into use again, after its regions have approved that: it is confirmed for them, too.
    Reactivate(Which),
    /// Confirm for a region that somebody still needs their account: also for a region that did not vouch for them before.
    Confirm(confirm::Confirm),
    /// List accounts.
    List {
        /// At most so many, the newest first.
        #[arg(long, default_value_t = 1000)]
        limit: u32,
    },
    /// Set a new password.
    Password(SetPassword),
    /// Set a new second factor, and show it once. Passkeys stay: end those that were lost with it.
    Totp(Which),
    /// List an account's passkeys, or remove some: those of a device that was lost.
    Passkeys(Passkeys),
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// The account's id or user name.
    account: String,
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// The name that the user logs in with.
    #[arg(long)]
    user: UserName,
    /// The user's name.
    #[arg(long)]
    name: String,
    /// The user's HSA-id.
    #[arg(long)]
    hsa: Option<HsaId>,
    /// The user's title or profession.
    #[arg(long, default_value = "")]
    title: String,
    /// What the user is appointed to, as `auditor appointment add` has it; several are allowed.
    #[arg(long, value_name = "APPOINTMENT")]
    appoint: Vec<Appointment>,
    /// A file whose first line is the password.
    #[arg(long, value_name = "FILE", conflicts_with = "generate_password")]
    password_file: Option<PathBuf>,
    /// Make a password, and show it once.
    #[arg(long)]
    generate_password: bool,
    /// Make a second factor, and show it once.
    #[arg(long)]
    totp: bool,
}

#[derive(Debug, Args)]
pub(super) struct Grant {
    /// The account's id or user name.
    account: String,
    /// The registry, as routes name it.
    #[arg(long)]
    registry: RegistryName,
    /// read or read_write.
    #[arg(long, value_parser = right, required_unless_present = "remove")]
    right: Option<Right>,
    /// Only for this unit (HSA-id); several are allowed.
    #[arg(long)]
    unit: Vec<HsaId>,
    /// From when, RFC 3339 [default: now].
    #[arg(long, value_parser = contract::instant::parse)]
    from: Option<Micros>,
    /// Until when, RFC 3339.
    #[arg(long, value_parser = contract::instant::parse)]
    to: Option<Micros>,
    /// Take the grant back.
    #[arg(long, conflicts_with_all = ["right", "unit", "from", "to"])]
    remove: bool,
}

#[derive(Debug, Args)]
pub(super) struct SetCommission {
    /// The account's id or user name.
    account: String,
    /// The care unit's HSA-id.
    #[arg(long, value_name = "HSA", required_unless_present = "none")]
    care_unit: Option<HsaId>,
    /// The care provider's HSA-id.
    #[arg(long, value_name = "HSA", required_unless_present = "none")]
    care_provider: Option<HsaId>,
    /// The care unit's name.
    #[arg(long, value_name = "NAME", default_value = "", value_parser = words)]
    care_unit_name: String,
    /// The commission's own HSA-id.
    #[arg(long)]
    hsa: Option<HsaId>,
    /// The commission's name.
    #[arg(long, default_value = "", value_parser = words)]
    name: String,
    /// The commission's purpose, in the catalogue's words.
    #[arg(long, default_value = "Vård och behandling", value_parser = words)]
    purpose: String,
    /// Take the commission away.
    #[arg(long, conflicts_with_all = ["care_unit", "care_provider", "care_unit_name", "hsa", "name", "purpose"])]
    none: bool,
}

impl SetCommission {
    /// What is to be set; `None` takes the commission away.
    fn commission(self) -> Option<Commission> {
        (!self.none).then_some(Commission {
            hsa: self.hsa,
            name: self.name,
            purpose: self.purpose,
            care_provider: self.care_provider,
            care_unit: self.care_unit,
            care_unit_name: self.care_unit_name,
        })
    }
}

#[derive(Debug, Args)]
pub(super) struct SetPassword {
    /// The account's id or user name.
    account: String,
    /// A file whose first line is the password; without it one is made and shown once.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

fn right(text: &str) -> Result<Right, String> {
    Right::parse(text).ok_or_else(|| "a right is read or read_write".to_owned())
}

/// A name for the record: it stands in each row of the user's accesses.
fn words(text: &str) -> Result<String, String> {
    if text.chars().count() > WORDS_MAX || text.chars().any(char::is_control) {
        return Err(format!("at most {WORDS_MAX} characters in one line"));
    }
    Ok(text.trim().to_owned())
}

const WORDS_MAX: usize = 200;

pub(super) async fn run(
    command: AccountCommand,
    config: &Config,
    store: &Store,
    output: Output,
) -> Result<(), CliError> {
    match command {
        AccountCommand::Create(args) => create(args, config, store, output).await,
        AccountCommand::Grant(args) => grant(args, config, store, output).await,
        AccountCommand::Commission(args) => commission(args, store, output).await,
        AccountCommand::Close(which) => {
            let close = |state: State, now| state.deregister(now);
            transition(store, output, &which, AuthEventKind::AccountClosed, close).await
        }
        AccountCommand::Lock(which) => {
            let lock = |state: State, now| state.at(now).lock(now, None);
            transition(store, output, &which, AuthEventKind::AccountLocked, lock).await
        }
        AccountCommand::Unlock(which) => {
            let unlock = |state: State, now| state.unlock(now);
            transition(store, output, &which, AuthEventKind::AccountUnlocked, unlock).await
        }
        AccountCommand::Reactivate(which) => confirm::reactivate(&which, store, output).await,
        AccountCommand::Confirm(args) => confirm::confirm(args, store, output).await,
        AccountCommand::List { limit } => list(limit, store, output).await,
        AccountCommand::Passkeys(args) => passkeys::run(args, store, output).await,
        AccountCommand::Password(args) => {
            let mut change = begin(store).await?;
            let account = find(&mut change, &args.account).await?;
            let (password, made) = password_of(args.password_file.as_ref(), config, &known(&account, config))?;
            set_password(&mut change, account.id, &password).await?;
            let account = hand_out_if_ready(&mut change, account).await?;
            change.commit().await?;
            let shown = if made { password } else { Zeroizing::default() };
            show(output, &account, &shown, None)
        }
        AccountCommand::Totp(which) => {
            let mut change = begin(store).await?;
            let account = find(&mut change, &which.account).await?;
            let secret = set_totp(&mut change, config, account.id).await?;
            let account = hand_out_if_ready(&mut change, account).await?;
            change.commit().await?;
            let url = secret.otpauth_url(&config.app.title, account.user_name.as_str())?;
            show(output, &account, "", Some((&url, &secret.to_base32())))
        }
    }
}

async fn create(args: Create, config: &Config, store: &Store, output: Output) -> Result<(), CliError> {
    let mut change = begin(store).await?;
    let now = change.at();
    let account = Account {
        id: AccountId::new(random::uuid(now)),
        user_name: args.user,
        hsa: args.hsa,
        name: args.name,
        title: args.title,
        state: State::Created { at: now },
        tries: Tries::default(),
        last_login: None,
        created: now,
    };
    let password = if args.generate_password || args.password_file.is_some() {
        Some(password_of(args.password_file.as_ref(), config, &known(&account, config))?)
    } else {
        None
    };
    change.create_account(&account).await.map_err(|error| match error {
        // The store does not tell names, for its errors are logged; who typed it may see it.
        StoreError::Taken(what) => {
            CliError::Wrong(format!("the {what} {:?} is taken already", account.user_name.as_str()))
        }
        other => other.into(),
    })?;
    for appointment in &args.appoint {
        change.appoint(account.id, appointment, (now, None), Why::NewDuty).await?;
    }
    if let Some((password, _)) = &password {
        set_password(&mut change, account.id, password).await?;
    }
    let secret = if args.totp { Some(set_totp(&mut change, config, account.id).await?) } else { None };
    let account = hand_out_if_ready(&mut change, account).await?;
    change.commit().await?;
    let shown = password.filter(|(_, made)| *made).map(|(password, _)| password).unwrap_or_default();
    match secret {
        Some(secret) => {
            let url = secret.otpauth_url(&config.app.title, account.user_name.as_str())?;
            show(output, &account, &shown, Some((&url, &secret.to_base32())))
        }
        None => show(output, &account, &shown, None),
    }
}

async fn grant(args: Grant, config: &Config, store: &Store, output: Output) -> Result<(), CliError> {
    if args.right.is_some() {
        let used = store.registries_granted().await?;
        if let Some(note) = unknown_registry(&args.registry, &config.app.registry, &used) {
            output::note(&note);
        }
    }
    let mut change = begin(store).await?;
    let account = find(&mut change, &args.account).await?;
    match args.right {
        Some(right) => {
            let valid_from = args.from.unwrap_or(change.at());
            if args.to.is_some_and(|to| to <= valid_from) {
                return Err(CliError::Wrong("the grant would end before it begins".to_owned()));
            }
            let grant = NewGrant { registry: args.registry, right, units: args.unit, valid_from, valid_to: args.to };
            change.give_grant(account.id, &grant).await?;
        }
        None => change.take_grant(account.id, &args.registry).await?,
    }
    change.commit().await?;
    let grants = store.grants(account.id).await?;
    let commission = store.commission(account.id).await?;
    for note in uncovered(&account, &grants, commission.as_ref()) {
        output::note(&note);
    }
    output.write(
        &json!({ "account": account.id, "grants": grants }),
        &Table::new(&["registry", "right", "units", "from", "to"], &grants, |grant| {
            let units: Vec<_> = grant.units.iter().map(HsaId::as_str).collect();
            let to = grant.valid_to.map(clock::rfc3339).unwrap_or_default();
            vec![
                grant.registry.to_string(),
                grant.right.to_string(),
                units.join(","),
                clock::rfc3339(grant.valid_from),
                to,
            ]
        }),
    )
}

/// What to say of a registry's name that is known neither as the auditor's own nor from another grant.
///
/// Registries are in the gateways' routes, which the auditor does not have: a name may be right all the same.
fn unknown_registry(name: &RegistryName, own: &RegistryName, used: &[RegistryName]) -> Option<String> {
    if name == own || used.contains(name) {
        return None;
    }
    let known: Vec<_> = used.iter().filter(|used| *used != own).chain([own]).map(RegistryName::as_str).collect();
    Some(format!(
        "{:?} is a new name here (in use: {}); if no [[registry]] of the gateways' routes has it, the grant allows nothing",
        name.as_str(),
        known.join(", ")
    ))
}

/// What to say of grants for units that do not have the unit from which the user acts.
fn uncovered(account: &Account, grants: &[directory::Grant], commission: Option<&Commission>) -> Vec<String> {
    let unit = commission.and_then(|commission| commission.care_unit.as_ref());
    let user = account.user_name.as_str();
    let covers =
        |grant: &directory::Grant| grant.units.is_empty() || unit.is_some_and(|unit| grant.units.contains(unit));
    let told = grants.iter().filter(|grant| !covers(grant)).map(|grant| {
        let units: Vec<_> = grant.units.iter().map(HsaId::as_str).collect();
        let acts = unit.map_or_else(|| "no unit: there is no commission".to_owned(), ToString::to_string);
        format!(
            "the grant in {} is for {} only, and {user} acts from {acts}; where a route does not name a unit itself, every request \
             will be refused (other_unit). To change that: auditor account commission {user} --care-unit HSA --care-provider HSA",
            grant.registry,
            units.join(", "),
        )
    });
    told.collect()
}

async fn commission(args: SetCommission, store: &Store, output: Output) -> Result<(), CliError> {
    let mut change = begin(store).await?;
    let account = find(&mut change, &args.account).await?;
    let new = args.commission();
    if change.set_commission(account.id, new.as_ref()).await? {
        change.commit().await?;
    } else {
        output::note("the commission is so already: nothing was changed");
    }
    let grants = store.grants(account.id).await?;
    for note in uncovered(&account, &grants, new.as_ref()) {
        output::note(&note);
    }
    let id = account.id.to_string();
    let mut pairs = vec![("account", id.as_str()), ("user", account.user_name.as_str())];
    let of = |hsa: &Option<HsaId>| hsa.as_ref().map_or_else(String::new, ToString::to_string);
    let (unit, provider) = new.as_ref().map(|new| (of(&new.care_unit), of(&new.care_provider))).unwrap_or_default();
    match &new {
        Some(new) => pairs.extend([
            ("care unit", unit.as_str()),
            ("its name", &new.care_unit_name),
            ("care provider", &provider),
            ("commission", &new.name),
            ("purpose", &new.purpose),
        ]),
        None => pairs.push(("care unit", "none")),
    }
    output.write(&json!({ "account": id, "commission": new }), &Table::pairs(&pairs))
}

async fn transition(
    store: &Store,
    output: Output,
    which: &Which,
    kind: AuthEventKind,
    make: impl Fn(State, Micros) -> Result<State, crate::accounts::InvalidMove>,
) -> Result<(), CliError> {
    let mut change = begin(store).await?;
    let mut account = find(&mut change, &which.account).await?;
    account.state = make(account.state, change.at()).map_err(StoreError::from)?;
    if kind == AuthEventKind::AccountUnlocked {
        account.tries = Tries::default();
        change.move_account(&account, kind, Reason::None).await?;
    } else {
        change.void_handout(account.id).await?;
        change.stop_account(&account, kind).await?;
    }
    change.commit().await?;
    show(output, &account, "", None)
}

async fn list(limit: u32, store: &Store, output: Output) -> Result<(), CliError> {
    let accounts = store.accounts(limit).await?;
    let commissions = store.commissions().await?;
    let given = store.appointments(None, false, u32::MAX).await?;
    let appointed = |id: AccountId| -> Vec<String> {
        given.iter().filter(|given| given.account == id).map(|given| given.appointment.to_string()).collect()
    };
    let values: Vec<_> = accounts
        .iter()
        .map(|account| {
            json!({
                "account": account.id, "user": account.user_name.as_str(), "name": account.name,
                "hsa": account.hsa, "title": account.title, "appointments": appointed(account.id),
                "state": account.state.parts().0, "since": clock::rfc3339(account.state.parts().1),
                "last_login": account.last_login.map(clock::rfc3339), "commission": commissions.get(&account.id),
            })
        })
        .collect();
    output.write(
        &values,
        &Table::new(&["account", "user", "name", "state", "last login", "care unit"], &accounts, |account| {
            let unit = commissions.get(&account.id).and_then(|commission| commission.care_unit.as_ref());
            vec![
                account.id.to_string(),
                account.user_name.as_str().to_owned(),
                account.name.clone(),
                account.state.parts().0.to_owned(),
                account.last_login.map(clock::rfc3339).unwrap_or_default(),
                unit.map(ToString::to_string).unwrap_or_default(),
            ]
        }),
    )
}

pub(super) async fn begin(store: &Store) -> Result<Change, StoreError> {
    store.change(clock::now(), operator::by()).await
}

/// The account with this id or user name.
pub(super) async fn find(change: &mut Change, text: &str) -> Result<Account, CliError> {
    if let Ok(id) = text.parse::<AccountId>() {
        return Ok(change.account(id).await?);
    }
    let name =
        UserName::parse(text).map_err(|error| CliError::Wrong(format!("{text:?} is no account id, and {error}")))?;
    Ok(change.account_by_name(&name).await?)
}

/// What others know of an account, and would try.
fn known<'a>(account: &'a Account, config: &'a Config) -> [&'a str; 4] {
    [account.user_name.as_str(), &account.name, &account.title, &config.app.title]
}

/// The password of a file, or a new one. Tells whether it was made.
fn password_of(file: Option<&PathBuf>, config: &Config, known: &[&str]) -> Result<(Zeroizing<String>, bool), CliError> {
    let Some(path) = file else { return Ok((random::pass_phrase(), true)) };
    let failed = |source| CliError::File { path: path.clone(), source };
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(failed)?);
    let password = Zeroizing::new(text.lines().next().unwrap_or_default().to_owned());
    password::acceptable(&password, known)?;
    if let Some(list) = &config.login.breached_file {
        let stolen = Breached::open(list).and_then(|mut list| list.has(&password))?;
        if stolen {
            return Err(PasswordError::Breached.into());
        }
    }
    Ok((password, false))
}

async fn set_password(change: &mut Change, id: AccountId, password: &str) -> Result<(), CliError> {
    let hash = Zeroizing::new(password::hash(password, &random::secret())?);
    Ok(change.set_password(id, &hash).await?)
}

async fn set_totp(change: &mut Change, config: &Config, id: AccountId) -> Result<TotpSecret, CliError> {
    let secret = TotpSecret::new(random::secret());
    let sealed = config.keys.totp.seal(id, &secret, &random::secret())?;
    change.set_totp(id, &sealed).await?;
    Ok(secret)
}

/// An account that has both halves of its credentials is handed out.
async fn hand_out_if_ready(change: &mut Change, mut account: Account) -> Result<Account, CliError> {
    let credential = change.credential(account.id).await?;
    if credential.password.is_some()
        && credential.totp.is_some()
        && let Ok(state) = account.state.hand_out(change.at())
    {
        account.state = state;
        change.move_account(&account, AuthEventKind::AccountChanged, Reason::None).await?;
    }
    Ok(account)
}

/// Shows an account, and secrets that were made: this once.
fn show(output: Output, account: &Account, password: &str, totp: Option<(&str, &str)>) -> Result<(), CliError> {
    let id = account.id.to_string();
    let state = account.state.parts().0;
    let mut value = json!({ "account": id, "user": account.user_name.as_str(), "state": state });
    let mut pairs = vec![("account", id.as_str()), ("user", account.user_name.as_str()), ("state", state)];
    let mut add = |name: &'static str, text| {
        if let Some(object) = value.as_object_mut() {
            object.insert(name.to_owned(), serde_json::Value::from(text));
        }
    };
    if !password.is_empty() {
        add("password", password);
        pairs.push(("password", password));
    }
    if let Some((url, secret)) = totp {
        add("otpauth", url);
        add("totp_secret", secret);
        pairs.push(("otpauth", url));
    }
    output::Output::write(output, &value, &Table::pairs(&pairs))
}
