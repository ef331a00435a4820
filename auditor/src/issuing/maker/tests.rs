//! An authority's key that does not answer at once: a named pipe in its place.

use crate::devices::Code;
use crate::issuing::tests::{asked, desk, ward};
use crate::issuing::{Asker, IssueError};
use crate::pki::Request;
use crate::store::By;
use contract::Micros;
use contract::record::Reason;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

const NOW: Micros = 1_790_000_000_000_000;

/// Puts a pipe where a file was, and gives what was in the file.
fn to_pipe(file: &Path) -> Vec<u8> {
    let content = std::fs::read(file).expect("reads");
    std::fs::remove_file(file).expect("removes");
    let made = std::process::Command::new("mkfifo").arg("-m").arg("600").arg(file).status().expect("runs");
    assert!(made.success());
    content
}

#[tokio::test]
async fn an_authority_that_is_slow_holds_up_no_other_change() {
    let dir = tempfile::tempdir().expect("a directory");
    let desk = desk(&dir, NOW).await;
    let by = || By::program("test");
    let made = desk.issue_code(NOW, by(), Asker::Operator, &ward()).await.expect("makes");
    let key = dir.path().join("ca.key");
    let content = to_pipe(&key);
    let request = Request::read(&asked().1).expect("a request");
    let shown = Code::parse(&made.code.shown()).expect("a code");
    let meanwhile = async {
        // A pipe opens for writing when somebody reads from it: then the key is waited for.
        let opened = tokio::task::spawn_blocking(move || std::fs::OpenOptions::new().write(true).open(key));
        let mut pipe = opened.await.expect("runs").expect("opens");
        desk.withdraw_code(NOW, by(), Asker::Operator, made.kept.id).await.expect("changes meanwhile");
        pipe.write_all(&content).expect("writes");
    };
    let (answer, ()) = tokio::join!(desk.enrol_by_code(NOW, by(), &shown, &request), meanwhile);
    let answer = answer.expect("works");
    assert_eq!(answer.map(|_| ()), Err(Reason::CodeSpent), "what was taken back meanwhile enrols nobody");
    assert!(desk.store().devices(10).await.expect("reads").is_empty(), "what is not kept is nowhere");
}

#[tokio::test]
async fn a_key_that_others_can_read_is_told_of_as_before() {
    let dir = tempfile::tempdir().expect("a directory");
    let desk = desk(&dir, NOW).await;
    std::fs::set_permissions(dir.path().join("ca.key"), std::fs::Permissions::from_mode(0o644)).expect("sets");
    let request = Request::read(&asked().1).expect("a request");
    let refused = desk.enrol_request(NOW, By::program("test"), Asker::Operator, &ward(), &request).await;
    assert!(matches!(refused, Err(IssueError::Readable { .. })), "{refused:?}");
}
