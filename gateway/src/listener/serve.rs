//! Serving one connection: HTTP/1.1 requests one after the other, HTTP/2 streams side by side.

use super::Listener;
use super::stream::Stream;
use crate::client::{Client, Cut, Unread};
use crate::clock;
use contract::id::RequestId;
use contract::pseudonym::PatientRef;
use contract::record::{Actor, AuthEvent, AuthEventKind, AuthMethod, Reason};
use http::StatusCode;
use pingora::apps::{HttpPersistentSettings, HttpServerApp};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Accept, HttpSession as H2Session, default_h2_options, handshake};
use pingora::protocols::{Digest, GetSocketDigest, Shutdown as _};
use std::sync::Arc;
use tokio::sync::watch;
use uuid::Uuid;

/// What serves requests.
pub trait Application: HttpServerApp + Send + Sync + 'static {}
impl<A: HttpServerApp + Send + Sync + 'static> Application for A {}

impl<A: Application> Listener<A> {
    /// Serves a connection until it ends, is cut, or has been idle for too long.
    pub(super) async fn serve(self: &Arc<Self>, stream: Box<Stream>, client: Arc<Client>, stop: watch::Receiver<bool>) {
        let _kept = self.clients.keep(&client);
        self.metrics.connections.inc();
        let work = async {
            if client.http2 {
                // Boxed: else every connection's task would be as large as HTTP/2's state.
                Box::pin(self.http2(stream, &client, stop)).await;
            } else {
                self.http1(stream, stop).await;
            }
        };
        let cut = Arc::clone(&client).run(work).await;
        self.metrics.connections.dec();
        if let Some(why) = cut {
            self.metrics.cut.with_label_values(&[why.as_str()]).inc();
        }
        match cut {
            Some(Cut::SlowHead) => self.unread(&client, Unread::new(StatusCode::REQUEST_TIMEOUT)),
            Some(Cut::RightEnded) => self.cut(&client, Reason::None),
            Some(Cut::DeviceRevoked) => self.cut(&client, Reason::DeviceRevoked),
            Some(Cut::Idle | Cut::Stopping) => {}
            None => client.unread().into_iter().for_each(|unread| self.unread(&client, unread)),
        }
    }

    async fn http1(&self, mut stream: Box<Stream>, stop: watch::Receiver<bool>) {
        let mut stopping = stop.clone();
        let mut settings: Option<HttpPersistentSettings> = None;
        loop {
            let begins = tokio::select! {
                biased;
                begins = stream.head_begins() => begins,
                _ = stopping.wait_for(|stop| *stop) => false,
            };
            if !begins {
                stream.shutdown().await;
                return;
            }
            let mut session = ServerSession::new_http1(stream);
            match settings.take() {
                Some(settings) => settings.apply_to_session(&mut session),
                None => session.set_keepalive(Some(self.limits.idle_timeout.as_secs())),
            }
            let Some(reused) = self.application.process_new_http(session, &stop).await else { return };
            let (reused, kept) = reused.consume();
            // It is the stream that was put in. And if it were not, nobody would know whose it is.
            let Ok(ours) = reused.into_any().downcast::<Stream>() else { return };
            (stream, settings) = (ours, kept);
        }
    }

    async fn http2(&self, stream: Box<Stream>, client: &Arc<Client>, mut stop: watch::Receiver<bool>) {
        let digest = Arc::new(Digest { socket_digest: stream.get_socket_digest(), ..Digest::default() });
        let mut options = default_h2_options();
        // Above our own limit, so that it is we who refuse and record; the library's refusals are not told.
        options.max_header_list_size(u32::try_from(self.limits.head_bytes_max.saturating_mul(4)).unwrap_or(u32::MAX));
        // Both boxed, so that what the handshake took is given back.
        let begun = Box::pin(async move { handshake(stream, Some(options)).await.map(Box::new) }).await;
        let Ok(mut connection) = begun else { return };
        let mut rejected: usize = 0;
        let mut draining = *stop.borrow();
        if draining {
            connection.graceful_shutdown();
        }
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop), if !draining => {
                    connection.graceful_shutdown();
                    draining = true;
                    continue;
                }
                accepted = H2Session::from_h2_conn(&mut connection, Arc::clone(&digest)) => accepted,
            };
            match accepted {
                Ok(Some(H2Accept::Session(session))) => {
                    let (application, stop) = (Arc::clone(&self.application), stop.clone());
                    let work = async move {
                        application.process_new_http(ServerSession::new_http2(session), &stop).await;
                    };
                    crate::task::spawn("stream", Arc::clone(client).scope(work));
                }
                Ok(Some(H2Accept::Rejected)) => {
                    self.unread(client, Unread::new(StatusCode::BAD_REQUEST));
                    rejected += 1;
                    // A peer that sends so much that is no request sends no requests.
                    if rejected > 32 {
                        return;
                    }
                }
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// Records that a connection was cut because a right ended.
    fn cut(&self, client: &Client, reason: Reason) {
        self.event(client, AuthEventKind::ConnectionCut, reason, RequestId::new(Uuid::now_v7()));
    }

    /// Records what was refused before it was a request.
    fn unread(&self, client: &Client, unread: Unread) {
        self.event(client, AuthEventKind::RequestRefused, unread.reason(), unread.request);
    }

    /// Records what happened to a connection. Which user it concerns is not known here: the certificate tells.
    fn event(&self, client: &Client, kind: AuthEventKind, reason: Reason, id: RequestId) {
        let nobody = Actor::nobody();
        self.floods.event(AuthEvent {
            at: clock::now(),
            id,
            kind,
            reason,
            account: nobody.account,
            by: nobody.account,
            user_name: PatientRef::NONE,
            device: nobody.device,
            device_cert: client.fingerprint,
            device_org: nobody.device_org,
            origin: client.origin.clone(),
            auth_method: AuthMethod::None,
            session: 0,
            count: 1,
            detail: nobody.acr,
        });
    }
}
