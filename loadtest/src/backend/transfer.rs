//! Uploads and downloads, streamed: neither is ever in memory as a whole.

use super::store::{NotFound, Store};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::StreamExt as _;
use http_body_util::StreamBody;
use hyper::body::Frame;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The largest document.
pub(super) const DOCUMENT_BYTES_MAX: u64 = 1 << 30;
/// The trailer of a download: how many bytes were sent.
pub const SENT_TRAILER: &str = "x-bytes-sent";
const CHUNK_BYTES: u64 = 64 << 10;

pub(super) fn routes() -> Router<Arc<Store>> {
    Router::new()
        .route("/api/patients/{patient}/documents", post(upload))
        .route("/api/patients/{patient}/documents/{size}", get(download))
}

async fn upload(
    State(store): State<Arc<Store>>,
    Path(patient): Path<String>,
    request: Request,
) -> Result<Response, NotFound> {
    let patient = store.patient(&patient)?;
    let mut body = request.into_body().into_data_stream();
    let (mut size, mut hash) = (0u64, Sha256::new());
    while let Some(chunk) = body.next().await {
        let Ok(chunk) = chunk else {
            return Ok((StatusCode::BAD_REQUEST, "the upload broke off\n").into_response());
        };
        size += chunk.len() as u64;
        if size > DOCUMENT_BYTES_MAX {
            return Ok((StatusCode::PAYLOAD_TOO_LARGE, "the document is too large\n").into_response());
        }
        hash.update(&chunk);
    }
    store.add(patient, "dokument", &format!("{size} byte"));
    let answer = json!({"size": size, "sha256": hex::encode(hash.finalize())});
    Ok((StatusCode::CREATED, axum::Json(answer)).into_response())
}

async fn download(
    State(store): State<Arc<Store>>,
    Path((patient, size)): Path<(String, u64)>,
) -> Result<Response, NotFound> {
    let index = store.patient(&patient)?.index;
    if size > DOCUMENT_BYTES_MAX {
        return Ok((StatusCode::BAD_REQUEST, "the size is too large\n").into_response());
    }
    let pieces = futures_util::stream::unfold(0u64, move |sent| async move {
        let length = CHUNK_BYTES.min(size - sent);
        (length > 0).then(|| (Ok::<_, std::io::Error>(Frame::data(chunk(index, sent, length))), sent + length))
    });
    // HTTP/2 has room for trailers behind a body of known length; HTTP/1.1 leaves them out.
    let mut trailers = HeaderMap::new();
    trailers.insert(SENT_TRAILER, HeaderValue::from(size));
    let end = futures_util::stream::once(async { Ok(Frame::trailers(trailers)) });
    let headers =
        [(header::CONTENT_TYPE, "application/octet-stream".to_owned()), (header::CONTENT_LENGTH, size.to_string())];
    Ok((headers, Body::new(StreamBody::new(pieces.chain(end)))).into_response())
}

/// The document's bytes `offset..offset + length`: a pattern of the patient's position and the offset, so that a
/// misplaced or foreign byte shows.
fn chunk(index: u32, offset: u64, length: u64) -> Bytes {
    (0..length).map(|i| document_byte(index, offset.wrapping_add(i))).collect::<Vec<u8>>().into()
}

/// The byte at a place of a patient's document.
pub fn document_byte(index: u32, offset: u64) -> u8 {
    u8::try_from(offset.wrapping_add(u64::from(index).wrapping_mul(31)) % 251).unwrap_or(0)
}
