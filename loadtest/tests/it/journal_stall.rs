//! A disk that hangs: requests are refused in time, and what was written of them ends as failed when the disk is back.

use crate::shared::{LIMIT, Place, builder, get, patient, request_id, set};
use crate::whole::until;
use http::StatusCode;
use loadtest::client::{Connection, Protocol, full, read_all};
use loadtest::stack::Component;
use loadtest::stack::people::ANNA;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system of its own that can be made to hang. Whatever happens, it is thawed and unmounted in the end.
struct Disk(PathBuf);

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(format!("{program}: {output:?}")) }
}

impl Disk {
    /// None where nothing may be mounted. CI skips nothing.
    fn mount(dir: &Path) -> Option<Self> {
        let (image, path) = (dir.join("disk.img"), dir.join("disk"));
        std::fs::create_dir_all(&path).unwrap();
        std::fs::File::create(&image).unwrap().set_len(256 << 20).unwrap();
        let (image, at) = (image.to_str().unwrap(), path.to_str().unwrap());
        let made = run("mkfs.ext4", &["-q", image]).and_then(|()| run("mount", &["-o", "loop", image, at]));
        if let Err(why) = made {
            assert!(std::env::var_os("CI").is_none(), "no file system can be mounted here: {why}");
            #[expect(clippy::print_stderr, reason = "tests")]
            {
                eprintln!("skipped: no file system can be mounted here: {why}");
            }
            return None;
        }
        Some(Self(path))
    }

    fn freeze(&self) {
        run("fsfreeze", &["-f", self.0.to_str().unwrap()]).unwrap();
    }

    fn thaw(&self) -> Result<(), String> {
        run("fsfreeze", &["-u", self.0.to_str().unwrap()])
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Most likely it is not frozen any more.
        let _thawed = self.thaw();
        let _gone = run("umount", &["-l", self.0.to_str().unwrap()]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_hanging_disk_ended_is_recorded_as_failed_once_and_holds_nothing_up() {
    let mut place = Place::start().await;
    let Some(disk) = Disk::mount(place.dir()) else { return };
    let journal = disk.0.join("journal");
    place.edit("gateway.toml", |settings| {
        set(settings, "journal", "dir", journal.to_str().unwrap());
        set(settings, "journal", "commit_timeout_ms", 3_000);
    });
    place.stack.restart(Component::Gateway).await.unwrap();
    let device = place.stack.device("mottagning").unwrap();
    let session = place.stack.log_in(&ANNA, &device).await.unwrap();
    let path = format!("/api/patients/{}", patient(0).id.expose());
    let connect = async || Connection::open(&place.stack.target(), &device, Protocol::Http1).await.unwrap();
    let (mut reader, mut leaver) = (connect().await, connect().await);
    let first = reader.send(get(&path, Some(&session)), LIMIT).await.unwrap();
    assert_eq!(first.status(), StatusCode::OK);
    read_all(first, 1 << 20).await.unwrap();
    place.drained().await;
    let before = place.metric("audit_intents_total", "").await;

    disk.freeze();
    // One who leaves while its change waits for the record, and one who stays and is told.
    let change = builder("PUT", &path, Some(&session)).header("content-type", "application/json");
    let change = change.body(full("{}")).unwrap();
    let leaving = async {
        // Nobody answers it: it is dropped when the other has its answer.
        let _answer = leaver.send(change, LIMIT).await;
    };
    let staying = async {
        until("the change is written", LIMIT, async || {
            let written = place.metric("audit_intents_total", "").await - before;
            if written >= 1.0 { Ok(()) } else { Err(written.to_string()) }
        })
        .await;
        reader.send(get(&path, Some(&session)), LIMIT).await.unwrap()
    };
    let refused = tokio::select! {
        refused = staying => refused,
        () = async { leaving.await; std::future::pending().await } => unreachable!(),
    };
    drop(leaver);
    let (status, refused_id) = (refused.status(), request_id(refused.headers()));
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let body = String::from_utf8(read_all(refused, 1 << 20).await.unwrap().to_vec()).unwrap();
    assert!(body.contains("journal_unavailable") && !body.contains(patient(0).id.expose()), "{body}");
    let (status, why) = place.ready().await;
    assert_eq!((status, why.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "the journal cannot be written\n"));
    // The change was not made.
    let (_, body) = loadtest::client::plain::get(place.stack.registry(), &path).await.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body.get("entries"), Some(&serde_json::json!([])));

    disk.thaw().unwrap();
    until("the gateway is ready", LIMIT, async || match place.ready().await {
        (StatusCode::OK, _) => Ok(()),
        (_, why) => Err(why),
    })
    .await;
    let mut reader = connect().await;
    let again = reader.send(get(&path, Some(&session)), LIMIT).await.unwrap();
    assert_eq!(again.status(), StatusCode::OK);
    read_all(again, 1 << 20).await.unwrap();
    // Nothing is open any more: the mark has passed all of them.
    place.drained().await;
    until("no exchange is open", LIMIT, async || {
        let open = place.metric("audit_open_exchanges", "").await;
        if open < 1.0 { Ok(()) } else { Err(open.to_string()) }
    })
    .await;
    let rows = place
        .rows(
            "SELECT toString(request_id) AS id, method, toString(outcome) AS outcome, toUInt32(count()) AS n \
             FROM access_log FINAL WHERE decision = 'permit' AND patient_kind > 0 GROUP BY ALL ORDER BY outcome, method",
        )
        .await;
    let told: Vec<_> =
        rows.iter().map(|row| (row["method"].as_str(), row["outcome"].as_str(), row["n"].as_u64())).collect();
    let one = Some(1);
    assert_eq!(
        told,
        [
            (Some("GET"), Some("complete"), one),
            (Some("GET"), Some("complete"), one),
            (Some("GET"), Some("failed"), one),
            (Some("PUT"), Some("failed"), one),
        ],
        "{rows:?}"
    );
    assert!(rows.iter().any(|row| row["id"] == refused_id.as_str() && row["outcome"] == "failed"), "{rows:?}");
    place.stack.kill(Component::Gateway);
}
