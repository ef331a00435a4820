//! From a request's head to its admission: hygiene, device, route, session, policy, patients, intent.
//!
//! The steps go from the outside in, and the first that says no ends it. What is refused is recorded with as much as
//! is known by then: who, from where, which route, and which patient was asked for.

use super::context::{Admitted, Body, Context, Stage};
use super::forward;
use super::hold::Hold;
use super::{Proxy, in_time};
use crate::assertion::Refused;
use crate::client::{Allowed, Client};
use crate::directory::client::Asked as SessionAsked;
use crate::directory::{Directory, KnownDevice, KnownSession};
use crate::hygiene::{self, BodyLength, CleanRequest, Head};
use crate::patient::{self, Extraction, Reading};
use crate::policy::{self, Unit};
use crate::recorder::RecordError;
use crate::route::{BODY_BYTES_READ_MAX, Matched, NoMatch, Params, Patients, Registry, Route, Verb};
use bytes::Bytes;
use contract::Micros;
use contract::directory::Account;
use contract::emergency::Why;
use contract::id::{CertFingerprint, DataKeyId, SessionKey};
use contract::identity::Series;
use contract::pseudonym::PatientRef;
use contract::record::{Actor, Asked, Decision, Initiator, Intent, PatientEntry, Reason, Source};
use http::{HeaderMap, Method, StatusCode, Version, header};
use pingora::protocols::http::ServerSession as Session;
use pingora::protocols::http::v1::server::HttpSession as Http1Session;
use smallvec::SmallVec;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What follows on a request that is not refused.
pub(super) enum Next {
    /// It goes to its registry.
    Forward(Box<Admitted>),
    /// It asks for the gateway's public keys.
    KeySet,
}

/// A refused request, with what is known of it.
pub(super) struct Refusal {
    /// Why.
    pub(super) reason: Reason,
    /// The answer's status.
    pub(super) status: StatusCode,
    /// Its route and registry, if it has them.
    pub(super) route: Option<(Arc<Route>, Arc<Registry>)>,
    /// Who asks, as far as known.
    pub(super) actor: Option<Arc<Actor>>,
    /// The patients asked for, and the data key of their identities.
    pub(super) patients: SmallVec<[PatientEntry; 1]>,
    pub(super) key: DataKeyId,
    /// Pseudonyms of what was searched for.
    pub(super) terms: SmallVec<[PatientRef; 2]>,
    /// The methods that the path has.
    pub(super) allow: Option<crate::route::Methods>,
    /// The device itself was refused: an authentication event.
    pub(super) of_device: bool,
    /// By which the patient may be opened in an emergency.
    pub(super) ticket: Option<String>,
}

impl Refusal {
    fn new(reason: Reason, status: StatusCode) -> Self {
        Self {
            reason,
            status,
            route: None,
            actor: None,
            patients: SmallVec::new(),
            key: DataKeyId::NONE,
            terms: SmallVec::new(),
            allow: None,
            of_device: false,
            ticket: None,
        }
    }

    /// The refusal with what is known once a route and somebody who asks are found.
    fn about(mut self, facts: &Facts, asker: &Asker) -> Self {
        self.route = Some((Arc::clone(&facts.route), Arc::clone(&facts.registry)));
        self.actor = Some(asker.actor());
        if self.patients.is_empty() && facts.route.patients != Patients::None {
            self.patients.push(PatientEntry::unidentified(Source::None, Reason::None));
        }
        self
    }
}

/// What the policy is asked again with, while a long exchange goes on.
#[derive(Clone)]
pub(super) struct Again {
    fingerprint: CertFingerprint,
    session: Option<SessionKey>,
    unit: Unit,
    method: Method,
    /// Whom it is about, if it rests on an opening.
    opened: Option<PatientRef>,
}

/// Who asks, by the directory.
struct Asker {
    device: Arc<KnownDevice>,
    session: Option<Arc<KnownSession>>,
    account: Option<Arc<Account>>,
    /// It shows a session that the auditor could not be asked for.
    unanswered: bool,
}

impl Asker {
    /// The actor for the record: the session's if it was made on this device.
    fn actor(&self) -> Arc<Actor> {
        match &self.session {
            Some(session) if session.session.device == self.device.device.id => Arc::clone(&session.actor),
            _ => Arc::clone(&self.device.actor),
        }
    }
}

/// The facts of a clean head that outlive the look at it.
struct Facts {
    method: Method,
    route: Arc<Route>,
    registry: Arc<Registry>,
    params: Params,
    websocket: bool,
    body: BodyLength,
}

impl Proxy {
    /// Takes a request through all steps.
    pub(super) async fn admit(&self, session: &mut Session, context: &mut Context) -> Result<Next, Box<Refusal>> {
        // Without its connection a request has no device. Cannot be; and if, nothing passes.
        let client = context.client.clone().ok_or_else(|| refusal(Reason::DeviceUnknown))?;
        let (facts, asker) = {
            let head = session.req_header();
            as_it_came(session, head, &client)?;
            let clean = self.clean(head, &client)?;
            if clean.path() == b"/.well-known/jwks.json" && clean.verb() == Verb::Get {
                return Ok(Next::KeySet);
            }
            let asker = self.asker(&head.headers, &client, context.at).await?;
            (self.facts(&clean, &head.method, &asker)?, asker)
        };
        let mut admission = self.authorise(session, context, &client, &facts, &asker)?;
        // Before the body is read: what is read is then bounded by the registry's places.
        let place = self.parts.upstreams.pool(facts.registry.id).and_then(|pool| pool.place());
        let Some(place) = place else {
            return Err(busy().about(&facts, &asker).into());
        };
        let body = self.body(session, &facts, &asker).await?;
        let extraction = Self::extraction(session, &facts, body.as_deref(), context.at);
        if extraction.too_many() {
            return Err(refusal(Reason::PatientsTooMany).about(&facts, &asker).into());
        }
        let mut named = SmallVec::new();
        let hold = if facts.route.patients == Patients::None {
            Hold::unrecorded()
        } else {
            let intent = self.intent(context, &client, &facts, &asker, (extraction, admission.permit.opened()));
            let intent = intent.map_err(|()| refusal(Reason::JournalUnavailable).about(&facts, &asker))?;
            if facts.route.patients.in_response().is_some() || self.parts.finder.is_some() {
                named.extend(intent.patients.iter().filter(|patient| patient.kind != 0).map(|p| p.reference));
            }
            self.hold(context, &intent, &admission.permit, facts.websocket)
                .await
                .map_err(|_| refusal(Reason::JournalUnavailable).about(&facts, &asker))?
        };
        let assertion = admission.assertion.take().ok_or_else(|| refusal(Reason::JournalUnavailable))?;
        Ok(Next::Forward(Box::new(Admitted {
            permit: admission.permit,
            hold,
            named,
            assertion,
            again: Again {
                fingerprint: client.fingerprint,
                session: asker.session.as_ref().map(|known| known.session.key),
                unit: admission.unit,
                method: facts.method,
                opened: admission.opened,
            },
            websocket: facts.websocket,
            body: match body {
                Some(body) => Body::Read(body),
                None if facts.body == BodyLength::None => Body::None,
                None => Body::Streamed,
            },
            body_bytes: 0,
            unreachable: SmallVec::new(),
            _place: place,
            watched: None,
            open: false,
            route: facts.route,
            registry: facts.registry,
        })))
    }

    fn clean<'h>(
        &self,
        head: &'h pingora::http::RequestHeader,
        client: &Client,
    ) -> Result<CleanRequest<'h>, Box<Refusal>> {
        let http2 = head.version == Version::HTTP_2;
        let authority = head.uri.authority().map(http::uri::Authority::as_str);
        if !http2 && authority.is_some() {
            // Absolute-form: a second place that says which host is meant.
            return Err(refusal(Reason::Malformed).into());
        }
        let seen = Head {
            method: &head.method,
            target: head.raw_path(),
            authority: authority.filter(|_| http2),
            version: head.version,
            headers: &head.headers,
        };
        let clean = hygiene::check(&seen, &self.head_limits).map_err(|r| Box::new(Refusal::new(r.reason, r.status)))?;
        let served = self.parts.hosts.iter().any(|host| host.eq_ignore_ascii_case(clean.host()));
        let same = !hygiene::misdirected(clean.host(), client.server_name.as_deref());
        if served && same { Ok(clean) } else { Err(refusal(Reason::Misdirected).into()) }
    }

    async fn asker(&self, headers: &HeaderMap, client: &Client, now: Micros) -> Result<Asker, Box<Refusal>> {
        let directory = &self.parts.directory;
        let known_device = || {
            directory.device(&client.fingerprint).ok_or_else(|| {
                let actor = Actor { device_cert: client.fingerprint, ..Actor::nobody() };
                Box::new(Refusal { actor: Some(Arc::new(actor)), of_device: true, ..refusal(Reason::DeviceUnknown) })
            })
        };
        let mut device = known_device()?;
        if self.per_device.check_key(&device.device.id).is_err() {
            let actor = Some(Arc::clone(&device.actor));
            return Err(Box::new(Refusal { actor, of_device: true, ..refusal(Reason::RateLimited) }));
        }
        let (mut session, mut unanswered) = (None, false);
        if let Some(token) = forward::token(headers) {
            let key = SessionKey::of_token(token);
            session = directory.session(&key);
            // Who has accepted the instructions this moment is not led back to them because the feed is on its way.
            let due = session.as_ref().and_then(|known| directory.account(known.session.account));
            let due = due.is_some_and(|account| account.instructions_due);
            if (session.is_none() || due) && directory.fresh(now) {
                unanswered = Box::pin(self.parts.auditor.ask(key)).await == SessionAsked::Unanswered;
                session = directory.session(&key);
                // The question took its time: by now the device may be another's, or have another certificate.
                device = known_device()?;
            }
        }
        let account = session.as_ref().and_then(|known| directory.account(known.session.account));
        Ok(Asker { device, session, account, unanswered })
    }

    fn facts(&self, clean: &CleanRequest<'_>, method: &Method, asker: &Asker) -> Result<Facts, Box<Refusal>> {
        let found = self.parts.routes.find(clean.host(), method, clean.path());
        let Matched { route, registry, params } = found.map_err(|no| {
            let actor = Some(asker.actor());
            Box::new(match no {
                NoMatch::UnknownHost => Refusal { actor, ..refusal(Reason::Misdirected) },
                NoMatch::NoRoute => Refusal { actor, ..refusal(Reason::NoRoute) },
                NoMatch::MethodNotAllowed { allow } => Refusal { actor, allow: Some(allow), ..refusal(Reason::Method) },
            })
        })?;
        let facts = Facts {
            method: method.clone(),
            route: Arc::clone(route),
            registry: Arc::clone(registry),
            params,
            websocket: clean.websocket(),
            body: clean.body(),
        };
        match clean.fits(route) {
            Ok(()) => Ok(facts),
            Err(unfit) => Err(Box::new(Refusal::new(unfit.reason, unfit.status).about(&facts, asker))),
        }
    }

    fn authorise(
        &self,
        session: &Session,
        context: &Context,
        client: &Client,
        facts: &Facts,
        asker: &Asker,
    ) -> Result<Admission, Box<Refusal>> {
        let input = Self::patient_input(session, facts, None);
        let unit = patient::unit(&facts.route, &input);
        let question = Question {
            route: &facts.route,
            registry: &facts.registry,
            method: &facts.method,
            fingerprint: &client.fingerprint,
            unit: &unit,
            asker,
            patient: None,
        };
        let mut decided = authorize(&self.parts.directory, &question, context.at);
        let mut patient = None;
        if let Err(denial) = &decided
            && denial.may_be_opened(&facts.route, &facts.method)
        {
            let asked_for = patient::extract(&facts.route, &input, Self::reading(context.at));
            patient = asked_for.only().map(|patient| self.parts.sealer.pseudonyms().patient(patient));
            decided = authorize(&self.parts.directory, &Question { patient, ..question }, context.at);
        }
        let permit = decided.map_err(|denial| {
            // Who may well be logged in is not told to log in because the auditor is busy.
            let no_answer = denial.reason == Reason::NoSession && asker.unanswered;
            let mut refusal =
                if no_answer { refusal(Reason::DirectoryStale) } else { Refusal::new(denial.reason, denial.status) }
                    .about(facts, asker);
            refusal.of_device = denial.of_device();
            refusal.ticket =
                patient.filter(|_| denial.may_be_opened(&facts.route, &facts.method)).and_then(|patient| {
                    let refused = Refused {
                        request: context.request,
                        registry: &facts.registry.name,
                        route: &facts.route.name,
                        patient,
                        unit: unit.named(),
                    };
                    self.parts.asserter.ticket(&asker.session.as_ref()?.session, refused, context.at)
                });
            // What was asked for in vain is part of the record; a body is not read for it.
            let extraction = Self::extraction(session, facts, None, context.at);
            // One key for all of it: there may be another in a moment.
            let (pseudonyms, key) = (self.parts.sealer.pseudonyms(), self.parts.sealer.key());
            refusal.terms = extraction.term_refs(pseudonyms);
            refusal.patients = extraction.into_entries(pseudonyms, &key).unwrap_or_else(|_| {
                // The data key is used up; the next one is minutes away. The refusal itself is recorded.
                SmallVec::from_elem(PatientEntry::unidentified(Source::None, Reason::JournalUnavailable), 1)
            });
            refusal.key = key.id();
            refusal
        })?;
        asker.device.used(context.at);
        let counted = asker.session.as_deref().zip(asker.account.as_deref());
        if let Some((known, _)) = counted
            && permit.session().is_some()
        {
            known.used(context.at);
        }
        let assertion =
            self.parts.asserter.assertion(&permit, &facts.registry.name, &asker.device, counted, context.at);
        let opened = patient.filter(|_| permit.opened().is_some());
        Ok(Admission { permit, unit, opened, assertion })
    }

    /// Reads the body where the route says that patients stand in it.
    async fn body(&self, session: &mut Session, facts: &Facts, asker: &Asker) -> Result<Option<Bytes>, Box<Refusal>> {
        if facts.websocket || !facts.route.reads_body(&facts.method) {
            return Ok(None);
        }
        if facts.body == BodyLength::None {
            // Read, and empty: a body that was not read would be a problem of its own.
            return Ok(Some(Bytes::new()));
        }
        let limit = usize::try_from(facts.route.body_bytes_max).unwrap_or(usize::MAX).min(BODY_BYTES_READ_MAX);
        if session.req_header().headers.contains_key(header::EXPECT) {
            // Who waits for leave to send gets it from us, for the backend is not asked yet.
            in_time(session.write_continue_response()).await.map_err(|_| refusal(Reason::Slow).about(facts, asker))?;
        }
        let announced = match facts.body {
            BodyLength::Known(length) => usize::try_from(length).unwrap_or(limit).min(limit),
            _ => BODY_BYTES_FIRST.min(limit),
        };
        let slow = || Box::new(refusal(Reason::Slow).about(facts, asker));
        let read = Self::read_body(session, announced, limit);
        let read = tokio::time::timeout(self.parts.limits.body_timeout, read).await.map_err(|_| slow())?;
        read.map(Some).map_err(|reason| refusal(reason).about(facts, asker).into())
    }

    /// Reads a body that must be known as a whole.
    async fn read_body(session: &mut Session, announced: usize, limit: usize) -> Result<Bytes, Reason> {
        let mut body = Zeroizing::new(Vec::with_capacity(announced));
        loop {
            match session.read_request_body().await {
                Ok(Some(piece)) if body.len() + piece.len() > limit => {
                    return Err(Reason::BodyTooLarge);
                }
                Ok(Some(piece)) => append(&mut body, &piece, limit),
                Ok(None) => return Ok(Bytes::from_owner(body)),
                Err(error) if matches!(error.etype(), pingora::ErrorType::ReadTimedout) => return Err(Reason::Slow),
                Err(_) => return Err(Reason::Malformed),
            }
        }
    }

    fn patient_input<'s>(session: &'s Session, facts: &'s Facts, body: Option<&'s [u8]>) -> patient::Input<'s> {
        let head = session.req_header();
        let target = head.raw_path();
        let mut parts = target.splitn(2, |b| *b == b'?');
        patient::Input {
            params: &facts.params,
            path: parts.next().unwrap_or_default(),
            query: parts.next(),
            headers: &head.headers,
            body,
        }
    }

    fn extraction(session: &Session, facts: &Facts, body: Option<&[u8]>, at: Micros) -> Extraction {
        patient::extract(&facts.route, &Self::patient_input(session, facts, body), Self::reading(at))
    }

    fn reading(at: Micros) -> Reading {
        Reading { year: crate::clock::year_of(at), series: Series::default() }
    }

    fn intent(
        &self,
        context: &Context,
        client: &Client,
        facts: &Facts,
        asker: &Asker,
        (extraction, opened): (Extraction, Option<Why>),
    ) -> Result<Intent, ()> {
        let key = self.parts.sealer.key();
        let terms = extraction.term_refs(self.parts.sealer.pseudonyms());
        let patients = extraction.into_entries(self.parts.sealer.pseudonyms(), &key).map_err(|_| ())?;
        Ok(Intent {
            asked: self.asked(
                context,
                Some((&facts.route, &facts.registry)),
                &facts.method,
                opened.map_or((Decision::Permit, Reason::None), |why| (Decision::Override, why.reason())),
            ),
            actor: asker.actor(),
            origin: client.origin.clone(),
            key: key.id(),
            patients,
            terms,
            answered: None,
        })
    }

    async fn hold(
        &self,
        context: &mut Context,
        intent: &Intent,
        permit: &policy::Permit,
        websocket: bool,
    ) -> Result<Hold, RecordError> {
        // The record is the journal's own before anything is awaited: should this future be dropped, it stands.
        let pending = self.parts.recorder.intend(intent)?;
        context.intended = true;
        Hold::of(permit, pending, websocket).await
    }

    /// What a record says of the request itself.
    pub(super) fn asked(
        &self,
        context: &Context,
        route: Option<(&Arc<Route>, &Arc<Registry>)>,
        method: &Method,
        (decision, reason): (Decision, Reason),
    ) -> Asked {
        let empty = self.parts.empty.clone();
        Asked {
            at: context.at,
            request: context.request,
            registry: route.map_or_else(|| empty.clone(), |(_, registry)| registry.name.text()),
            system_hsa: route
                .and_then(|(_, registry)| registry.system_hsa.as_ref())
                .map_or_else(|| empty.clone(), contract::id::HsaId::text),
            route: route.map_or_else(|| empty.clone(), |(route, _)| route.template.text()),
            method: Verb::of(method).map_or("OTHER", Verb::as_str).into(),
            activity: route.map_or(contract::record::Activity::Read, |(route, _)| route.activity(method)),
            purpose: route.map_or(contract::record::Purpose::Care, |(route, _)| route.purpose),
            initiator: Initiator::User,
            resource_type: route.map_or(empty, |(route, _)| contract::Text::clone(&route.resource)),
            sensitivity: route.map_or(contract::record::Sensitivity::Normal, |(route, _)| route.sensitivity),
            decision,
            reason,
            policy_epoch: self.parts.directory.epoch().0,
        }
    }

    /// The question to the policy, to be asked again while a long exchange goes on.
    pub(super) fn still_allowed(&self, context: &Context) -> Option<Allowed> {
        let Stage::Admitted(admitted) = &context.stage else { return None };
        let (route, registry, again) =
            (Arc::clone(&admitted.route), Arc::clone(&admitted.registry), admitted.again.clone());
        let directory = Arc::clone(&self.parts.directory);
        Some(Allowed(Arc::new(move |now| {
            let Some(device) = directory.device(&again.fingerprint) else { return false };
            let session = again.session.and_then(|key| directory.session(&key));
            if let Some(known) = &session {
                // An open exchange is a use of the session.
                known.used(now);
            }
            let account = session.as_ref().and_then(|known| directory.account(known.session.account));
            let asker = Asker { device, session, account, unanswered: false };
            let question = Question {
                route: &route,
                registry: &registry,
                method: &again.method,
                fingerprint: &again.fingerprint,
                unit: &again.unit,
                asker: &asker,
                patient: again.opened,
            };
            authorize(&directory, &question, now).is_ok()
        })))
    }
}

/// Where a body of unknown length begins.
const BODY_BYTES_FIRST: usize = 16 << 10;

/// Adds a piece to a body. A vector that grows by itself leaves copies behind that nobody wipes.
fn append(body: &mut Zeroizing<Vec<u8>>, piece: &[u8], limit: usize) {
    let whole = body.len() + piece.len();
    if whole > body.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(whole.max(body.capacity() * 2).min(limit)));
        larger.extend_from_slice(body);
        *body = larger;
    }
    body.extend_from_slice(piece);
}

/// Checks of an HTTP/1 head what pingora forgave: it tells the head as it reads it, not as it came.
fn as_it_came(session: &Session, head: &pingora::http::RequestHeader, client: &Client) -> Result<(), Box<Refusal>> {
    if client.http2 {
        return Ok(());
    }
    let raw = session.as_http1().map(Http1Session::get_headers_raw_bytes);
    let checked = match raw {
        _ if !client.take_clean_line() => Err(hygiene::Fault::LineEnd),
        Some(raw) => hygiene::check_raw(&raw, head.raw_path()),
        None => Err(hygiene::Fault::Version),
    };
    checked.map_err(hygiene::Refusal::from).map_err(|r| Box::new(Refusal::new(r.reason, r.status)))
}

struct Admission {
    permit: policy::Permit,
    unit: Unit,
    /// Whom it is about, if the permit rests on an opening.
    opened: Option<PatientRef>,
    assertion: Option<http::HeaderValue>,
}

#[derive(Clone, Copy)]
struct Question<'q> {
    route: &'q Route,
    registry: &'q Registry,
    method: &'q Method,
    fingerprint: &'q CertFingerprint,
    unit: &'q Unit,
    asker: &'q Asker,
    /// The one whom it is about, where an opening may permit what a grant does not.
    patient: Option<PatientRef>,
}

fn authorize(directory: &Directory, question: &Question<'_>, now: Micros) -> Result<policy::Permit, policy::Denial> {
    let asker = question.asker;
    let input = policy::Input {
        route: question.route,
        registry: question.registry,
        method: question.method,
        certificate: question.fingerprint,
        device: Some(&asker.device.device),
        session: asker.session.as_ref().map(|known| &known.session),
        account: asker.account.as_deref(),
        last_used: asker.session.as_ref().map_or(0, |known| known.last_used()),
        unit: question.unit,
        directory: policy::Directory {
            epoch: directory.epoch(),
            heard: directory.heard(),
            age_max_us: directory.stale_after(),
        },
    };
    match question.patient {
        Some(patient) => policy::authorize_opened(&input, patient, now),
        None => policy::authorize(&input, now),
    }
}

fn refusal(reason: Reason) -> Refusal {
    Refusal::new(reason, crate::problem::status(reason))
}

fn busy() -> Refusal {
    Refusal::new(Reason::UpstreamUnavailable, StatusCode::SERVICE_UNAVAILABLE)
}
