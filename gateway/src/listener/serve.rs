//! Serving one connection: HTTP/1.1 requests one after the other, HTTP/2 streams side by side.

use super::Listener;
use super::stream::Stream;
use crate::client::Client;
use crate::clock;
use contract::id::RequestId;
use contract::pseudonym::PatientRef;
use contract::record::{Actor, AuthEvent, AuthEventKind, AuthMethod, Reason};
use pingora::apps::HttpServerApp;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Accept, HttpSession as H2Session, default_h2_options, handshake};
use pingora::protocols::{Digest, GetSocketDigest};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

/// What serves requests: pingora's proxy around ours.
pub trait Application: HttpServerApp + Send + Sync + 'static {}
impl<A: HttpServerApp + Send + Sync + 'static> Application for A {}

tokio::task_local! {
    static UNREAD: Cell<Option<u16>>;
}

/// An answer to something that was no request.
pub(super) struct Unread;

impl Unread {
    pub(super) fn note(status: u16) {
        // Only a connection's own task writes its answers.
        let _outside = UNREAD.try_with(|unread| unread.set(Some(status)));
    }
}

impl<A: Application> Listener<A> {
    /// Serves a connection until it ends, is cut, or has been idle for too long.
    pub(super) async fn serve(self: &Arc<Self>, stream: Stream, client: Arc<Client>, stop: watch::Receiver<bool>) {
        let _kept = self.clients.keep(&client);
        self.metrics.connections.inc();
        let work = UNREAD.scope(Cell::new(None), async {
            if client.http2 {
                self.http2(stream, &client, stop).await;
            } else {
                self.http1(stream, &stop).await;
            }
            UNREAD.with(Cell::take)
        });
        let unread = tokio::select! {
            unread = Arc::clone(&client).scope(work) => unread,
            () = client.was_cut() => {
                self.metrics.cut.with_label_values(&["right_ended"]).inc();
                None
            }
            slow = self.overdue(&client) => {
                self.metrics.cut.with_label_values(&[if slow { "slow_head" } else { "idle" }]).inc();
                slow.then_some(408)
            }
        };
        self.metrics.connections.dec();
        if let Some(status) = unread {
            self.unread(&client, status);
        }
    }

    async fn http1(&self, stream: Stream, stop: &watch::Receiver<bool>) {
        let mut session = ServerSession::new_http1(Box::new(stream));
        if *stop.borrow() {
            session.set_keepalive(None);
        } else {
            session.set_keepalive(Some(self.limits.idle_timeout.as_secs()));
        }
        let mut result = self.application.process_new_http(session, stop).await;
        while let Some(reused) = result {
            let (stream, settings) = reused.consume();
            let mut session = ServerSession::new_http1(stream);
            if let Some(settings) = settings {
                settings.apply_to_session(&mut session);
            }
            result = self.application.process_new_http(session, stop).await;
        }
    }

    async fn http2(&self, stream: Stream, client: &Arc<Client>, mut stop: watch::Receiver<bool>) {
        let digest = Arc::new(Digest { socket_digest: stream.get_socket_digest(), ..Digest::default() });
        let mut options = default_h2_options();
        // Above our own limit, so that it is we who refuse and record; the library's refusals are not told.
        options.max_header_list_size(u32::try_from(self.limits.head_bytes_max.saturating_mul(4)).unwrap_or(u32::MAX));
        let connection = handshake(Box::new(stream), Some(options)).await;
        let Ok(mut connection) = connection else { return };
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
                    self.unread(client, 400);
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

    /// Ends when the connection has been idle for too long (false), or a head on its way for too long (true).
    async fn overdue(&self, client: &Client) -> bool {
        let idle_max = u64::try_from(self.limits.idle_timeout.as_millis()).unwrap_or(u64::MAX);
        let head_max = u64::try_from(self.limits.head_timeout.as_millis()).unwrap_or(u64::MAX);
        loop {
            let (idle, head) = client.waiting_ms();
            if head.is_some_and(|head| head >= head_max) {
                return true;
            }
            if head.is_none() && idle.is_some_and(|idle| idle >= idle_max) {
                return false;
            }
            // One look per head time-out keeps ten thousand idle connections cheap; a slow head lives twice as long
            // at the most.
            let head_left = head_max - head.unwrap_or(0);
            let idle_left = idle_max.saturating_sub(idle.unwrap_or(0)).max(1);
            tokio::time::sleep(Duration::from_millis(head_left.min(idle_left))).await;
        }
    }

    /// Records what was refused before it was a request.
    fn unread(&self, client: &Client, status: u16) {
        let reason = match status {
            408 => Reason::Slow,
            413 => Reason::BodyTooLarge,
            405 => Reason::Method,
            414 | 431 => Reason::HeadTooLarge,
            _ => Reason::Malformed,
        };
        let nobody = Actor::nobody();
        self.floods.event(AuthEvent {
            at: clock::now(),
            id: RequestId::new(Uuid::now_v7()),
            kind: AuthEventKind::RequestRefused,
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
