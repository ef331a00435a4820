//! One attempt to log in, from what was typed to a session or a refusal.
//!
//! Whoever is refused learns nothing: the answer is the same, and comes at the same time, whether the name exists
//! or not, whether password or code was wrong, and whether the account is locked. The reason goes to the record.

use super::assertion::AssertionError;
use super::form::Bound;
use super::pages::from_elsewhere;
use super::throttle::WAIT_MAX;
use super::{App, Caller, Secret};
use crate::accounts::login::{Shown, Verdict, judge};
use crate::accounts::totp::CodeCheck;
use crate::accounts::{Account, State, UserName, password};
use crate::clock;
use crate::random;
use crate::sessions::End;
use crate::store::{AtProvider, By, Change, Credential, StoreError};
use axum::http::HeaderMap;
use contract::Micros;
use contract::directory::{Commission, Session};
use contract::emergency::Why;
use contract::id::{AccountId, SessionKey};
use contract::record::{AuthEventKind, AuthMethod, Origin, Reason};
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};
use tokio::time::Instant;

/// What was typed.
pub(super) struct Typed {
    pub(super) user: Secret,
    pub(super) password: Secret,
    pub(super) code: Secret,
}

/// How somebody tries, for the record.
#[derive(Debug)]
pub(super) struct How {
    pub(super) method: AuthMethod,
    /// A word or two about it, or nothing.
    pub(super) note: String,
}

/// What a login elsewhere, at an identity provider or with a card, brings into its session.
#[derive(Debug, Default)]
pub(super) struct Brought {
    /// How strong it was.
    pub(super) acr: String,
    /// The commission that was chosen there. None: the account's own.
    pub(super) commission: Option<Commission>,
    /// What the session is to the provider.
    pub(super) at: Option<AtProvider>,
    /// Words for the record.
    pub(super) note: String,
}

/// A new session.
pub(super) struct Opened {
    pub(super) token: Secret,
    pub(super) expires: Micros,
    /// Whether its user has to accept the security instructions first.
    pub(super) instructions_due: bool,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoginError {
    /// The attempt was refused; nobody is told why.
    #[error("the login was refused")]
    Refused,
    /// Too many attempts at once.
    #[error("too many logins at once")]
    Busy,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What logins count.
#[derive(Debug, Clone)]
pub struct LoginMetrics {
    logins: IntCounterVec,
    unasserted: IntCounter,
    emergencies: IntCounterVec,
}

impl LoginMetrics {
    /// Registers the metrics.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let logins = Opts::new("auditor_logins_total", "Attempts to log in, by result");
        let metrics = Self {
            logins: IntCounterVec::new(logins, &["result"])?,
            unasserted: IntCounter::new(
                "auditor_unasserted_requests_total",
                "Requests without a valid gateway assertion",
            )?,
            emergencies: IntCounterVec::new(
                Opts::new("auditor_emergencies_total", "Patients opened in emergencies, by reason"),
                &["why"],
            )?,
        };
        registry.register(Box::new(metrics.emergencies.clone()))?;
        for why in Why::ALL {
            metrics.emergencies.with_label_values(&[why.as_str()]);
        }
        registry.register(Box::new(metrics.logins.clone()))?;
        registry.register(Box::new(metrics.unasserted.clone()))?;
        for reason in [
            Reason::None,
            Reason::BadCredentials,
            Reason::BadSecondFactor,
            Reason::CodeReplayed,
            Reason::Locked,
            Reason::AccountInactive,
            Reason::Forged,
            Reason::ProviderAnswer,
            Reason::WeakLogin,
            Reason::NoAccount,
            Reason::CodeUnknown,
            Reason::CodeExpired,
        ] {
            metrics.logins.with_label_values(&[reason.as_str()]);
        }
        Ok(metrics)
    }

    pub(super) fn unasserted(&self, _error: &AssertionError) {
        self.unasserted.inc();
    }

    pub(super) fn emergency(&self, why: Why) {
        self.emergencies.with_label_values(&[why.as_str()]).inc();
    }

    pub(super) fn login(&self, reason: Reason) {
        self.logins.with_label_values(&[reason.as_str()]).inc();
    }
}

impl App {
    /// Tries to log in.
    pub(super) async fn attempt(
        &self,
        caller: &Caller,
        typed: Typed,
        method: AuthMethod,
    ) -> Result<Opened, LoginError> {
        let tried = self.pseudonym.user_name(&typed.user).0;
        self.in_turn(tried, caller, self.decide(caller, typed, method)).await
    }

    /// Judges an attempt when its turn comes, and lets a refusal wait: no sooner than all of them come, and later for each
    /// in a row of what was `tried`.
    pub(super) async fn in_turn<T>(
        &self,
        tried: [u8; 16],
        caller: &Caller,
        decide: impl Future<Output = Result<T, LoginError>>,
    ) -> Result<T, LoginError> {
        let turn = self.throttle.turn(tried, caller.assertion.device).await.ok_or(LoginError::Busy)?;
        let begun = Instant::now();
        let decided = decide.await;
        match &decided {
            Ok(_) => turn.right(),
            Err(LoginError::Refused) => {
                let delay = turn.wrong();
                tokio::time::sleep_until(begun + self.login.refusal + delay).await;
            }
            Err(_) => {}
        }
        decided
    }

    async fn decide(&self, caller: &Caller, typed: Typed, method: AuthMethod) -> Result<Opened, LoginError> {
        let name = UserName::parse(&typed.user).ok();
        let account = match &name {
            Some(name) => self.store.account_by_name(name).await?,
            None => None,
        };
        let credential = match &account {
            Some(account) => self.store.credential(account.id).await?,
            None => Credential::default(),
        };
        let right = self.check_password(typed.password, credential.password.clone()).await?;
        let now = clock::now();
        let mut change = self.store.change(now, by(caller)).await?;
        let Some(account) = account else {
            let mut event = change.event(AuthEventKind::LoginFailed, AccountId::NONE);
            event.reason = Reason::BadCredentials;
            event.user_name = self.pseudonym.user_name(&typed.user);
            change.record(event).await?;
            change.commit().await?;
            self.metrics.login(Reason::BadCredentials);
            return Err(LoginError::Refused);
        };
        // The account again, now that nobody else can change it: another attempt may have used the code.
        let account = change.account(account.id).await?;
        let present = change.credential(account.id).await?;
        let shown = Shown {
            password: right && present.password == credential.password,
            code: self.check_code(account.id, &present, &typed.code, now),
        };
        let before = account.state;
        let verdict = judge(account, shown, self.login.lock, now);
        let settled = settle(&mut change, before, verdict, &How { method, note: String::new() }).await?;
        self.let_in(change, caller, settled, method).await
    }

    /// Opens the session of who is let in, and commits either way.
    pub(super) async fn let_in(
        &self,
        change: Change,
        caller: &Caller,
        settled: Result<Account, Reason>,
        method: AuthMethod,
    ) -> Result<Opened, LoginError> {
        self.let_in_with(change, caller, settled, method, Brought::default()).await
    }

    /// The same, with what the login has brought along.
    pub(super) async fn let_in_with(
        &self,
        mut change: Change,
        caller: &Caller,
        settled: Result<Account, Reason>,
        method: AuthMethod,
        brought: Brought,
    ) -> Result<Opened, LoginError> {
        let opened = match &settled {
            Ok(account) => Ok(self.open(&mut change, caller, account, method, brought).await?),
            Err(_) => Err(LoginError::Refused),
        };
        change.commit().await?;
        self.metrics.login(settled.err().unwrap_or(Reason::None));
        opened
    }

    /// Records a form that was not asked for here.
    pub(super) async fn forged(&self, caller: &Caller) -> Result<(), StoreError> {
        let mut change = self.store.change(clock::now(), by(caller)).await?;
        let mut event = change.event(AuthEventKind::LoginFailed, AccountId::NONE);
        event.reason = Reason::Forged;
        change.record(event).await?;
        change.commit().await?;
        self.metrics.login(Reason::Forged);
        Ok(())
    }

    /// Whether a logout was asked for here. Without a session there is nothing to end, and nobody to ask.
    pub(super) async fn may_leave(&self, caller: &Caller, headers: &HeaderMap, form: &str) -> Result<bool, StoreError> {
        if from_elsewhere(headers) {
            return Ok(false);
        }
        let Some(key) = caller.assertion.session else { return Ok(true) };
        let now = clock::now();
        if headers.contains_key("sec-fetch-site")
            || self.form.holds(form, Bound::Session(key), caller.assertion.device_cert, now)
        {
            return Ok(true);
        }
        let session = self.store.live_session(key, now).await?;
        Ok(session.is_none_or(|session| session.auth_method == AuthMethod::Token))
    }

    /// Ends the session that the assertion names.
    pub(super) async fn leave(&self, caller: &Caller) -> Result<(), StoreError> {
        let Some(key) = caller.assertion.session else { return Ok(()) };
        let mut change = self.store.change(clock::now(), by(caller)).await?;
        if change.end_session(key, End::Logout).await? {
            change.commit().await?;
        }
        Ok(())
    }

    async fn check_password(&self, typed: Secret, hash: Option<Secret>) -> Result<bool, LoginError> {
        let permit = tokio::time::timeout(WAIT_MAX, self.checks.acquire()).await;
        let Ok(Ok(_permit)) = permit else { return Err(LoginError::Busy) };
        let checked = tokio::task::spawn_blocking(move || {
            let Some(hash) = hash else {
                password::spend(&typed);
                return false;
            };
            password::verify(&typed, &hash)
        });
        Ok(checked.await.unwrap_or(false))
    }

    pub(super) fn check_code(&self, account: AccountId, credential: &Credential, code: &str, now: Micros) -> CodeCheck {
        let Some(sealed) = &credential.totp else { return CodeCheck::Wrong };
        match self.totp.open(account, sealed) {
            Ok(secret) => secret.check(code, now, credential.totp_step),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, %account, "a second factor does not open");
                CodeCheck::Wrong
            }
        }
    }

    async fn open(
        &self,
        change: &mut Change,
        caller: &Caller,
        account: &Account,
        method: AuthMethod,
        brought: Brought,
    ) -> Result<Opened, StoreError> {
        if let Some(old) = caller.assertion.session {
            change.end_session(old, End::Replaced).await?;
        }
        // Who has no commission may log in all the same: grants for all units need none.
        let commission = match brought.commission {
            Some(commission) => commission,
            None => change.commission(account.id).await?.unwrap_or_default(),
        };
        let token = random::token();
        let now = change.at();
        let expires = now + Micros::from(self.limits.absolute_s) * clock::SECOND;
        let session = Session {
            key: SessionKey::of_token(token.as_bytes()),
            account: account.id,
            device: caller.assertion.device,
            created: now,
            expires,
            idle_s: self.limits.idle_s,
            last_used: now,
            auth_method: method,
            acr: brought.acr,
            commission,
            ended: None,
        };
        // Before the session is told of: no gateway knows it without knowing this.
        let instructions_due = self.instructions.due(change.instructions_accepted(account.id).await?);
        change.ask_instructions(account.id, instructions_due).await?;
        change.open_session_noted(&session, &brought.note).await?;
        if let Some(at) = brought.at {
            change.note_provider(session.key, at).await?;
        }
        Ok(Opened { token, expires, instructions_due })
    }
}

/// Carries out a verdict on an account that was in the state `before`: stores what has become of the account and
/// records a refusal. The account that is let in, or why it is not; either is to be committed.
pub(super) async fn settle(
    change: &mut Change,
    before: State,
    verdict: Verdict,
    how: &How,
) -> Result<Result<Account, Reason>, StoreError> {
    let (account, refused) = match verdict {
        Verdict::In { account, step, changed } => {
            if let Some(step) = step
                && !change.use_step(account.id, step).await?
            {
                // Another attempt has used this code while this one was looked at.
                refuse(change, account.id, Reason::CodeReplayed, how).await?;
                return Ok(Err(Reason::CodeReplayed));
            }
            if changed {
                let kind = match before {
                    State::Locked { .. } => AuthEventKind::AccountUnlocked,
                    _ => AuthEventKind::AccountChanged,
                };
                change.move_account(&account, kind, Reason::None).await?;
                return Ok(Ok(account));
            }
            (account, None)
        }
        Verdict::Refused { account, reason, locked, changed } => {
            refuse(change, account.id, reason, how).await?;
            if locked || changed {
                let kind = if locked { AuthEventKind::AccountLocked } else { AuthEventKind::AccountUnlocked };
                change.move_account(&account, kind, reason).await?;
                return Ok(Err(reason));
            }
            (account, Some(reason))
        }
    };
    change.store_tries(&account).await?;
    Ok(refused.map_or(Ok(account), Err))
}

/// Records that somebody was refused.
pub(super) async fn refuse(
    change: &mut Change,
    account: AccountId,
    reason: Reason,
    how: &How,
) -> Result<(), StoreError> {
    let mut event = change.event(AuthEventKind::LoginFailed, account);
    event.reason = reason;
    event.auth_method = how.method;
    if !how.note.is_empty() {
        event.detail = format!("{} {}", event.detail, how.note).into();
    }
    change.record(event).await
}

pub(super) fn by(caller: &Caller) -> By {
    let assertion = &caller.assertion;
    By {
        account: assertion.account.unwrap_or(AccountId::NONE),
        device: assertion.device,
        device_cert: assertion.device_cert,
        device_org: assertion.device_org.text(),
        origin: Origin { address: caller.address, country: *b"--", asn: 0 },
        channel: "app".into(),
    }
}
