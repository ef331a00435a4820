//! Tests of the policy: a table of every reason, and that taking away never gives.

mod emergency;

use super::*;
use crate::route::Routes;
use contract::directory::Commission;
use contract::id::RegistryName;
use contract::record::AuthMethod;
use contract::settings::Document;
use proptest::prelude::*;
use uuid::Uuid;

const NOW: Micros = 1_000_000_000_000;
const SECOND: Micros = 1_000_000;

const FILE: &str = r#"
[[registry]]
name = "reg"
hosts = ["reg.example"]
peers = ["127.0.0.1:1"]
organisations = ["SE2321000016-39KJ"]
[[registry]]
name = "other"
hosts = ["other.example"]
peers = ["127.0.0.1:1"]
[[route]]
name = "granted"
registry = "reg"
methods = ["GET", "POST"]
path = "/granted"
resource = "x"
patient = { in = "none" }
[[route]]
name = "session"
registry = "reg"
methods = ["GET", "POST"]
path = "/session"
access = "session"
resource = "x"
patient = { in = "none" }
[[route]]
name = "device"
registry = "reg"
methods = ["GET", "POST"]
path = "/device"
access = "device"
resource = "x"
patient = { in = "none" }
[[route]]
name = "open"
registry = "reg"
methods = ["GET"]
path = "/open/{patient}"
resource = "x"
patient = { in = "path", name = "patient" }
emergency = true
[[route]]
name = "open-change"
registry = "reg"
methods = ["POST"]
path = "/open/{patient}"
resource = "x"
patient = { in = "path", name = "patient" }
"#;

fn routes() -> Routes {
    Routes::read(&Document::parse("routes.toml", FILE, [])).expect("a good file")
}

fn hsa(text: &str) -> HsaId {
    HsaId::parse(text).expect("an HSA-id")
}

/// All that a decision rests on, owned, so that a test can change one thing.
#[derive(Debug, Clone)]
struct World {
    path: &'static str,
    method: Method,
    foreign_registry: bool,
    certificate: CertFingerprint,
    device: Option<Device>,
    session: Option<Session>,
    account: Option<Account>,
    last_used: Micros,
    unit: Unit,
    heard: Micros,
}

impl World {
    fn new() -> Self {
        let device = DeviceId::new(Uuid::from_u128(1));
        let account = AccountId::new(Uuid::from_u128(2));
        Self {
            path: "/granted",
            method: Method::GET,
            foreign_registry: false,
            certificate: CertFingerprint([7; 32]),
            device: Some(Device {
                id: device,
                fingerprint: CertFingerprint([7; 32]),
                organisation: hsa("SE2321000016-39KJ"),
                not_after: NOW + 1,
                revoked: None,
                next: None,
            }),
            session: Some(Session {
                key: SessionKey([9; 32]),
                account,
                device,
                created: NOW - 100 * SECOND,
                expires: NOW + 1,
                idle_s: 60,
                last_used: NOW - 90 * SECOND,
                auth_method: AuthMethod::PasswordTotp,
                acr: String::new(),
                commission: Commission { care_unit: Some(hsa("SE2321000016-UNIT1")), ..Commission::default() },
                ended: None,
            }),
            account: Some(Account {
                id: account,
                standing: AccountStanding::Active,
                user_hsa: None,
                name: String::new(),
                title: String::new(),
                grants: vec![grant_of(Right::ReadWrite)],
                roles: Vec::new(),
                openings: Vec::new(),
                instructions_due: false,
            }),
            last_used: NOW - SECOND,
            unit: Unit::OfSession,
            heard: NOW,
        }
    }

    fn decide(&self) -> Result<Permit, Denial> {
        self.ask(|input| authorize(input, NOW))
    }

    /// As [`Self::decide`], of a request about one patient.
    fn decide_about(&self, patient: PatientRef) -> Result<Permit, Denial> {
        self.ask(|input| authorize_opened(input, patient, NOW))
    }

    fn ask<T>(&self, ask: impl FnOnce(&Input<'_>) -> T) -> T {
        let routes = routes();
        let matched = routes.find("reg.example", &self.method, self.path.as_bytes()).expect("a route");
        let other = routes.registries().last().expect("a registry");
        ask(&Input {
            route: matched.route,
            registry: if self.foreign_registry { other } else { matched.registry },
            method: &self.method,
            certificate: &self.certificate,
            device: self.device.as_ref(),
            session: self.session.as_ref(),
            account: self.account.as_ref(),
            last_used: self.last_used,
            unit: &self.unit,
            directory: Directory { epoch: Epoch(5), heard: self.heard, age_max_us: 900 * SECOND },
        })
    }

    fn device(&mut self) -> &mut Device {
        self.device.as_mut().expect("a device")
    }

    fn session(&mut self) -> &mut Session {
        self.session.as_mut().expect("a session")
    }

    fn account(&mut self) -> &mut Account {
        self.account.as_mut().expect("an account")
    }

    fn grant(&mut self) -> &mut Grant {
        self.account().grants.first_mut().expect("a grant")
    }
}

fn grant_of(right: Right) -> Grant {
    let registry = RegistryName::parse("reg").expect("a name");
    Grant { registry, right, units: Vec::new(), valid_from: NOW, valid_to: Some(NOW + 1) }
}

type Change = fn(&mut World);

#[test]
fn a_change_of_one_thing_decides() {
    use Reason as R;
    let table: &[(&str, Option<R>, Change)] = &[
        ("nothing", None, |_| {}),
        ("a change with a right to change", None, |w| w.method = Method::POST),
        ("silent auditor", Some(R::DirectoryStale), |w| w.heard = NOW - 900 * SECOND - 1),
        ("auditor just not silent too long", None, |w| w.heard = NOW - 900 * SECOND),
        ("no device", Some(R::DeviceUnknown), |w| w.device = None),
        ("another certificate", Some(R::DeviceUnknown), |w| w.certificate = CertFingerprint([8; 32])),
        ("device revoked", Some(R::DeviceRevoked), |w| w.device().revoked = Some(1)),
        ("device revoked in the future: revoked", Some(R::DeviceRevoked), |w| w.device().revoked = Some(NOW * 2)),
        ("device expired", Some(R::CertExpired), |w| w.device().not_after = NOW),
        ("another organisation", Some(R::DeviceForeign), |w| w.device().organisation = hsa("SE165565594230-1000")),
        ("another registry than the route's", Some(R::DeviceForeign), |w| w.foreign_registry = true),
        ("no session", Some(R::NoSession), |w| w.session = None),
        ("session ended", Some(R::NoSession), |w| w.session().ended = Some(1)),
        ("session expired", Some(R::NoSession), |w| w.session().expires = NOW),
        ("session idle", Some(R::NoSession), |w| w.last_used = NOW - 60 * SECOND),
        ("session not idle by the directory", None, |w| {
            w.last_used = 0;
            w.session().last_used = NOW - 59 * SECOND;
        }),
        ("session just made", None, |w| {
            w.last_used = 0;
            w.session().created = NOW;
        }),
        ("session on another device", Some(R::SessionElsewhere), |w| w.session().device = DeviceId::NONE),
        ("no account", Some(R::AccountInactive), |w| w.account = None),
        ("another's account", Some(R::AccountInactive), |w| w.account().id = AccountId::NONE),
        ("account locked", Some(R::Locked), |w| w.account().standing = AccountStanding::Locked),
        ("account dormant", Some(R::AccountInactive), |w| w.account().standing = AccountStanding::Dormant),
        ("account blocked", Some(R::AccountInactive), |w| w.account().standing = AccountStanding::Blocked),
        ("account pending", Some(R::AccountInactive), |w| w.account().standing = AccountStanding::Pending),
        ("account closed", Some(R::AccountInactive), |w| w.account().standing = AccountStanding::Closed),
        ("instructions not accepted", Some(R::InstructionsDue), |w| w.account().instructions_due = true),
        ("instructions not accepted, of an account that is blocked", Some(R::AccountInactive), |w| {
            w.account().instructions_due = true;
            w.account().standing = AccountStanding::Blocked;
        }),
        ("instructions not accepted, and no grant", Some(R::InstructionsDue), |w| {
            w.account().instructions_due = true;
            w.account().grants.clear();
        }),
        ("session route, instructions not accepted", Some(R::InstructionsDue), |w| {
            w.path = "/session";
            w.account().instructions_due = true;
        }),
        ("device route, instructions not accepted", None, |w| {
            w.path = "/device";
            w.account().instructions_due = true;
        }),
        ("no grant", Some(R::NoGrant), |w| w.account().grants.clear()),
        ("grant elsewhere", Some(R::NoGrant), |w| w.grant().registry = RegistryName::parse("other").expect("a name")),
        ("grant not yet", Some(R::NoGrant), |w| w.grant().valid_from = NOW + 1),
        ("grant no longer", Some(R::NoGrant), |w| w.grant().valid_to = Some(NOW)),
        ("grant without end", None, |w| w.grant().valid_to = None),
        ("reading with a right to read", None, |w| w.grant().right = Right::Read),
        ("changing with a right to read", Some(R::ReadOnly), |w| {
            w.method = Method::POST;
            w.grant().right = Right::Read;
        }),
        ("one grant of two is enough", None, |w| {
            w.method = Method::POST;
            w.account().grants = vec![grant_of(Right::Read), grant_of(Right::ReadWrite)];
        }),
        ("the unit one acts from", None, |w| w.grant().units = vec![hsa("SE2321000016-UNIT1")]),
        ("acting from another unit", Some(R::OtherUnit), |w| w.grant().units = vec![hsa("SE2321000016-UNIT2")]),
        ("acting from no unit", Some(R::OtherUnit), |w| {
            w.session().commission.care_unit = None;
            w.grant().units = vec![hsa("SE2321000016-UNIT1")];
        }),
        ("the unit named", None, |w| {
            w.unit = Unit::Named(hsa("SE2321000016-UNIT2"));
            w.grant().units = vec![hsa("SE2321000016-UNIT1"), hsa("SE2321000016-UNIT2")];
        }),
        ("another unit named", Some(R::OtherUnit), |w| {
            w.unit = Unit::Named(hsa("SE2321000016-UNIT3"));
            w.grant().units = vec![hsa("SE2321000016-UNIT1")];
        }),
        ("unclear unit", Some(R::OtherUnit), |w| {
            w.unit = Unit::Unclear;
            w.grant().units = vec![hsa("SE2321000016-UNIT1")];
        }),
        ("unclear unit, grant for all", None, |w| w.unit = Unit::Unclear),
        ("the right for one unit does not widen the other's", Some(R::OtherUnit), |w| {
            w.method = Method::POST;
            let units = vec![hsa("SE2321000016-UNIT2")];
            w.account().grants = vec![grant_of(Right::Read), Grant { units, ..grant_of(Right::ReadWrite) }];
        }),
        ("session route without grant", None, |w| {
            w.path = "/session";
            w.account().grants.clear();
        }),
        ("session route without session", Some(R::NoSession), |w| {
            w.path = "/session";
            w.session = None;
        }),
        ("device route without session", None, |w| {
            w.path = "/device";
            w.session = None;
        }),
        ("device route, device revoked", Some(R::DeviceRevoked), |w| {
            w.path = "/device";
            w.device().revoked = Some(1);
        }),
    ];
    for (what, expected, change) in table {
        let mut world = World::new();
        change(&mut world);
        assert_eq!(world.decide().err().map(|denial| denial.reason), *expected, "{what}");
    }
}

#[test]
fn a_permit_says_what_was_allowed() {
    let mut world = World::new();
    let permit = world.decide().expect("permitted");
    assert_eq!(permit.account(), world.account.as_ref().map(|account| account.id));
    assert_eq!(permit.session(), Some(SessionKey([9; 32])));
    assert_eq!((permit.right(), permit.changes(), permit.epoch()), (Some(Right::ReadWrite), false, Epoch(5)));
    world.method = Method::POST;
    assert!(world.decide().expect("permitted").changes());

    world.path = "/device";
    let permit = world.decide().expect("permitted");
    assert_eq!((permit.session(), permit.right()), (Some(SessionKey([9; 32])), None));
    world.session().ended = Some(1);
    let permit = world.decide().expect("a device route needs no session");
    assert_eq!((permit.session(), permit.account()), (None, None));
}

#[test]
fn denials_have_a_status() {
    let mut world = World::new();
    let denial = |world: &World| world.decide().expect_err("denied");
    world.account().grants.clear();
    assert_eq!((denial(&world).status.as_u16(), denial(&world).of_device()), (403, false));
    world.session = None;
    assert_eq!((denial(&world).status.as_u16(), denial(&world).of_device()), (401, false));
    world.device = None;
    assert_eq!((denial(&world).status.as_u16(), denial(&world).of_device()), (403, true));
    world.heard = 0;
    assert_eq!((denial(&world).status.as_u16(), denial(&world).epoch), (503, Epoch(5)));
}

/// Ways to take something away.
const NARROWINGS: &[Change] = &[
    |w| w.device = None,
    |w| w.session = None,
    |w| w.account = None,
    |w| w.heard -= 1000 * SECOND,
    |w| w.account.iter_mut().for_each(|account| account.instructions_due = true),
    |w| w.certificate = CertFingerprint([1; 32]),
    |w| w.last_used -= 100 * SECOND,
    |w| w.unit = Unit::Unclear,
    |w| w.foreign_registry = true,
    |w| w.method = Method::POST,
    |w| w.path = "/granted",
    |w| w.device.iter_mut().for_each(|device| device.revoked = Some(1)),
    |w| w.device.iter_mut().for_each(|device| device.not_after = 0),
    |w| w.session.iter_mut().for_each(|session| session.ended = Some(1)),
    |w| w.session.iter_mut().for_each(|session| session.expires = 0),
    |w| w.session.iter_mut().for_each(|session| session.idle_s /= 2),
    |w| w.session.iter_mut().for_each(|session| session.device = DeviceId::NONE),
    |w| w.session.iter_mut().for_each(|session| session.commission.care_unit = None),
    |w| w.account.iter_mut().for_each(|account| account.standing = AccountStanding::Locked),
    |w| w.account.iter_mut().for_each(|account| drop(account.grants.pop())),
    |w| w.account.iter_mut().for_each(|account| account.grants.iter_mut().for_each(|grant| grant.right = Right::Read)),
    |w| w.account.iter_mut().for_each(|account| account.grants.iter_mut().for_each(|grant| grant.valid_to = Some(0))),
    |w| w.account.iter_mut().for_each(|account| account.grants.iter_mut().for_each(|grant| grant.valid_from = NOW + 1)),
    |w| {
        w.account.iter_mut().for_each(|account| {
            account.grants.iter_mut().for_each(|grant| {
                // An empty list covers all: to narrow it is to name one.
                if grant.units.is_empty() {
                    grant.units.push(hsa("SE2321000016-UNIT2"));
                } else {
                    grant.units.truncate(1);
                }
            });
        });
    },
];

fn grants() -> impl Strategy<Value = Vec<Grant>> {
    let units = proptest::collection::vec(
        prop_oneof![Just("SE2321000016-UNIT1"), Just("SE2321000016-UNIT2")].prop_map(hsa),
        0..3,
    );
    let grant = (any::<bool>(), any::<bool>(), units, -1..2_i64, proptest::option::of(-1..2_i64));
    let grant = grant.prop_map(|(other, write, units, from, to)| Grant {
        registry: RegistryName::parse(if other { "other" } else { "reg" }).expect("a name"),
        units,
        valid_from: NOW + from,
        valid_to: to.map(|to| NOW + to),
        ..grant_of(if write { Right::ReadWrite } else { Right::Read })
    });
    proptest::collection::vec(grant, 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn taking_away_never_gives(
        grants in grants(),
        path in prop_oneof![Just("/granted"), Just("/session"), Just("/device")],
        named in proptest::option::of(prop_oneof![Just("SE2321000016-UNIT1"), Just("SE2321000016-UNIT2")]),
        post in any::<bool>(),
        steps in proptest::collection::vec(0..NARROWINGS.len(), 0..5),
    ) {
        let mut world = World::new();
        world.account().grants = grants;
        world.path = path;
        world.unit = named.map_or(Unit::OfSession, |unit| Unit::Named(hsa(unit)));
        world.method = if post { Method::POST } else { Method::GET };
        let mut permitted = world.decide().is_ok();
        for step in steps {
            if let Some(narrow) = NARROWINGS.get(step) {
                narrow(&mut world);
            }
            let now = world.decide().is_ok();
            prop_assert!(permitted || !now, "step {} gave a permit", step);
            permitted = now;
        }
    }
}
