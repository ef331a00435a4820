//! HAProxy: it answers by itself with what it understood.

use super::backends::Socket;
use std::fmt::Write as _;
use std::path::Path;

pub(super) fn arguments(dir: &Path, sockets: &[Socket]) -> Vec<String> {
    let file = dir.join("haproxy.cfg");
    std::fs::write(&file, settings(sockets)).unwrap();
    ["-f", file.to_str().unwrap()].map(str::to_owned).to_vec()
}

/// What is told of a request, and how it is found.
const TOLD: &[(&str, &str)] = &[
    ("method", "method"),
    ("target", "pathq"),
    ("path", "path,url_dec"),
    ("host", "req.hdr(host)"),
    ("body", "req.body"),
    ("lines", "req.hdrs"),
];

/// What may be a patient's number: where it stands, and how it is found.
const PATIENTS: &[(&str, &str)] = &[
    ("path", "path,url_dec,regsub(^/p/,)"),
    ("query", "url_param(patient)"),
    ("header", "req.hdr(x-patient-id)"),
    ("header", "req.fhdr(x-patient-id)"),
    ("form", "req.body_param(patient)"),
    ("json", r#"req.body,json_query("$.patient")"#),
];

fn settings(sockets: &[Socket]) -> String {
    // One thread: of two that write to its log at the same time, one drops its line.
    let mut text = String::from(
        "global\n    nbthread 1\n    log stdout len 65535 format raw local0 info\n    maxconn 200\n\
         defaults\n    mode http\n    log global\n    option http-buffer-request\n    option dontlognull\n    \
         option accept-invalid-http-request\n    timeout client 60s\n    timeout http-request 20s\n    \
         timeout http-keep-alive 60s\nfrontend all\n",
    );
    for socket in sockets.iter().filter(|socket| socket.of == "haproxy") {
        let _ =
            writeln!(text, "    bind unix@{}{}", socket.path.display(), if socket.http2 { " proto h2" } else { "" });
    }
    // When the log is written, nothing is left of the request but what was put aside.
    let mut put_aside = |name: &str, sample: &str| {
        let _ = writeln!(text, "    http-request set-var(txn.{name}) '{sample},hex'");
    };
    for (name, sample) in TOLD {
        put_aside(name, sample);
    }
    let mut patients = Vec::new();
    for (number, (place, sample)) in PATIENTS.iter().enumerate() {
        put_aside(&format!("patient{number}"), sample);
        patients.push(format!(r#"["{}","%[var(txn.patient{number})]"]"#, hex::encode(place)));
    }
    let fields: Vec<String> = TOLD.iter().map(|(name, _)| format!(r#""{name}":"%[var(txn.{name})]""#)).collect();
    let _ = writeln!(text, "    log-format 'seen {{{},\"patients\":[{}]}}'", fields.join(","), patients.join(","));
    text.push_str(
        "    http-request return status 200 content-type application/json \
         lf-string '{\"case\":\"%[req.hdr(x-case)]\",\"target\":\"%[pathq]\"}'\n",
    );
    text
}
