//! JSON fields by their paths, read as in requests: keys without regard to case, arrays entered by themselves, repeated
//! keys all count, and a field that is a FHIR Identifier or Reference is read as one.
//!
//! An array on a path is a list: its elements are held one by one, and those of the outermost are numbered. So is each line
//! of NDJSON. One that has something in it, but in none of the fields, is told as [`Reason::PatientAbsent`]: somebody may
//! stand there. So is a document, if others in the same body name somebody.
//!
//! An element is about whomever its own fields name: those in the fewest objects within it. Of `id` and `mother.id`, `id` is
//! its own, and who stands in `mother` is another, who neither releases nor counts for it: what is said of them waits for
//! them in its turn. What stands in an identity, or
//! under `identifier`, is of whom that is.

mod tree;

use super::hold::{Hold, Overrun};
use super::json::{Guide, Scalar};
use super::{Fault, Hit, Hits};
use crate::patient::{Reading, Said, identities, is_identity_system};
use crate::route::{FieldPath, is_of_identities};
use contract::record::Reason;
use smallvec::SmallVec;
use std::sync::Arc;
use tree::{Branch, LENGTHS};

/// A guide along paths.
#[derive(Debug)]
pub(super) struct Paths {
    fields: Arc<[FieldPath]>,
    branches: Arc<[Branch]>,
    reading: Reading,
    out: Hits,
    hold: Hold,
    fault: Option<Fault>,
    /// Each document is an element (NDJSON).
    lines: bool,
    documents: u32,
    /// A document has something in it, and named nobody.
    absent: bool,
    /// The lists that are open, from the outside in.
    lists: SmallVec<[List; 4]>,
    /// What is known of the document, as far as it stands in no list.
    document: Element,
    objects: SmallVec<[Object; 8]>,
    /// Of these, those that are about another than the element they stand in, from the outside in.
    beside: SmallVec<[Beside; 4]>,
}

/// An object about another.
#[derive(Debug)]
struct Beside {
    /// How many objects are around it and itself, and how many lists are around it.
    depth: usize,
    lists: usize,
    /// Who stands in no more objects than this is whom it is about.
    owner: usize,
}

/// An array on a path, or the lines.
#[derive(Debug)]
struct List {
    /// How many paths end in it.
    paths: usize,
    /// Of these, how many go through no other list.
    own: usize,
    /// Who stands in no more objects than this, from the document on, is whom its element is about.
    near: usize,
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
    /// Where it begins, if it is a text or number.
    bare: Option<u64>,
    /// An object in it, or itself, has members; or an array has values; or it is a text or number that is not empty.
    filled: bool,
    /// A field of its own says somebody, be it readable or not.
    said: bool,
    /// A list or object in it says others than whom it is about.
    others: bool,
}

/// The shortest text, with its quotes, and the shortest number, that may say somebody.
const BARE_BYTES_MIN: u64 = 3;

impl Element {
    fn new(at: u64, first: u8) -> Self {
        Self { bare: matches!(first, b'"' | b'-' | b'0'..=b'9').then_some(at), ..Self::default() }
    }

    fn ended(&mut self, at: u64) {
        self.filled |= self.bare.is_some_and(|start| at.saturating_sub(start) >= BARE_BYTES_MIN);
    }
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
    /// As the branch has it here, or around it.
    owner: usize,
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
        let branches = tree::of(&fields);
        Self::with(fields, branches, lines, reading)
    }

    /// The same at a body's start.
    pub(super) fn fresh(&self) -> Self {
        Self::with(Arc::clone(&self.fields), Arc::clone(&self.branches), self.lines, self.reading)
    }

    fn with(fields: Arc<[FieldPath]>, branches: Arc<[Branch]>, lines: bool, reading: Reading) -> Self {
        Self {
            fields,
            branches,
            reading,
            out: Hits::default(),
            hold: Hold::default(),
            fault: None,
            lines,
            documents: 0,
            absent: false,
            lists: SmallVec::new(),
            document: Element::default(),
            objects: SmallVec::new(),
            beside: SmallVec::new(),
        }
    }

    /// Whether a document has something in it and named nobody. Of a body with others this is told; of one alone, that it
    /// was asked for tells it.
    pub(super) fn names_nobody(&self) -> bool {
        self.absent
    }

    /// No more comes, be it the body's end or not.
    pub(super) fn finish(&mut self, hits: &mut Vec<Hit>) {
        if self.absent && self.out.any() {
            self.out.unread(Reason::PatientAbsent, hits);
        }
    }

    /// The branch under a key.
    #[inline]
    fn child(&self, of: usize, key: &[u8]) -> Option<usize> {
        tree::child(&self.branches, &self.fields, of, key)
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
        let Ok(text) = std::str::from_utf8(bytes) else { return self.unread(node, Reason::PatientForm, hits) };
        let own = self.is_own(node);
        let beside = !own && self.is_of_one_beside(node);
        let position = self.lists.first().map_or(0, |list| list.count.saturating_sub(1));
        let mut object = self.objects.last_mut();
        if let Some(object) = &mut object {
            object.read = true;
        }
        let mut reasons = object.filter(|_| node.role == Role::Value).map(|object| &mut object.reasons);
        let (mut told, mut open) = (false, false);
        identities(text, self.reading, &mut |said| match (said, &mut reasons) {
            (Said::Patient(id), _) => {
                told = true;
                self.out.patient(id, position, hits);
                if !own {
                    // Whom it is about may follow, and is waited for as long as may be.
                    self.hold.unread();
                }
                if own || beside {
                    self.hold.told();
                }
            }
            // The object may still say that it is a number of another series.
            (Said::Unread { reason, unsaid: true }, Some(reasons)) => {
                open = true;
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
            (Said::Unread { reason, .. } | Said::Logical { reason, .. }, _) => {
                told = true;
                self.out.unread(reason, hits);
                self.hold.unread();
            }
        });
        if told || !open {
            self.said(node, !text.trim().is_empty());
        }
    }

    fn unread(&mut self, node: Node, reason: Reason, hits: &mut Vec<Hit>) {
        self.said(node, true);
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

    /// Whether who stands there is whom the innermost element, or the document, is about.
    #[inline]
    fn is_own(&self, node: Node) -> bool {
        node.owner <= self.near()
    }

    /// Whether who stands there is whom the innermost object about another is about.
    #[inline]
    fn is_of_one_beside(&self, node: Node) -> bool {
        self.beside.last().is_some_and(|beside| beside.lists == self.lists.len() && node.owner <= beside.owner)
    }

    /// In how many objects whoever is whom the innermost element is about may stand.
    #[inline]
    fn near(&self) -> usize {
        self.lists.last().map(|list| list.near).or_else(|| Some(self.branches.first()?.near)).unwrap_or(usize::MAX)
    }

    /// A field was read, and says somebody or not.
    #[inline]
    fn said(&mut self, node: Node, somebody: bool) {
        let own = self.is_own(node);
        let element = self.innermost();
        element.said |= somebody && own;
        element.others |= somebody && !own;
    }

    /// An object or array has ended.
    #[inline]
    fn filled(&mut self, is_empty: bool) {
        self.innermost().filled |= !is_empty;
    }

    /// The innermost list's element has ended.
    #[inline]
    fn judge(&mut self, at: u64, hits: &mut Vec<Hit>) {
        let Some(list) = self.lists.last_mut() else { return };
        let mut element = std::mem::take(&mut list.element);
        element.ended(at);
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

impl Guide for Paths {
    type Node = Node;

    fn document(&mut self, at: u64, first: u8) -> Node {
        self.hold.document(at);
        let count = self.documents.saturating_add(1);
        self.documents = count;
        let paths = self.branches.first().map_or(0, |root| root.beneath);
        self.lists.clear();
        self.beside.clear();
        self.document = Element::new(at, first);
        if self.lines {
            let (own, near) = self.branches.first().map_or((0, usize::MAX), |root| (root.own, root.near));
            let element = Element::new(at, first);
            self.lists.push(List { paths, own, near, count, of_somebody: true, of_one: false, counts: true, element });
        }
        Node { branch: Some(0), paths, ..Node::default() }
    }

    #[inline]
    fn key(&self, node: Node, key: &[u8]) -> Option<Node> {
        let lengths = self.branch(node).map_or(0, |branch| branch.lengths) | if node.within { LENGTHS } else { 0 };
        if lengths & tree::length(key) == 0 {
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
        let known = branch.and_then(|branch| self.branches.get(branch));
        let (paths, owner) = known.map_or((node.paths, node.owner), |branch| (branch.beneath, branch.owner));
        (branch.is_some() || within || role == Role::System).then_some(Node { branch, within, role, paths, owner })
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
                self.unread(node, Reason::PatientForm, hits);
            }
            Scalar::Null => {}
        }
    }

    #[inline]
    fn enter_object(&mut self, node: Node, at: u64) {
        self.objects.push(Object { owes: self.ends(node), ..Object::default() });
        // In a list the element itself is held.
        if node.branch.is_some() && !node.within && !self.is_own(node) && !self.is_of_one_beside(node) {
            self.hold.beside(at);
            self.beside.push(Beside { depth: self.objects.len(), lists: self.lists.len(), owner: node.owner });
        }
    }

    #[inline]
    fn leave_object(&mut self, node: Node, is_empty: bool, hits: &mut Vec<Hit>) {
        self.filled(is_empty);
        if self.beside.last().is_some_and(|beside| beside.depth == self.objects.len()) {
            self.beside.pop();
            self.hold.beside_ended();
        }
        let Some(object) = self.objects.pop() else { return };
        if object.read {
            self.objects.last_mut().into_iter().for_each(|outer| outer.read = true);
        } else if object.owes {
            // It says whom it means in fields of its own.
            self.unread(node, Reason::PatientForm, hits);
        }
        if object.system != System::Other {
            for reason in object.reasons {
                self.unread(node, reason, hits);
            }
        }
    }

    fn enter_array(&mut self, node: Node) {
        let around = self.lists.last().map(|list| (list.paths, list.own));
        let around = around.or_else(|| self.branches.first().map(|root| (root.beneath, root.own)));
        let of_one = self.is_of_one(node);
        let of_somebody = !of_one && (self.lists.is_empty() || !self.ends(node));
        let (own, near, in_list) =
            self.branch(node).map_or((0, node.owner, false), |branch| (branch.own, branch.near, branch.ends_in_list));
        let near = if of_one { near.max(node.owner) } else { near };
        // Whoever is told in one of the lists is told for what is around them, if nobody else is looked for there.
        let counts = around.is_none_or(|(paths, around)| {
            let ends = self.ends(node) && (around == own || !in_list);
            around == 0 || paths == node.paths || ((of_one || ends) && self.is_own(node))
        });
        self.hold.list(counts);
        let element = Element::default();
        self.lists.push(List { paths: node.paths, own, near, count: 0, of_somebody, of_one, counts, element });
    }

    fn leave_array(&mut self, _: Node, is_empty: bool) {
        if let Some(list) = self.lists.pop() {
            // Whoever is in what is around it stands in this list: nobody.
            let nobody = is_empty && list.of_somebody && list.counts;
            self.innermost().said |= nobody;
        }
        self.hold.list_ended();
        self.filled(is_empty);
    }

    #[inline]
    fn element(&mut self, node: Node, at: u64, first: u8) -> Node {
        if let Some(list) = self.lists.last_mut() {
            list.count = list.count.saturating_add(1);
            list.element = Element::new(at, first);
            self.hold.element(at);
        }
        // What stands in an array has no key: it has no sibling that names its series.
        Node { role: Role::Plain, ..node }
    }

    #[inline]
    fn element_ended(&mut self, at: u64, hits: &mut Vec<Hit>) {
        self.judge(at, hits);
        self.hold.element_ended();
    }

    fn ended(&mut self, at: u64, hits: &mut Vec<Hit>) {
        // Of lists only the lines are open by now.
        self.judge(at, hits);
        self.document.ended(at);
        let nobody = !self.lines && !self.document.said;
        if nobody && self.document.others {
            self.out.unread(Reason::PatientAbsent, hits);
        }
        self.absent |= nobody && self.document.filled;
        self.finish(hits);
        self.hold = Hold::default();
        self.lists.clear();
    }

    fn tick(&mut self, read: u64, hits: &mut Vec<Hit>) {
        match self.hold.overrun(read) {
            Overrun::None => {}
            Overrun::Unread => {
                let unsaid = |element: &Element| element.others && !element.said;
                if self.hold.beside_is_long(read)
                    || unsaid(&self.document)
                    || self.lists.iter().any(|list| unsaid(&list.element))
                {
                    // It is about somebody else than those in it, and leaves now.
                    self.out.unread(Reason::PatientAbsent, hits);
                }
                self.hold.release(read);
            }
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
