//! Who acts, and what a form does to an account.

use super::{Heading, sealed};
use crate::accounts::{Account, InvalidMove, NewGrant, State, Tries, UserName};
use crate::duties::{About, Action, may};
use crate::forms::{Actor, Application, Content, Denied, Form, Order, Person, Signature};
use crate::sealing::FieldKey;
use crate::store::{Change, StoreError, parsed};
use contract::Micros;
use contract::directory::Grant;
use contract::id::{AccountId, RegistryName};
use contract::record::{AuthEventKind, Reason};
use sqlx::Row;

impl Change {
    /// Who signs: by the account that the change is made by, which is in use, with the appointments that count now.
    pub(in crate::store) async fn actor(&mut self, key: &FieldKey, signature: &Signature) -> Result<Actor, StoreError> {
        let id = signature.account();
        if id.is_none() || id != self.by.account {
            return Err(Denied::OtherSignature.into());
        }
        let account = self.account(id).await?;
        if !matches!(account.state.at(self.at), State::Active { .. }) {
            return Err(InvalidMove { from: account.state.parts().0, action: "sign" }.into());
        }
        let person = self.person(key, &account).await?;
        let appointments = self.in_force(id).await?;
        Ok(Actor { account: id, person, others: Vec::new(), appointments })
    }

    /// Which of some accounts may be of the person who acts: one person with two accounts is one.
    pub(in crate::store) async fn know_again(
        &mut self,
        key: &FieldKey,
        actor: &mut Actor,
        accounts: &[AccountId],
    ) -> Result<(), StoreError> {
        for id in accounts.iter().copied() {
            if id.is_none() || actor.may_have(id) {
                continue;
            }
            let account = self.account(id).await?;
            if self.person(key, &account).await?.may_be(&actor.person) {
                actor.others.push(id);
            }
        }
        Ok(())
    }

    /// Whose an account is, with the number of the application that made it.
    pub(in crate::store) async fn person(&mut self, key: &FieldKey, account: &Account) -> Result<Person, StoreError> {
        let row = sqlx::query(
            "SELECT id, form FROM request WHERE account = $1 AND kind = 'F1' AND state = 'executed' \
             ORDER BY state_at DESC, id LIMIT 1",
        )
        .bind(account.id.to_string())
        .fetch_optional(&mut *self.tx)
        .await?;
        let number = match row {
            Some(row) => {
                let id = parsed(row.try_get("id")?, "form id")?;
                sealed::open(key, id, row.try_get("form")?)?.subject.number
            }
            None => None,
        };
        Ok(Person { account: Some(account.id), hsa: account.hsa.clone(), number })
    }

    /// Whether a form can be about whom it is about. The HSA-id is that of the account, whatever the form says.
    /// `begun`: it was begun before, so that form 3 may have closed the account.
    pub(super) async fn check_subject(&mut self, form: &mut Form, begun: bool) -> Result<(), StoreError> {
        if let Some(id) = form.subject.account {
            let account = self.account(id).await?;
            let closed_by_it = begun && matches!(form.content, Content::Deregistration(_));
            if account.state.is_final() && !closed_by_it {
                return Err(InvalidMove { from: account.state.parts().0, action: "be in a form" }.into());
            }
            if account.hsa.is_some() {
                form.subject.hsa = account.hsa;
            }
            let regions = self.regions(id).await?;
            let known = regions.iter().any(|vouched| vouched.region == form.region);
            let reached = match &form.content {
                // An application is what makes a region vouch for somebody.
                Content::Application(_) => true,
                Content::Alteration(_) => known,
                Content::Deregistration(_) => {
                    let granted = self.granted(id).await?;
                    let there = granted.iter().any(|grant| grant.registry == form.registry);
                    (known || regions.is_empty()) && (there || granted.is_empty())
                }
            };
            if !reached {
                return Err(StoreError::Incomplete(
                    "the account is not of this region, or has no right in this registry: apply by form 1 first",
                ));
            }
        }
        Ok(form.check()?)
    }

    /// Whether somebody's appointments reach the account of a form that they hand in for another. Region and registry are what
    /// the account has, not what the form says: nobody chooses whom they reach.
    pub(super) async fn reaches(&mut self, form: &Form, actor: &Actor) -> Result<(), StoreError> {
        let Some(id) = form.subject.account else { return Err(Denied::NotYours.into()) };
        let known = self.regions(id).await?.iter().any(|vouched| vouched.region == form.region);
        let there = self.granted(id).await?.iter().any(|grant| grant.registry == form.registry);
        let about = About {
            region: known.then_some(form.region),
            registry: there.then(|| form.registry.clone()),
            ..About::default()
        };
        if may(&actor.appointments, Action::Deregister, &about) { Ok(()) } else { Err(Denied::NotAppointed.into()) }
    }

    /// The rights of a form's account in the form's registry.
    pub(super) async fn held(&mut self, form: &Form) -> Result<Vec<Grant>, StoreError> {
        let Some(id) = form.subject.account else { return Ok(Vec::new()) };
        let granted = self.granted(id).await?;
        Ok(granted.into_iter().filter(|grant| grant.registry == form.registry).collect())
    }

    /// Whether another form about the same account and registry was submitted after this one was: what it has taken
    /// away does not come back by what was asked for before.
    pub(super) async fn overtaken(&mut self, heading: &Heading, submitted: Micros) -> Result<bool, StoreError> {
        let Some(account) = heading.account else { return Ok(false) };
        let later: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM request r JOIN request_step s ON s.request = r.id WHERE r.account = $1 \
             AND r.registry = $2 AND r.id <> $3 AND s.step = 'submitted' AND s.at > $4",
        )
        .bind(account.to_string())
        .bind(heading.registry.as_str())
        .bind(heading.id.to_string())
        .bind(submitted)
        .fetch_one(&mut *self.tx)
        .await?;
        Ok(later > 0)
    }

    /// Does to the account what a form says. The account that it was done to.
    pub(super) async fn carry_out(
        &mut self,
        form: &Form,
        order: Order,
        user_name: Option<&UserName>,
    ) -> Result<AccountId, StoreError> {
        match order {
            Order::Create(application) => self.create(form, application, user_name).await,
            Order::Set(id, rights) => {
                self.set_right(id, &form.registry, rights).await?;
                Ok(id)
            }
            Order::Close(id) => {
                let mut account = self.account(id).await?;
                // It was closed when the form was submitted; what follows is paper.
                if !account.state.is_final() {
                    account.state = account.state.deregister(self.at)?;
                    self.stop_account_by(&account, AuthEventKind::AccountClosed, Reason::ByForm).await?;
                }
                Ok(id)
            }
        }
    }

    async fn create(
        &mut self,
        form: &Form,
        application: Application,
        user_name: Option<&UserName>,
    ) -> Result<AccountId, StoreError> {
        let user_name = user_name.ok_or(StoreError::Incomplete("a new account needs a user name"))?;
        if let Some(hsa) = &form.subject.hsa
            && self.open_account_of(hsa).await?.is_some()
        {
            return Err(StoreError::Taken("HSA-id"));
        }
        let grant = new_grant(application.grant(form.registry.clone()));
        let account = Account {
            id: AccountId::new(crate::random::uuid(self.at)),
            user_name: user_name.clone(),
            hsa: form.subject.hsa.clone(),
            name: application.name,
            title: application.title,
            state: State::Created { at: self.at },
            tries: Tries::default(),
            last_login: None,
            created: self.at,
        };
        self.create_account(&account).await?;
        self.give_grant_by(account.id, &grant, Reason::ByForm).await?;
        Ok(account.id)
    }

    /// Leaves an account this right in a registry, or none.
    async fn set_right(
        &mut self,
        id: AccountId,
        registry: &RegistryName,
        rights: Vec<Grant>,
    ) -> Result<(), StoreError> {
        let granted = self.granted(id).await?;
        let held = granted.into_iter().find(|grant| grant.registry == *registry);
        let wanted = rights.into_iter().find(|grant| grant.registry == *registry);
        match (held, wanted) {
            (held, wanted) if held == wanted => Ok(()),
            (_, Some(wanted)) => self.give_grant_by(id, &new_grant(wanted), Reason::ByForm).await,
            (_, None) => self.take_grant_by(id, registry, Reason::ByForm).await,
        }
    }
}

fn new_grant(grant: Grant) -> NewGrant {
    let Grant { registry, right, units, valid_from, valid_to } = grant;
    NewGrant { registry, right, units, valid_from, valid_to }
}
