//! The compiled table: one trie of path segments per host.
//!
//! A node is visited at most once per request, because its depth is the segment's position and it has one parent;
//! so the work is bounded by the file, whatever the path.

use super::template::{Params, Segment, Template};
use super::{Methods, NoMatch, RouteId, Verb};
use std::cmp::Ordering;

/// All hosts' tries.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Sorted by name, lower case.
    hosts: Vec<(Box<str>, Trie)>,
}

/// Another route has the same host, path and method.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) by: RouteId,
    pub(super) verb: Verb,
}

impl Table {
    /// Adds a route for one host (lower case).
    pub(super) fn insert(
        &mut self,
        host: &str,
        template: &Template,
        methods: Methods,
        id: RouteId,
    ) -> Result<(), Taken> {
        let index = match self.position(host) {
            Ok(index) => index,
            Err(index) => {
                self.hosts.insert(index, (host.into(), Trie::new()));
                index
            }
        };
        match self.hosts.get_mut(index) {
            Some((_, trie)) => trie.insert(template, methods, id),
            None => Ok(()),
        }
    }

    /// Adds a host that may have no route.
    pub(super) fn insert_host(&mut self, host: &str) {
        if let Err(index) = self.position(host) {
            self.hosts.insert(index, (host.into(), Trie::new()));
        }
    }

    /// Lets HEAD match the routes for GET, where it has none of its own.
    pub(super) fn finish(&mut self) {
        for node in self.hosts.iter_mut().flat_map(|(_, trie)| &mut trie.nodes) {
            for ends in [node.ends.as_mut(), node.rest.as_mut()].into_iter().flatten() {
                ends.share_get();
            }
        }
    }

    pub(super) fn serves(&self, host: &str) -> bool {
        self.position(host).is_ok()
    }

    pub(super) fn find(&self, host: &str, path: &[u8]) -> Result<(&Ends, Params), NoMatch> {
        let index = self.position(host).map_err(|_| NoMatch::UnknownHost)?;
        let (_, trie) = self.hosts.get(index).ok_or(NoMatch::UnknownHost)?;
        let (b'/', _) = path.split_first().ok_or(NoMatch::NoRoute)? else { return Err(NoMatch::NoRoute) };
        let mut params = Params::default();
        match trie.walk(0, path, 1, &mut params) {
            Walk::Found(ends) => Ok((ends, params)),
            Walk::Nothing | Walk::Ambiguous => Err(NoMatch::NoRoute),
        }
    }

    fn position(&self, host: &str) -> Result<usize, usize> {
        self.hosts.binary_search_by(|(known, _)| compare(known.as_bytes(), host.as_bytes()))
    }
}

/// Compares a lower-case name with one of any case.
fn compare(lower: &[u8], any: &[u8]) -> Ordering {
    lower.iter().copied().cmp(any.iter().map(u8::to_ascii_lowercase))
}

#[derive(Debug)]
struct Trie {
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    /// Sorted.
    literals: Vec<(Box<[u8]>, usize)>,
    parameter: Option<usize>,
    /// Routes whose template ends here.
    ends: Option<Ends>,
    /// Routes whose template ends in `{*rest}` here.
    rest: Option<Ends>,
}

/// The routes of one path, by method.
#[derive(Debug, Default)]
pub(super) struct Ends([Option<RouteId>; Verb::ALL.len()]);

impl Ends {
    pub(super) fn of(&self, verb: Verb) -> Option<RouteId> {
        self.0.get(verb as usize).copied().flatten()
    }

    pub(super) fn allow(&self) -> Methods {
        Verb::ALL.into_iter().filter(|verb| self.of(*verb).is_some()).collect()
    }

    fn set(&mut self, verb: Verb, id: RouteId) -> Result<(), Taken> {
        match self.0.get_mut(verb as usize) {
            Some(Some(by)) => Err(Taken { by: *by, verb }),
            Some(slot) => {
                *slot = Some(id);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn share_get(&mut self) {
        if let Some(id) = self.of(Verb::Get)
            && self.of(Verb::Head).is_none()
        {
            // The slot is free, so this cannot fail.
            let _ = self.set(Verb::Head, id);
        }
    }
}

enum Walk<'t> {
    Found(&'t Ends),
    Nothing,
    /// A segment is like a literal one but for upper and lower case: no other route may take it.
    Ambiguous,
}

impl Trie {
    fn new() -> Self {
        Self { nodes: vec![Node::default()] }
    }

    fn insert(&mut self, template: &Template, methods: Methods, id: RouteId) -> Result<(), Taken> {
        let mut at = 0;
        let mut rest = false;
        for segment in template.segments() {
            let fresh = self.nodes.len();
            let Some(node) = self.nodes.get_mut(at) else { return Ok(()) };
            at = match segment {
                Segment::Literal(bytes) => match node.literals.binary_search_by(|(known, _)| known.cmp(bytes)) {
                    Ok(index) => node.literals.get(index).map_or(at, |(_, child)| *child),
                    Err(index) => {
                        node.literals.insert(index, (bytes.clone(), fresh));
                        fresh
                    }
                },
                Segment::Parameter => *node.parameter.get_or_insert(fresh),
                Segment::Rest => {
                    rest = true;
                    at
                }
            };
            if at == fresh {
                self.nodes.push(Node::default());
            }
        }
        let Some(node) = self.nodes.get_mut(at) else { return Ok(()) };
        let ends = if rest { &mut node.rest } else { &mut node.ends }.get_or_insert_default();
        methods.iter().try_for_each(|verb| ends.set(verb, id))
    }

    /// Matches `path` from the segment that begins at `start`.
    fn walk(&self, node: usize, path: &[u8], start: usize, params: &mut Params) -> Walk<'_> {
        let (Some(node), Some(tail)) = (self.nodes.get(node), path.get(start..)) else { return Walk::Nothing };
        let slash = memchr::memchr(b'/', tail);
        let segment = tail.get(..slash.unwrap_or(tail.len())).unwrap_or(tail);
        let next = slash.map(|slash| start + slash + 1);
        match node.literals.binary_search_by(|(known, _)| known.as_ref().cmp(segment)) {
            Ok(index) => {
                let child = node.literals.get(index).map_or(usize::MAX, |(_, child)| *child);
                match self.step(child, path, next, params) {
                    Walk::Nothing => {}
                    done => return done,
                }
            }
            // Also where nothing else could take it here: a `{name}` or `{*rest}` further up would.
            Err(_) => {
                if node.literals.iter().any(|(known, _)| known.eq_ignore_ascii_case(segment)) {
                    return Walk::Ambiguous;
                }
            }
        }
        if let Some(child) = node.parameter
            && !segment.is_empty()
        {
            let count = params.len();
            params.push(start, start + segment.len());
            match self.step(child, path, next, params) {
                Walk::Nothing => params.truncate(count),
                done => return done,
            }
        }
        match &node.rest {
            Some(ends) => {
                params.push(start, path.len());
                Walk::Found(ends)
            }
            None => Walk::Nothing,
        }
    }

    fn step(&self, child: usize, path: &[u8], next: Option<usize>, params: &mut Params) -> Walk<'_> {
        match next {
            Some(next) => self.walk(child, path, next, params),
            None => self.nodes.get(child).and_then(|node| node.ends.as_ref()).map_or(Walk::Nothing, Walk::Found),
        }
    }
}
