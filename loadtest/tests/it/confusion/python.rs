//! gunicorn, with a parser of its own, and uvicorn, with that of Node.js.

use super::backends::Socket;
use std::path::Path;

fn bind(sockets: &[Socket], of: &str) -> String {
    sockets.iter().find(|socket| socket.of == of).unwrap().path.to_str().unwrap().to_owned()
}

pub(super) fn gunicorn(dir: &Path, sockets: &[Socket]) -> Vec<String> {
    let address = format!("unix:{}", bind(sockets, "gunicorn"));
    let dir = dir.to_str().unwrap();
    let arguments = [
        "--bind",
        &address,
        "--chdir",
        dir,
        "--worker-tmp-dir",
        dir,
        "--worker-class",
        "gthread",
        "--threads",
        "4",
        "--keep-alive",
        "60",
        // `X_A` is told as `X-A` is.
        "--header-map",
        "dangerous",
        "--no-control-socket",
        "--permit-obsolete-folding",
        "--strip-header-spaces",
        "--limit-request-line",
        "8190",
        "app:wsgi",
    ];
    arguments.map(str::to_owned).to_vec()
}

pub(super) fn uvicorn(dir: &Path, sockets: &[Socket]) -> Vec<String> {
    let dir = dir.to_str().unwrap();
    let socket = bind(sockets, "uvicorn");
    let arguments = [
        "--uds",
        &socket,
        "--app-dir",
        dir,
        "--http",
        "httptools",
        "--loop",
        "asyncio",
        "--lifespan",
        "off",
        "--no-access-log",
        "--timeout-keep-alive",
        "60",
        "app:asgi",
    ];
    arguments.map(str::to_owned).to_vec()
}
