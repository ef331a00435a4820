//! What people wrote does not show in `Debug`: no log gets a name, an address or a reason by accident.

use super::{Alteration, Application, Approved, Deregistration, Move, Refused, Returned, Step};
use std::fmt;

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application").field("right", &self.right).finish_non_exhaustive()
    }
}

impl fmt::Debug for Alteration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Alteration");
        shown.field("account", &self.account).field("rights", &self.rights).finish_non_exhaustive()
    }
}

impl fmt::Debug for Deregistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deregistration").field("account", &self.account).finish_non_exhaustive()
    }
}

impl fmt::Debug for Approved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Approved");
        shown.field("submitted", &self.submitted).field("by", &self.by).finish_non_exhaustive()
    }
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused").field("by", &self.by).finish_non_exhaustive()
    }
}

impl fmt::Debug for Returned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Returned").field("by", &self.by).finish_non_exhaustive()
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Step");
        shown.field("did", &self.did).field("by", &self.by).field("at", &self.at).finish_non_exhaustive()
    }
}

impl fmt::Debug for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Move({})", self.name())
    }
}
