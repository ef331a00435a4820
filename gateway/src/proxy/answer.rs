//! Answers of the gateway's own: refusals, recorded and told.

use super::admit::Refusal;
use super::context::{Context, Stage};
use super::{Proxy, in_time};
use crate::clock;
use crate::problem::{self, Answer, Preferences, Problem, WayOut};
use crate::recorder::{Pending, RecordError};
use crate::route::Methods;
use bytes::Bytes;
use contract::pseudonym::PatientRef;
use contract::record::{
    Actor, AuthEvent, AuthEventKind, Decision, Intent, Origin, Outcome, OutcomeKind, PatientEntry, Reason, Source,
};
use http::{HeaderName, Method, StatusCode};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession as Session;
use std::sync::Arc;

impl Proxy {
    /// Records a refused request and answers it.
    pub(super) async fn refuse(
        &self,
        session: &mut Session,
        context: &mut Context,
        refusal: Refusal,
    ) -> pingora::Result<()> {
        context.stage = Stage::Refused;
        self.parts.metrics.refused.with_label_values(&[refusal.reason.as_str()]).inc();
        let Refusal { reason, status, allow, .. } = refusal;
        let ticket = refusal.ticket.clone();
        let way = refusal.route.as_ref().and_then(|(route, _)| {
            let head = session.req_header();
            let preferences = Preferences::of(&head.headers);
            let way_out = WayOut::of(reason).filter(|_| problem::leads(route, &head.method, preferences))?;
            let back = problem::way_back(&head.method, head.raw_path());
            Some(problem::lead(way_out, back.as_ref(), preferences.language))
        });
        let told = way.as_ref().map_or(status, |answer| answer.status);
        let recorded = match self.record_refusal(session, context, refusal, told) {
            Some(Ok(pending)) => pending.durable().await.is_ok(),
            Some(Err(_)) => false,
            None => true,
        };
        match way {
            // What cannot be recorded is not answered as if it were.
            _ if !recorded => {
                let reason = Reason::JournalUnavailable;
                self.problem(session, context, reason, problem::status(reason), None).await
            }
            Some(answer) => self.send(session, context, answer).await,
            None => {
                let answer = self.problem_answer(session, context, (reason, status), allow, ticket.as_deref());
                self.send(session, context, answer).await
            }
        }
    }

    /// Answers with a problem: a page for people, JSON for programs.
    pub(super) async fn problem(
        &self,
        session: &mut Session,
        context: &mut Context,
        reason: Reason,
        status: StatusCode,
        allow: Option<Methods>,
    ) -> pingora::Result<()> {
        let answer = self.problem_answer(session, context, (reason, status), allow, None);
        self.send(session, context, answer).await
    }

    fn problem_answer(
        &self,
        session: &Session,
        context: &Context,
        (reason, status): (Reason, StatusCode),
        allow: Option<Methods>,
        ticket: Option<&str>,
    ) -> Answer {
        let head = session.req_header();
        let preferences = Preferences::of(&head.headers);
        let contact = Some(self.parts.help_contact.as_ref()).filter(|contact| !contact.is_empty());
        let problem = Problem { reason, status, request: context.request, preferences, contact, allow, ticket };
        let mut answer = problem::answer(&problem);
        if ticket.is_some() && preferences.html {
            problem::remember_way_back(&mut answer, problem::way_back(&head.method, head.raw_path()).as_ref());
        }
        answer
    }

    async fn send(&self, session: &mut Session, context: &mut Context, answer: Answer) -> pingora::Result<()> {
        let head_only = session.req_header().method == Method::HEAD;
        let mut response = ResponseHeader::build(answer.status, Some(answer.headers.len() + 2))?;
        for (name, value) in answer.headers {
            response.insert_header(name, value)?;
        }
        response.insert_header(HeaderName::from_static("x-request-id"), context.request.to_string())?;
        if !session.is_body_done() {
            // A body that was not read must not be taken for the next request.
            session.set_keepalive(None);
        }
        context.status = answer.status.as_u16();
        context.bytes = if head_only { 0 } else { answer.body.len() as u64 };
        in_time(session.write_response_header(Box::new(response))).await?;
        session.write_response_body(if head_only { Bytes::new() } else { answer.body }, true).await
    }

    /// Writes the refusal's record; `None`: it was counted instead, or is recorded by its intent.
    fn record_refusal(
        &self,
        session: &Session,
        context: &Context,
        refusal: Refusal,
        status: StatusCode,
    ) -> Option<Result<Pending, RecordError>> {
        let actor = refusal.actor.unwrap_or_else(|| {
            let cert = context.client.as_ref().map(|client| client.fingerprint);
            Arc::new(Actor { device_cert: cert.unwrap_or(Actor::nobody().device_cert), ..Actor::nobody() })
        });
        let origin = context.client.as_ref().map_or(Origin::UNKNOWN, |client| client.origin.clone());
        let now = clock::now();
        if refusal.of_device {
            // Of devices that do not belong, and of floods, anybody can send as many as they like: they are counted.
            self.parts.floods.event(AuthEvent {
                at: now,
                id: context.request,
                kind: if refusal.reason == Reason::RateLimited {
                    AuthEventKind::RequestRefused
                } else {
                    AuthEventKind::DeviceRefused
                },
                reason: refusal.reason,
                account: actor.account,
                by: actor.account,
                user_name: PatientRef::NONE,
                device: actor.device,
                device_cert: actor.device_cert,
                device_org: actor.device_org.clone(),
                origin,
                auth_method: actor.auth_method,
                session: actor.session,
                count: 1,
                detail: actor.acr.clone(),
            });
            return None;
        }
        if context.intended {
            // It has its record already; a second one would bear the same id.
            return None;
        }
        let mut patients = refusal.patients;
        if patients.is_empty() {
            patients.push(PatientEntry::unidentified(Source::None, Reason::None));
        }
        let route = refusal.route.as_ref().map(|(route, registry)| (route, registry));
        let duration_us = u64::try_from(now.saturating_sub(context.at)).unwrap_or(0);
        let intent = Intent {
            asked: self.asked(context, route, &session.req_header().method, (Decision::Deny, refusal.reason)),
            actor,
            origin,
            key: refusal.key,
            patients,
            terms: refusal.terms,
            answered: Some(Outcome {
                request: context.request,
                at: now,
                status: status.as_u16(),
                bytes: 0,
                duration_us,
                kind: OutcomeKind::Refused,
            }),
        };
        Some(self.parts.recorder.refuse(&intent))
    }
}
