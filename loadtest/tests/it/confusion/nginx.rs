//! nginx: a proxy to a second server of its own, so that it reads bodies as it does for real.

use super::backends::Socket;
use std::path::Path;

/// The headers that it tells of; it has no way to tell all.
const TOLD: &[&str] = &[
    "connection",
    "content_length",
    "cookie",
    "authorization",
    "forwarded",
    "grindvakt_assertion",
    "grindvakt_client_address",
    "proxy_authorization",
    "remote_user",
    "te",
    "trailer",
    "transfer_encoding",
    "true_client_ip",
    "upgrade",
    "x_case",
    "x_client_cert",
    "x_forwarded_client_cert",
    "x_forwarded_for",
    "x_forwarded_host",
    "x_forwarded_port",
    "x_forwarded_prefix",
    "x_forwarded_proto",
    "x_forwarded_user",
    "x_hsa_id",
    "x_http_method_override",
    "x_original_url",
    "x_real_ip",
    "x_remote_user",
    "x_request_id",
    "x_rewrite_url",
    "x_ssl_client_verify",
    "x_user",
];

pub(super) fn arguments(dir: &Path, sockets: &[Socket]) -> Vec<String> {
    let file = dir.join("nginx.conf");
    std::fs::write(&file, settings(dir, sockets)).unwrap();
    ["-e", "stderr", "-c", file.to_str().unwrap()].map(str::to_owned).to_vec()
}

fn settings(dir: &Path, sockets: &[Socket]) -> String {
    let dir = dir.display();
    let headers: Vec<String> = TOLD.iter().map(|name| format!(r#"["{name}","$http_{name}"]"#)).collect();
    let headers = headers.join(",");
    let ours = sockets.iter().filter(|socket| socket.of == "nginx");
    let listens: Vec<String> = ours
        .map(|socket| format!("listen unix:{}{};", socket.path.display(), if socket.http2 { " http2" } else { "" }))
        .collect();
    let listens = listens.join(" ");
    format!(
        r#"daemon off;
master_process off;
pid {dir}/nginx.pid;
error_log stderr error;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path {dir}/client;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    underscores_in_headers on;
    ignore_invalid_headers off;
    client_body_buffer_size 128k;
    client_body_in_single_buffer on;
    keepalive_requests 1000000;
    map $uri $segment {{ ~^/p/(.+)$ $1; }}
    log_format seen escape=json 'seen {{"method":"$request_method","target":"$request_uri","path":"$uri",'
        '"host":"$http_host","body":"$request_body","patients":[["query","$arg_patient"],["header","$http_x_patient_id"],["path","$segment"]],'
        '"headers":[{headers}],"connection":"$connection"}}';
    access_log off;
    server {{
        {listens}
        access_log /dev/stdout seen;
        location / {{
            proxy_set_header Host $http_host;
            proxy_pass http://unix:{dir}/inner.sock;
        }}
    }}
    server {{
        listen unix:{dir}/inner.sock;
        default_type application/json;
        return 200 '{{"case":"$http_x_case","target":"$request_uri"}}';
    }}
}}
"#
    )
}
