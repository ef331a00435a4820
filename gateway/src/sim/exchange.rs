//! One exchange, as the proxy runs it, with an invented client and an invented registry: asked, decided, recorded, held,
//! and let go piece by piece.
//!
//! What the proxy keeps its promises with is the real thing: policy, directory, recorder, sealer, hold, and the watch over
//! long exchanges. What is copied here is the order in which the proxy calls them.

use std::net::{IpAddr, Ipv6Addr};
use std::rc::Rc;
use std::sync::Arc;

use contract::directory::Account;
use contract::id::{CertFingerprint, DataKeyId, RequestId, SessionKey};
use contract::pseudonym::PatientRef;
use contract::record::{
    Actor, Asked, DISCLOSED_MAX, Decision, Disclosure, Initiator, Intent, Origin, Outcome, OutcomeKind, PatientEntry,
    Reason, Source,
};
use contract::{Micros, Text};
use http::Method;
use smallvec::SmallVec;

use super::auditor::Claim;
use super::life::Life;
use super::people::PATIENTS;
use crate::client::{Allowed, Client, Long, Watched};
use crate::directory::{Directory, KnownDevice, KnownSession};
use crate::disclosure::Seen;
use crate::policy::{self, Denial, Permit, Unit};
use crate::proxy::hold::Hold;
use crate::route::{Registry, Route};

/// What somebody wants, and what comes of it.
struct Plan {
    certificate: CertFingerprint,
    session: Option<SessionKey>,
    method: Method,
    /// Numbers of the patients asked for; none: the answer is to tell.
    asked: Vec<usize>,
    websocket: bool,
    /// Numbers of the patients whom each piece of the answer names.
    pieces: Vec<Vec<usize>>,
    /// The longest wait for a piece.
    pace_ms: u64,
    /// The registry fails in the end.
    fails: bool,
}

impl Plan {
    fn draw(life: &Life) -> Self {
        let below = |bound| life.below(bound);
        let (certificate, session) = life.world.auditor.borrow().somebody(&life.world.sim);
        let start = below(PATIENTS as u64) as usize;
        let asked = if below(4) == 0 { 0 } else { 1 + below(3) as usize };
        let mut next = start + asked;
        let piece = |_| {
            let count = match below(64) {
                0 => 270,
                number if number < 24 => 0,
                number => number % 4,
            };
            // Some of them have been named before.
            let again = below(3) as usize;
            let named = (next.saturating_sub(again).max(start)..next + count as usize).collect();
            next += count as usize;
            named
        };
        let pieces = (0..below(5)).map(piece).collect();
        Self {
            certificate,
            session,
            method: if below(4) == 0 { Method::POST } else { Method::GET },
            asked: (start..start + asked).collect(),
            websocket: below(10) == 0,
            pieces,
            pace_ms: [40_000, 4_000, 300, 300, 300, 300][below(6) as usize],
            fails: below(10) == 0,
        }
    }
}

/// Who asks, by the directory.
#[derive(Clone)]
struct Asker {
    device: Arc<KnownDevice>,
    session: Option<Arc<KnownSession>>,
    account: Option<Arc<Account>>,
}

impl Asker {
    fn actor(&self) -> Arc<Actor> {
        match &self.session {
            Some(session) if session.session.device == self.device.device.id => Arc::clone(&session.actor),
            _ => Arc::clone(&self.device.actor),
        }
    }
}

/// What an exchange has come to, whichever way it ends.
struct Progress {
    life: Rc<Life>,
    request: RequestId,
    at: Micros,
    status: u16,
    bytes: u64,
    intended: bool,
    begun: bool,
    ended: bool,
    watched: Option<Watched>,
    /// Who asks and for what, to be asked again.
    claims: Vec<Claim>,
    named: Vec<PatientRef>,
}

impl Progress {
    fn end(&mut self, kind: OutcomeKind) {
        if std::mem::replace(&mut self.ended, true) || self.life.is_down() {
            return;
        }
        self.watched = None;
        if !self.intended {
            return;
        }
        let life = &self.life;
        let (request, status, bytes) = (self.request, self.status, self.bytes);
        life.world.trace(|| format!("{} ends: {kind:?}", short(request)));
        let taken = life.takes(|recorder| recorder.end(request, life.now(), self.at, status, bytes, kind));
        // What is not taken at once comes later.
        let item = life.world.truth.borrow_mut().ended(request, kind, status, bytes);
        if taken {
            life.took(item);
        } else {
            life.world.cover("outcome owed", 1);
        }
    }

    /// Bytes leave: of all whom the exchange has named so far.
    fn release(&mut self, bytes: u64) {
        self.check_right();
        self.bytes += bytes;
        let mut truth = self.life.world.truth.borrow_mut();
        self.named.iter().for_each(|patient| truth.release(self.request, *patient));
        self.life.world.cover("pieces", 1);
    }

    /// P3: what is watched goes on only with a right that held since it was last looked at.
    fn check_right(&self) {
        if self.watched.is_some() {
            let auditor = self.life.world.auditor.borrow();
            let swept = self.life.news.swept.get();
            for claim in &self.claims {
                assert!(auditor.held_since(*claim, swept), "P3: a watched exchange goes on without {claim:?}");
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end(OutcomeKind::Aborted);
    }
}

/// Runs one exchange on a connection of its own.
pub(super) async fn exchange(life: Rc<Life>) {
    let plan = Plan::draw(&life);
    let address = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let client = Client::new(life.clients.next_id(), address, Origin::UNKNOWN, plan.certificate, None, false);
    let client = Arc::new(client);
    let _kept = life.clients.keep(&client);
    let work = serve(Rc::clone(&life), plan, Arc::clone(&client));
    // Cut or not: it has its outcome.
    let _why = client.run(work).await;
}

async fn serve(life: Rc<Life>, plan: Plan, client: Arc<Client>) {
    let request = life.world.new_request();
    let mut progress = Progress {
        life: Rc::clone(&life),
        request,
        at: life.now(),
        status: 0,
        bytes: 0,
        intended: false,
        begun: false,
        ended: false,
        watched: None,
        claims: vec![Claim::Device(plan.certificate)],
        named: Vec::new(),
    };
    let kind = match answer(&life, &plan, &client, &mut progress).await {
        Ok(()) => OutcomeKind::Complete,
        Err(Broken) if progress.status != 0 => OutcomeKind::Aborted,
        Err(Broken) => OutcomeKind::Failed,
    };
    progress.end(kind);
}

/// It goes no further.
struct Broken;

async fn answer(life: &Rc<Life>, plan: &Plan, client: &Arc<Client>, progress: &mut Progress) -> Result<(), Broken> {
    // Its device is not enrolled: there is nothing more to record here than an event.
    let Some(mut device) = life.directory.device(&plan.certificate) else { return Err(Broken) };
    let mut session = None;
    if let Some(key) = plan.session {
        session = life.directory.session(&key);
        if session.is_none() && life.directory.fresh(progress.at) {
            life.ask(key).await;
            session = life.directory.session(&key);
            // The question took its time.
            device = life.directory.device(&plan.certificate).ok_or(Broken)?;
        }
    }
    let account = session.as_ref().and_then(|known| life.directory.account(known.session.account));
    let asker = Asker { device, session, account };
    let (route, registry) = life.world.route();
    let permit = match authorize(&life.directory, (&route, &registry), plan, &asker, progress.at) {
        Ok(permit) => permit,
        Err(denial) => return refuse(life, plan, &asker, &denial, progress).await,
    };
    check_admission(life, &permit, progress);
    let hold = hold(life, plan, &asker, &permit, progress).await?;
    let allowed = still_allowed(life, plan, &asker, (route, registry));
    let_go(life, plan, &permit, (hold, client, allowed), progress).await
}

/// P3: whoever is let in had every right at some time since the gateway was last told.
fn check_admission(life: &Life, permit: &Permit, progress: &mut Progress) {
    let account = permit.account().expect("the route asks for a grant");
    progress.claims.push(Claim::Session(permit.session().expect("and a session")));
    progress.claims.push(if permit.changes() { Claim::MayChange(account) } else { Claim::MayRead(account) });
    let (auditor, news) = (life.world.auditor.borrow(), &life.news);
    for claim in &progress.claims {
        assert!(auditor.held_since(*claim, news.heard.get()), "P3: admitted without {claim:?}");
    }
    assert!(progress.at - news.at.get() <= life.directory.stale_after(), "P3: admitted by a stale directory");
    life.world.cover("admitted", 1);
}

/// The intent, and the hold on what depends on it.
async fn hold(
    life: &Rc<Life>,
    plan: &Plan,
    asker: &Asker,
    permit: &Permit,
    progress: &mut Progress,
) -> Result<(Hold, u64), Broken> {
    let request = progress.request;
    let (patients, key) = entries(life, &plan.asked, Source::Path);
    progress.named = patients.iter().filter(|entry| entry.kind != 0).map(|entry| entry.reference).collect();
    let intent = intent(life, (request, progress.at), plan, asker, (patients, key, Reason::None));
    let room = life.journal.used_bytes() < life.world.config.high_water_bytes;
    let pending = life.recorder.intend(&intent).map_err(|_| {
        life.world.cover("not taken", 1);
        Broken
    })?;
    assert!(room, "a request is taken above the high-water mark");
    progress.intended = true;
    let item = life.world.truth.borrow_mut().intended(request, intent.key, &intent.patients, None);
    let mark = life.took(item);
    life.world.trace(|| format!("{} is intended, {} patients, {}", short(request), plan.asked.len(), plan.method));
    let hold = Hold::of(permit, pending, plan.websocket).await.map_err(|_| Broken)?;
    if permit.changes() || plan.websocket {
        life.proved(mark);
        // Forwarded: what it changes is changed.
        progress.release(0);
    }
    Ok((hold, mark))
}

/// The answer, piece by piece.
async fn let_go(
    life: &Rc<Life>,
    plan: &Plan,
    permit: &Permit,
    ((mut hold, mark), client, allowed): ((Hold, u64), &Arc<Client>, Allowed),
    progress: &mut Progress,
) -> Result<(), Broken> {
    life.sleep_some(plan.pace_ms).await;
    hold.release().await.map_err(|_| {
        life.world.cover("not durable in time", 1);
        Broken
    })?;
    life.proved(mark);
    keep_watch(life, permit, client, &allowed, plan.websocket, progress)?;
    if plan.fails && plan.pieces.is_empty() {
        return Err(Broken);
    }
    let mut seen = Seen::new(&progress.named, PATIENTS);
    let mut headed = false;
    if plan.websocket || plan.pieces.is_empty() {
        (progress.status, headed) = (200, true);
        progress.release(0);
    }
    for piece in &plan.pieces {
        life.sleep_some(plan.pace_ms).await;
        keep_watch(life, permit, client, &allowed, plan.websocket, progress)?;
        disclose(life, piece, &mut seen, progress).await?;
        if !std::mem::replace(&mut headed, true) {
            progress.status = 200;
        }
        progress.release(100);
        // The client takes its time.
        life.sleep_some(20).await;
    }
    if plan.fails { Err(Broken) } else { Ok(()) }
}

/// Records who is new in a piece, and waits until that is durable.
async fn disclose(life: &Rc<Life>, piece: &[usize], seen: &mut Seen, progress: &mut Progress) -> Result<(), Broken> {
    let is_new = |number: &&usize| seen.patient(life.world.patients.get(**number).1).is_ok_and(|new| new);
    let new: Vec<usize> = piece.iter().filter(is_new).copied().collect();
    if new.is_empty() {
        return Ok(());
    }
    let request = progress.request;
    let (patients, key) = entries(life, &new, Source::Response);
    life.world.cover("spilled", u64::from(patients.len() > 256));
    let (mut last, mut ahead) = (None, None);
    let mut chunks = patients.chunks(DISCLOSED_MAX).peekable();
    while let Some(some) = chunks.next() {
        let disclosure = Disclosure {
            request,
            at: life.now(),
            status: 200,
            bytes: progress.bytes,
            key,
            patients: SmallVec::from_slice(some),
        };
        let pending = if chunks.peek().is_some() {
            ahead = Some(life.recorder.disclose_ahead(&disclosure, ahead).map_err(|_| Broken)?);
            None
        } else {
            Some(life.recorder.disclose(&disclosure, ahead.take()).map_err(|_| Broken)?)
        };
        let item = life.world.truth.borrow_mut().more(request, key, some);
        let place = life.took(item);
        last = pending.map(|pending| (pending, place));
    }
    life.world.trace(|| format!("{} discloses {} patients", short(request), new.len()));
    if let Some((pending, mark)) = last {
        pending.durable().await.map_err(|_| Broken)?;
        life.proved(mark);
    }
    progress.named.extend(patients.iter().map(|entry| entry.reference));
    life.world.cover("disclosed", new.len() as u64);
    Ok(())
}

/// As the proxy does before anything moves on.
fn keep_watch(
    life: &Rc<Life>,
    permit: &Permit,
    client: &Arc<Client>,
    allowed: &Allowed,
    websocket: bool,
    progress: &mut Progress,
) -> Result<(), Broken> {
    let now = life.now();
    let age = now - progress.at;
    if progress.watched.is_none() && (websocket || age > LASTING) {
        let long = Long { client: Arc::clone(client), session: permit.session(), allowed: allowed.clone() };
        progress.watched = Some(life.clients.watch(long));
        if !(allowed.0)(now) {
            life.world.cover("right ended", 1);
            return Err(Broken);
        }
    }
    if !progress.begun && (websocket || age > LONG) {
        progress.begun = true;
        life.world.cover("long", 1);
        let (request, at, status, bytes) = (progress.request, progress.at, progress.status, progress.bytes);
        life.takes(|recorder| recorder.end(request, now, at, status, bytes, OutcomeKind::Open));
    }
    Ok(())
}

/// Records a refusal and waits for it before the answer.
async fn refuse(
    life: &Rc<Life>,
    plan: &Plan,
    asker: &Asker,
    denial: &Denial,
    progress: &mut Progress,
) -> Result<(), Broken> {
    let request = progress.request;
    let (patients, key) = entries(life, &plan.asked, Source::Path);
    let mut intent = intent(life, (request, progress.at), plan, asker, (patients, key, denial.reason));
    let status = denial.status.as_u16();
    let kind = OutcomeKind::Refused;
    intent.answered = Some(Outcome { request, at: life.now(), status, bytes: 0, duration_us: 0, kind });
    let pending = life.recorder.refuse(&intent).map_err(|_| Broken)?;
    let item = life.world.truth.borrow_mut().intended(request, key, &intent.patients, Some((kind, status)));
    let mark = life.took(item);
    life.world.trace(|| format!("{} is refused: {}", short(request), denial.reason));
    pending.durable().await.map_err(|_| Broken)?;
    life.proved(mark);
    life.world.cover("refused", 1);
    Ok(())
}

/// The entries of patients, sealed under the present key.
fn entries(life: &Life, numbers: &[usize], source: Source) -> (Vec<PatientEntry>, DataKeyId) {
    let sealer = life.sealer();
    let key = sealer.key();
    let entry = |(number, position): (&usize, u32)| {
        let (id, reference) = life.world.patients.get(*number);
        let hidden = key.seal(id, *reference).expect("a key seals many");
        PatientEntry {
            reference: *reference,
            kind: id.kind().tag(),
            sealed: hidden,
            source,
            position,
            problem: Reason::None,
        }
    };
    let mut entries: Vec<_> = numbers.iter().zip(0..).map(entry).collect();
    if entries.is_empty() {
        entries.push(PatientEntry::unidentified(Source::None, Reason::PatientInResponse));
    }
    (entries, key.id())
}

fn intent(
    life: &Life,
    (request, at): (RequestId, Micros),
    plan: &Plan,
    asker: &Asker,
    (patients, key, reason): (Vec<PatientEntry>, DataKeyId, Reason),
) -> Intent {
    let (route, registry) = life.world.route();
    Intent {
        asked: Asked {
            at,
            request,
            registry: registry.name.text(),
            system_hsa: Text::from(""),
            route: route.template.text(),
            method: plan.method.as_str().into(),
            activity: route.activity(&plan.method),
            purpose: route.purpose,
            initiator: Initiator::User,
            resource_type: Text::clone(&route.resource),
            sensitivity: route.sensitivity,
            decision: if reason == Reason::None { Decision::Permit } else { Decision::Deny },
            reason,
            policy_epoch: life.directory.epoch().0,
        },
        actor: asker.actor(),
        origin: Origin::UNKNOWN,
        key,
        patients: SmallVec::from_vec(patients),
        terms: SmallVec::new(),
        answered: None,
    }
}

/// The question to the policy that can be asked again.
fn still_allowed(life: &Life, plan: &Plan, asker: &Asker, (route, registry): (Arc<Route>, Arc<Registry>)) -> Allowed {
    let directory = Arc::clone(&life.directory);
    let key = asker.session.as_ref().map(|known| known.session.key);
    let (certificate, method) = (plan.certificate, plan.method.clone());
    Allowed(Arc::new(move |now| {
        let Some(device) = directory.device(&certificate) else { return false };
        let session = key.and_then(|key| directory.session(&key));
        let account = session.as_ref().and_then(|known| directory.account(known.session.account));
        let asker = Asker { device, session, account };
        ask_policy(&directory, (&route, &registry), (&certificate, &method), &asker, now).is_ok()
    }))
}

fn authorize(
    directory: &Directory,
    of: (&Route, &Registry),
    plan: &Plan,
    asker: &Asker,
    now: Micros,
) -> Result<Permit, Denial> {
    ask_policy(directory, of, (&plan.certificate, &plan.method), asker, now)
}

fn ask_policy(
    directory: &Directory,
    (route, registry): (&Route, &Registry),
    (certificate, method): (&CertFingerprint, &Method),
    asker: &Asker,
    now: Micros,
) -> Result<Permit, Denial> {
    let input = policy::Input {
        route,
        registry,
        method,
        certificate,
        device: Some(&asker.device.device),
        session: asker.session.as_ref().map(|known| &known.session),
        account: asker.account.as_deref(),
        last_used: asker.session.as_ref().map_or(0, |known| known.last_used()),
        unit: &Unit::OfSession,
        directory: policy::Directory {
            epoch: directory.epoch(),
            heard: directory.heard(),
            age_max_us: directory.stale_after(),
        },
    };
    policy::authorize(&input, now)
}

fn short(request: RequestId) -> String {
    format!("exchange {}", request.uuid().as_u128() >> 64)
}

/// As in the proxy's context: an exchange that has gone on for so long is cut when its right ends.
const LASTING: Micros = 500_000;
/// One that has gone on for so long has its first rows before it ends. Sooner than in the proxy: a life here is short.
const LONG: Micros = 2_000_000;
