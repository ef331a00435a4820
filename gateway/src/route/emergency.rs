//! Which routes may be opened in an emergency (nödöppning): those that read one patient whom the request names.

use super::{Access, Patients, Place, Route, Verb};
use contract::record::Right;
use http::Method;

impl Route {
    /// Why nobody may open this route in an emergency, and what to do about it.
    pub(super) fn unfit_for_emergencies(&self) -> Option<&'static str> {
        let reads = |verb: Verb| {
            let method = Method::from_bytes(verb.as_str().as_bytes());
            method.is_ok_and(|method| self.right(&method) == Right::Read)
        };
        if self.access != Access::Grant {
            return Some("is for routes that need a grant: take it away, nobody is refused here for want of one");
        }
        if !self.methods.iter().all(reads) {
            return Some(
                "is for reading alone: name the methods that change something in a route of their own, without it",
            );
        }
        // What is granted is the patient whom the request's head names: a form in the body could name another.
        if !self.methods.iter().all(|verb| matches!(verb, Verb::Get | Verb::Head)) {
            return Some(
                "is for GET and HEAD alone, since a body could name another patient: give the other methods a route of \
                 their own, without it",
            );
        }
        if self.websocket {
            return Some("is for single answers: give the WebSocket a route of its own, without it");
        }
        match &self.patients {
            Patients::None => Some("is for one patient's data: take it away, the route has none"),
            Patients::Named { response: Some(_), .. } => Some(
                "is for one patient alone, and an answer that is looked into may disclose others: take it away, or the \
                 place in = \"response\"",
            ),
            Patients::Named { places, .. } if places.is_empty() || places.iter().any(Place::is_in_body) => {
                Some("needs the patient in path, query or header: a body is not read for who is refused")
            }
            Patients::Named { .. } => None,
        }
    }
}
