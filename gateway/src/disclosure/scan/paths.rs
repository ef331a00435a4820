//! JSON fields by their paths, read as in requests: keys without regard to case, arrays entered by themselves, repeated
//! keys all count, and a field that is a FHIR Identifier or Reference is read as one.
//!
//! An array on a path is a list: its elements are held one by one, and those of the outermost are numbered. So is each line
//! of NDJSON. One that has something in it, but in none of the fields, is told as [`Reason::PatientAbsent`]: somebody may
//! stand there.

use super::hold::{Hold, Overrun};
use super::json::{Guide, Scalar};
use super::{Fault, Hit, Hits};
use crate::patient::{Reading, Said, identities, is_identity_system};
use crate::route::{FieldPath, is_of_identities};
use contract::record::Reason;
use smallvec::SmallVec;
use std::sync::Arc;

/// A guide along paths.
#[derive(Debug)]
pub(super) struct Paths {
    fields: Arc<[FieldPath]>,
    branches: Vec<Branch>,
    reading: Reading,
    out: Hits,
    hold: Hold,
    fault: Option<Fault>,
    /// Each document is an element (NDJSON).
    lines: bool,
    documents: u32,
    /// The lists that are open, from the outside in.
    lists: SmallVec<[List; 4]>,
    /// What is known of the document, as far as it stands in no list.
    document: Element,
    objects: SmallVec<[Object; 8]>,
}

/// A place on the way of at least one path. The first is the document itself.
#[derive(Debug, Clone, Copy)]
struct Branch {
    /// Its key: that of this path, at this depth.
    path: usize,
    depth: usize,
    /// A path ends here.
    ends: bool,
    /// One that ends here is written as a list.
    ends_in_list: bool,
    /// How many paths end here or beneath.
    beneath: usize,
    /// Of these, how many go through no other list, as they are written.
    own: usize,
    first: Option<usize>,
    next: Option<usize>,
    /// Which lengths the keys have that are looked for here: a bit for each.
    lengths: u64,
}

/// The bits of the lengths of `value`, `system`, `reference` and `identifier`.
const LENGTHS: u64 = 1 << 5 | 1 << 6 | 1 << 9 | 1 << 10;

/// An array on a path, or the lines.
#[derive(Debug)]
struct List {
    /// How many paths end in it.
    paths: usize,
    /// Of these, how many go through no other list.
    own: usize,
    count: u32,
    /// Each element of it is somebody.
    of_somebody: bool,
    /// It is a list of the identities of whomever it stands in, or stands in one.
    of_one: bool,
    /// Whoever stands in it stands for what is around it as well.
    counts: bool,
    element: Element,
}

/// What is known of the element that is read now.
#[derive(Debug, Default)]
struct Element {
    /// An object in it, or itself, has members; or an array has values.
    filled: bool,
    /// A field in it says somebody, be it readable or not.
    said: bool,
    /// A list in it says others than whom it is about.
    others: bool,
}

/// A place in the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Node {
    branch: Option<usize>,
    /// In an Identifier or Reference that a path leads to.
    within: bool,
    role: Role,
    /// How many paths end here or beneath, or have ended around it.
    paths: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Role {
    #[default]
    Plain,
    /// The key is `value`, of which `system` may say whether it is a patient's.
    Value,
    /// The key is `system`.
    System,
}

/// What an object says of its values.
#[derive(Debug, Default)]
struct Object {
    system: System,
    /// Why its `value`s are no identities, if they should be.
    reasons: SmallVec<[Reason; 3]>,
    /// It stands where an identity should, and has to name one.
    owes: bool,
    /// A field in it, or beneath, was read.
    read: bool,
}

#[derive(Debug, Default, PartialEq)]
enum System {
    #[default]
    Unsaid,
    Other,
    /// One of a patient's series, unreadable, or several.
    Any,
}

impl Paths {
    pub(super) fn new(fields: Arc<[FieldPath]>, lines: bool, reading: Reading) -> Self {
        let root = Branch {
            path: 0,
            depth: 0,
            ends: false,
            ends_in_list: false,
            beneath: 0,
            own: 0,
            first: None,
            next: None,
            lengths: 0,
        };
        let mut guide = Self {
            fields,
            branches: vec![root],
            reading,
            out: Hits::default(),
            hold: Hold::default(),
            fault: None,
            lines,
            documents: 0,
            lists: SmallVec::new(),
            document: Element::default(),
            objects: SmallVec::new(),
        };
        for (index, path) in Arc::clone(&guide.fields).iter().enumerate() {
            guide.grow(index, path);
        }
        guide
    }

    /// Adds a path's branches.
    fn grow(&mut self, index: usize, path: &FieldPath) {
        let mut at = 0;
        for (depth, key) in path.keys().iter().enumerate() {
            let beneath = self.child(at, key.as_bytes()).unwrap_or_else(|| {
                let new = self.branches.len();
                let next = self.branches.get_mut(at).and_then(|branch| {
                    // What is a `value` may have a `system`.
                    let is_value = key.eq_ignore_ascii_case("value");
                    branch.lengths |= length(key.as_bytes()) | if is_value { LENGTHS } else { 0 };
                    branch.first.replace(new)
                });
                self.branches.push(Branch {
                    path: index,
                    depth,
                    ends: false,
                    ends_in_list: false,
                    beneath: 0,
                    own: 0,
                    first: None,
                    next,
                    lengths: 0,
                });
                new
            });
            self.count(at, path.has_list_from(depth));
            at = beneath;
        }
        self.count(at, false);
        if let Some(branch) = self.branches.get_mut(at) {
            branch.ends = true;
            branch.ends_in_list |= path.ends_in_list();
            branch.lengths |= LENGTHS;
        }
    }

    fn count(&mut self, at: usize, has_list: bool) {
        if let Some(branch) = self.branches.get_mut(at) {
            branch.beneath += 1;
            branch.own += usize::from(!has_list);
        }
    }

    /// The branch under a key.
    fn child(&self, of: usize, key: &[u8]) -> Option<usize> {
        let mut next = self.branches.get(of)?.first;
        while let Some(index) = next {
            let branch = self.branches.get(index)?;
            if self.fields.get(branch.path)?.keys().get(branch.depth)?.as_bytes().eq_ignore_ascii_case(key) {
                return Some(index);
            }
            next = branch.next;
        }
        None
    }

    #[inline]
    fn branch(&self, node: Node) -> Option<&Branch> {
        self.branches.get(node.branch?)
    }

    #[inline]
    fn ends(&self, node: Node) -> bool {
        node.within || self.branch(node).is_some_and(|branch| branch.ends)
    }

    fn read(&mut self, node: Node, bytes: &[u8], hits: &mut Vec<Hit>) {
        let Ok(text) = std::str::from_utf8(bytes) else { return self.unread(Reason::PatientForm, hits) };
        self.said(!text.trim().is_empty());
        let position = self.lists.first().map_or(0, |list| list.count.saturating_sub(1));
        let mut object = self.objects.last_mut();
        if let Some(object) = &mut object {
            object.read = true;
        }
        let mut reasons = object.filter(|_| node.role == Role::Value).map(|object| &mut object.reasons);
        identities(text, self.reading, &mut |said| match (said, &mut reasons) {
            (Said::Patient(id), _) => {
                self.out.patient(id, position, hits);
                self.hold.told();
            }
            // The object may still say that it is a number of another series.
            (Said::Unread { reason, unsaid: true }, Some(reasons)) => {
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
            (Said::Unread { reason, .. } | Said::Logical { reason, .. }, _) => {
                self.out.unread(reason, hits);
                self.hold.unread();
            }
        });
    }

    fn unread(&mut self, reason: Reason, hits: &mut Vec<Hit>) {
        self.said(true);
        self.out.unread(reason, hits);
        self.hold.unread();
    }
}

impl Paths {
    /// What is read belongs to it: the innermost list's element, or the document.
    #[inline]
    fn innermost(&mut self) -> &mut Element {
        self.lists.last_mut().map_or(&mut self.document, |list| &mut list.element)
    }

    /// A field was read, and says somebody or not.
    #[inline]
    fn said(&mut self, somebody: bool) {
        self.innermost().said |= somebody;
    }

    /// An object or array has ended.
    #[inline]
    fn filled(&mut self, is_empty: bool) {
        self.innermost().filled |= !is_empty;
    }

    /// The innermost list's element has ended.
    #[inline]
    fn judge(&mut self, hits: &mut Vec<Hit>) {
        let Some(list) = self.lists.last_mut() else { return };
        let mut element = std::mem::take(&mut list.element);
        if list.of_somebody && element.filled && !element.said {
            self.out.unread(Reason::PatientAbsent, hits);
            element.said = true;
        }
        let counts = list.counts;
        let around = match self.lists.as_mut_slice() {
            [.., around, _] => &mut around.element,
            _ => &mut self.document,
        };
        around.filled |= element.filled;
        around.said |= element.said && counts;
        around.others |= element.said && !counts;
    }

    /// Whether an array is a list of one person's identities, or in one.
    fn is_of_one(&self, node: Node) -> bool {
        let key = |branch: &Branch| self.fields.get(branch.path)?.keys().get(branch.depth);
        let named = self.branch(node).filter(|_| node.branch != Some(0)).and_then(key);
        node.within
            || self.lists.last().is_some_and(|list| list.of_one)
            || named.is_some_and(|key| is_of_identities(key))
    }
}

/// The bit of a key's length.
fn length(key: &[u8]) -> u64 {
    1 << key.len().min(63)
}

impl Guide for Paths {
    type Node = Node;

    fn document(&mut self, at: u64) -> Node {
        self.hold.document(at);
        let count = self.documents.saturating_add(1);
        self.documents = count;
        let paths = self.branches.first().map_or(0, |root| root.beneath);
        self.lists.clear();
        self.document = Element::default();
        if self.lines {
            let own = self.branches.first().map_or(0, |root| root.own);
            let element = Element::default();
            self.lists.push(List { paths, own, count, of_somebody: true, of_one: false, counts: true, element });
        }
        Node { branch: Some(0), paths, ..Node::default() }
    }

    #[inline]
    fn key(&self, node: Node, key: &[u8]) -> Option<Node> {
        let lengths = self.branch(node).map_or(0, |branch| branch.lengths) | if node.within { LENGTHS } else { 0 };
        if lengths & length(key) == 0 {
            return None;
        }
        let is = |name: &[u8]| key.eq_ignore_ascii_case(name);
        let branch = node.branch.and_then(|branch| self.child(branch, key));
        let (value, reference) = (is(b"value"), is(b"reference") || is(b"identifier"));
        let within = (value || reference) && self.ends(node);
        let role = match () {
            () if value => Role::Value,
            () if is(b"system") => Role::System,
            () => Role::Plain,
        };
        let paths = branch.and_then(|branch| self.branches.get(branch)).map_or(node.paths, |branch| branch.beneath);
        (branch.is_some() || within || role == Role::System).then_some(Node { branch, within, role, paths })
    }

    #[inline]
    fn wants(&self, node: Node) -> bool {
        node.role == Role::System || self.ends(node)
    }

    #[inline]
    fn enters(&self, node: Node) -> bool {
        node.branch.is_some() || node.within
    }

    fn scalar(&mut self, node: Node, scalar: Scalar<'_>, hits: &mut Vec<Hit>) {
        if node.role == Role::System
            && let Some(object) = self.objects.last_mut()
        {
            let system = match scalar {
                Scalar::Text(bytes) => std::str::from_utf8(bytes).ok(),
                _ => None,
            };
            let other = object.system == System::Unsaid && system.is_some_and(|system| !is_identity_system(system));
            object.system = if other { System::Other } else { System::Any };
        }
        if !self.ends(node) {
            return;
        }
        match scalar {
            Scalar::Text(bytes) | Scalar::Number(bytes) => self.read(node, bytes, hits),
            Scalar::Truth | Scalar::Unreadable => {
                self.objects.last_mut().into_iter().for_each(|object| object.read = true);
                self.unread(Reason::PatientForm, hits);
            }
            Scalar::Null => {}
        }
    }

    #[inline]
    fn enter_object(&mut self, node: Node, _: u64) {
        self.objects.push(Object { owes: self.ends(node), ..Object::default() });
    }

    #[inline]
    fn leave_object(&mut self, _: Node, is_empty: bool, hits: &mut Vec<Hit>) {
        self.filled(is_empty);
        let Some(object) = self.objects.pop() else { return };
        if object.read {
            self.objects.last_mut().into_iter().for_each(|outer| outer.read = true);
        } else if object.owes {
            // It says whom it means in fields of its own.
            self.unread(Reason::PatientForm, hits);
        }
        if object.system != System::Other {
            for reason in object.reasons {
                self.unread(reason, hits);
            }
        }
    }

    fn enter_array(&mut self, node: Node) {
        let around = self.lists.last().map(|list| (list.paths, list.own));
        let around = around.or_else(|| self.branches.first().map(|root| (root.beneath, root.own)));
        let of_one = self.is_of_one(node);
        let of_somebody = !of_one && (self.lists.is_empty() || !self.ends(node));
        let (own, in_list) = self.branch(node).map_or((0, false), |branch| (branch.own, branch.ends_in_list));
        // Whoever is told in one of the lists is told for what is around them, if nobody else is looked for there.
        let counts = of_one
            || around.is_none_or(|(paths, around)| {
                around == 0 || paths == node.paths || (self.ends(node) && (around == own || !in_list))
            });
        self.hold.list(counts);
        let element = Element::default();
        self.lists.push(List { paths: node.paths, own, count: 0, of_somebody, of_one, counts, element });
    }

    fn leave_array(&mut self, _: Node, is_empty: bool) {
        if let Some(list) = self.lists.pop() {
            // Whoever is in what is around it stands in this list: nobody.
            self.said(is_empty && list.of_somebody && list.counts);
        }
        self.hold.list_ended();
        self.filled(is_empty);
    }

    #[inline]
    fn element(&mut self, node: Node, at: u64) -> Node {
        if let Some(list) = self.lists.last_mut() {
            list.count = list.count.saturating_add(1);
            self.hold.element(at);
        }
        // What stands in an array has no key: it has no sibling that names its series.
        Node { role: Role::Plain, ..node }
    }

    #[inline]
    fn element_ended(&mut self, hits: &mut Vec<Hit>) {
        self.judge(hits);
        self.hold.element_ended();
    }

    fn ended(&mut self, _: u64, hits: &mut Vec<Hit>) {
        // Of lists only the lines are open by now.
        self.judge(hits);
        if !self.lines && self.document.others && !self.document.said {
            self.out.unread(Reason::PatientAbsent, hits);
        }
        self.hold = Hold::default();
        self.lists.clear();
    }

    fn tick(&mut self, read: u64, _: &mut Vec<Hit>) {
        match self.hold.overrun(read) {
            Overrun::None => {}
            Overrun::Unread => self.hold.release(read),
            Overrun::Nameless => self.fault = Some(Fault::Nameless),
        }
    }

    fn fault(&self) -> Option<Fault> {
        self.fault
    }

    fn settled(&self, read: u64) -> u64 {
        self.hold.settled(read)
    }
}
