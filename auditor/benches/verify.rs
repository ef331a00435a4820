//! How long `auditor verify` takes: fills the embedded engine with rows and seals as a gateway would have sent them, and runs
//! the program. `GRINDVAKT_BENCH_ROWS` says how many rows [1,000,000]. Needs `auditor fetch engine` to have run once, and
//! for each million rows some 200 MB below the system's folder for temporary files.
#![expect(clippy::print_stdout, clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench")]

use aws_lc_rs::signature::Ed25519KeyPair;
use contract::id::{AccountId, DataKeyId, HsaId, NodeName, RequestId};
use contract::pseudonym::{PatientRef, SealedIdentity};
use contract::record::{
    Activity, Actor, Asked, Decision, Initiator, Intent, Origin, Outcome, OutcomeKind, PatientEntry, Purpose, Reason,
    Sensitivity, Source,
};
use contract::row::{self, AccessRow, Fold, Packed, Record, Row, SealRow, Table, kinds};
use contract::seal::{Root, SealKey, Stream, statement};
use contract::wire::Wire as _;
use std::io::{BufRead as _, BufReader};
use std::net::Ipv6Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;
use uuid::Uuid;

const BATCH: u64 = 100_000;
/// Users, on as many units: so are a batch's rows scattered over the table.
const USERS: u64 = 200;

fn main() {
    let rows = std::env::var("GRINDVAKT_BENCH_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(1_000_000_u64);
    let dir = tempfile::tempdir().unwrap();
    let auditor = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_auditor"));
        command.args(args).env("AUDITOR_CONFIG", dir.path().join("auditor.toml"));
        command
    };
    assert!(auditor(&["init", "--dir", &text(dir.path()), "--host", "localhost"]).output().unwrap().status.success());
    let (engine, address) = engine(dir.path(), auditor(&["clickhouse", "--listen", "127.0.0.1:0"]));
    let url = format!("http://{address}");
    let with_url = |args: &[&str]| auditor(args).env("AUDITOR__CLICKHOUSE__URL", &url).status().unwrap().success();
    assert!(with_url(&["migrate"]));

    let der = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
    let key = SealKey::from_pkcs8(der.as_ref()).unwrap();
    std::fs::create_dir_all(dir.path().join("state/gateway")).unwrap();
    std::fs::write(dir.path().join("state/gateway/seal.pub"), hex::encode(key.public())).unwrap();
    let password = std::fs::read_to_string(dir.path().join("secrets/clickhouse-auditor.password")).unwrap();
    let client = clickhouse::Client::default().with_url(&url).with_user("auditor").with_database("grindvakt");
    let client = client.with_password(password.trim());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let begin = Instant::now();
    runtime.block_on(fill(&client, &key, rows));
    println!("{rows} rows were put in within {:.1} s", begin.elapsed().as_secs_f64());

    let begin = Instant::now();
    assert!(with_url(&["verify"]));
    let took = begin.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a count of rows")]
    let rate = rows as f64 / took;
    println!("verified within {took:.1} s: {rate:.0} rows a second");
    drop(engine);
}

struct Engine(Child);

impl Drop for Engine {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _status = self.0.wait();
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn engine(dir: &Path, mut command: Command) -> (Engine, String) {
    command.args(["--data", &text(&dir.join("state/clickhouse"))]);
    command.args(["--key-file", &text(&dir.join("secrets/clickhouse.keys"))]);
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let out = BufReader::new(process.stdout.take().unwrap());
    let engine = Engine(process);
    let line = out.lines().map_while(Result::ok).find(|line| line.contains(" answers at http://"));
    let line = line.expect("the engine did not start: run `auditor fetch engine`");
    (engine, line.trim().rsplit("http://").next().unwrap_or_default().to_owned())
}

async fn fill(client: &clickhouse::Client, key: &SealKey, rows: u64) {
    let node = NodeName::parse("gw1").unwrap();
    let actors: Vec<_> = (0..USERS).map(actor).collect();
    let now = auditor::clock::now();
    let mut previous = [0; 32];
    for batch in 1..=rows.div_ceil(BATCH) {
        let mut fold = Fold::new(&node, &"SE2321000016-T".into());
        let (mut packed, mut folded) = (Packed::<AccessRow>::default(), Vec::new());
        let first = (batch - 1) * BATCH + 1;
        for number in first..(first + BATCH).min(rows + 1) {
            let behind = i64::try_from(rows - number).unwrap_or(0);
            let actor = &actors[usize::try_from(number.wrapping_mul(0x9E37_79B9) % USERS).unwrap_or(0)];
            let intent = intent(number, now - behind * 1_000, Arc::clone(actor));
            fold.apply(number, kinds::INTENT, &intent.to_bytes(), &mut folded).unwrap();
            for row in folded.drain(..) {
                if let Row::Access(row) = row {
                    packed.push(&row);
                }
            }
        }
        let mut root = Root::default();
        packed.numbered(first, batch, |row, _| root.add(row));
        let statement = statement(&node, Stream::Access, batch, first, root, previous, now);
        previous = statement.chain();
        let mut seals = Packed::default();
        seals.push(&SealRow::new(statement, key));
        insert(client, &packed).await;
        insert(client, &seals).await;
    }
}

async fn insert<R: Record>(client: &clickhouse::Client, rows: &Packed<R>) {
    let columns = client.query(row::COLUMNS_OF).bind(R::TABLE).fetch_all::<(String, String)>().await.unwrap();
    let table = Table::of::<R>(&columns).unwrap();
    let mut insert = client.insert_formatted_with(table.statement());
    insert.send([table.head(), rows.bytes()].concat().into()).await.unwrap();
    insert.end().await.unwrap();
}

fn actor(number: u64) -> Arc<Actor> {
    let unit = HsaId::parse(&format!("SE2321000016-U{number:03}")).unwrap();
    let account = AccountId::new(Uuid::from_u128(u128::from(number) + 1));
    Arc::new(Actor { account, care_unit_hsa: unit.text(), ..Actor::nobody() })
}

fn intent(number: u64, at: i64, actor: Arc<Actor>) -> Intent {
    let text = |text: &str| contract::Text::from(text);
    let random = |salt: u128| (u128::from(number) ^ salt).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    let request = RequestId::new(Uuid::from_u128(u128::from(at.unsigned_abs() / 1_000) << 80 | random(1) >> 50));
    let patient = PatientEntry {
        reference: PatientRef(random(2).to_be_bytes()),
        kind: 1,
        sealed: SealedIdentity::NONE,
        source: Source::Path,
        position: 0,
        problem: Reason::None,
    };
    let outcome =
        Outcome { request, at: at + 900, status: 200, bytes: 1024, duration_us: 900, kind: OutcomeKind::Complete };
    Intent {
        asked: Asked {
            at,
            request,
            registry: text("exempelregistret"),
            system_hsa: text("SE0000000000-EXEMPEL"),
            route: text("/api/patients/{patient}"),
            method: text("GET"),
            activity: Activity::Read,
            purpose: Purpose::Care,
            initiator: Initiator::User,
            resource_type: text("patient"),
            sensitivity: Sensitivity::Normal,
            decision: Decision::Permit,
            reason: Reason::None,
            policy_epoch: 1,
        },
        actor,
        origin: Origin { address: Ipv6Addr::LOCALHOST, country: *b"--", asn: 0 },
        key: DataKeyId::new(Uuid::from_u128(9)),
        patients: [patient].into_iter().collect(),
        terms: [].into_iter().collect(),
        answered: Some(outcome),
    }
}
