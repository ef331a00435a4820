//! How long a decision takes.

use contract::directory::{Account, AccountStanding, Commission, Device, Epoch, Grant, Session};
use contract::id::{AccountId, CertFingerprint, DeviceId, HsaId, RegistryName, SessionKey};
use contract::record::{AuthMethod, Right};
use contract::settings::Document;
use criterion::{Criterion, criterion_group, criterion_main};
use gateway::policy::{Directory, Input, Unit, authorize};
use gateway::route::Routes;
use http::Method;
use std::hint::black_box;
use uuid::Uuid;

const FILE: &str = "[[registry]]\nname = \"r9\"\nhosts = [\"r.example\"]\npeers = [\"127.0.0.1:1\"]\norganisations = [\"SE2321000016-39KJ\"]\n\
    [[route]]\nname = \"a\"\nregistry = \"r9\"\nmethods = [\"GET\"]\npath = \"/a\"\nresource = \"x\"\npatient = { in = \"none\" }\n";
const NOW: i64 = 1_000_000_000_000;

fn policy(c: &mut Criterion) {
    let routes = Routes::read(&Document::parse("routes.toml", FILE, [])).expect("a good file");
    let matched = routes.find("r.example", &Method::GET, b"/a").expect("a route");
    let hsa = HsaId::parse("SE2321000016-39KJ").expect("an HSA-id");
    let (device_id, account_id) = (DeviceId::new(Uuid::from_u128(1)), AccountId::new(Uuid::from_u128(2)));
    let certificate = CertFingerprint([7; 32]);
    let device = Device {
        id: device_id,
        fingerprint: certificate,
        organisation: hsa.clone(),
        not_after: NOW + 1,
        next: None,
        revoked: None,
    };
    let session = Session {
        key: SessionKey([9; 32]),
        account: account_id,
        device: device_id,
        created: NOW - 1,
        expires: NOW + 1,
        idle_s: 900,
        last_used: NOW - 1,
        auth_method: AuthMethod::PasswordTotp,
        acr: String::new(),
        commission: Commission { care_unit: Some(hsa.clone()), ..Commission::default() },
        ended: None,
    };
    // Ten grants; the last one is the one that counts, and names a unit.
    let grants = (0..10)
        .map(|i| Grant {
            registry: RegistryName::parse(&format!("r{i}")).expect("a name"),
            right: Right::ReadWrite,
            units: vec![hsa.clone()],
            valid_from: 0,
            valid_to: None,
        })
        .collect();
    let account = Account {
        id: account_id,
        standing: AccountStanding::Active,
        user_hsa: None,
        name: String::new(),
        title: String::new(),
        grants,
        roles: Vec::new(),
        openings: Vec::new(),
        instructions_due: false,
    };
    let mut input = Input {
        route: matched.route,
        registry: matched.registry,
        method: &Method::GET,
        certificate: &certificate,
        device: Some(&device),
        session: Some(&session),
        account: Some(&account),
        last_used: NOW - 1,
        unit: &Unit::OfSession,
        directory: Directory { epoch: Epoch(1), heard: NOW, age_max_us: 1 },
    };
    let mut group = c.benchmark_group("policy");
    group.bench_function("permit", |b| b.iter(|| authorize(black_box(&input), black_box(NOW)).is_ok()));
    input.session = None;
    group.bench_function("denial", |b| b.iter(|| authorize(black_box(&input), black_box(NOW)).is_ok()));
    group.finish();
}

criterion_group!(benches, policy);
criterion_main!(benches);
