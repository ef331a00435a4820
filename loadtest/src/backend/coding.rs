//! Content codings: an answer is sent compressed if the client takes that, as most servers do.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::io::{self, Write as _};

/// More than any list of this registry has.
const BODY_BYTES_MAX: usize = 16 << 20;

/// Compresses the answer with the first coding of the request's list that is known here. Streams of events pass.
pub(super) async fn code(request: Request, next: Next) -> Response {
    let wanted = request.headers().get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let coding = wanted.unwrap_or_default().split(',').find_map(|item| Coding::of(item.split(';').next()?.trim()));
    let response = next.run(request).await;
    let streams = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let Some(coding) = coding.filter(|_| !streams) else { return response };
    let (mut head, body) = response.into_parts();
    let coded = match to_bytes(body, BODY_BYTES_MAX).await {
        Ok(plain) => coding.encode(&plain),
        Err(error) => Err(io::Error::other(error)),
    };
    let Ok(coded) = coded else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    Response::from_parts(head, Body::from(coded))
}

/// What is known here.
#[derive(Debug, Clone, Copy)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Coding {
    fn of(name: &str) -> Option<Self> {
        [Self::Gzip, Self::Deflate, Self::Brotli, Self::Zstd].into_iter().find(|coding| coding.name() == name)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    fn encode(self, plain: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(plain)?;
                encoder.finish()
            }
            Self::Deflate => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(plain)?;
                encoder.finish()
            }
            Self::Brotli => {
                let mut coded = Vec::new();
                brotli::CompressorWriter::new(&mut coded, 4096, 3, 20).write_all(plain)?;
                Ok(coded)
            }
            Self::Zstd => zstd::bulk::compress(plain, 1),
        }
    }
}
