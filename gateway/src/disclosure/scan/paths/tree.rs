//! What the paths of a route say of each place on their way. It is made once, for all documents of an answer.

use crate::route::{FieldPath, is_of_identities};
use std::sync::Arc;

/// A place on the way of at least one path. The first is the document itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Branch {
    /// Its key: that of this path, at this depth.
    pub(super) path: usize,
    pub(super) depth: usize,
    /// A path ends here.
    pub(super) ends: bool,
    /// One that ends here is written as a list.
    pub(super) ends_in_list: bool,
    /// How many paths end here or beneath.
    pub(super) beneath: usize,
    /// Of these, how many go through no other list, as they are written.
    pub(super) own: usize,
    /// In how many objects those stand, from the document on, whose field it is, or beneath whose field it stands.
    pub(super) owner: usize,
    /// The least of that of those own ones.
    pub(super) near: usize,
    pub(super) first: Option<usize>,
    pub(super) next: Option<usize>,
    /// Which lengths the keys have that are looked for here: a bit for each.
    pub(super) lengths: u64,
}

/// The bits of the lengths of `value`, `system`, `reference` and `identifier`.
pub(super) const LENGTHS: u64 = 1 << 5 | 1 << 6 | 1 << 9 | 1 << 10;

/// The bit of a key's length.
pub(super) fn length(key: &[u8]) -> u64 {
    1 << key.len().min(63)
}

/// The tree of these paths.
pub(super) fn of(fields: &[FieldPath]) -> Arc<[Branch]> {
    let mut branches = vec![Branch::new(0, 0, None)];
    let ways: Vec<Vec<usize>> =
        fields.iter().enumerate().map(|(index, path)| grow(&mut branches, fields, index, path)).collect();
    for (path, way) in fields.iter().zip(&ways) {
        own(&mut branches, path, way);
    }
    branches.into()
}

/// The branch under a key.
#[inline]
pub(super) fn child(branches: &[Branch], fields: &[FieldPath], of: usize, key: &[u8]) -> Option<usize> {
    let mut next = branches.get(of)?.first;
    while let Some(index) = next {
        let branch = branches.get(index)?;
        if fields.get(branch.path)?.keys().get(branch.depth)?.as_bytes().eq_ignore_ascii_case(key) {
            return Some(index);
        }
        next = branch.next;
    }
    None
}

impl Branch {
    fn new(path: usize, depth: usize, next: Option<usize>) -> Self {
        Self {
            path,
            depth,
            ends: false,
            ends_in_list: false,
            beneath: 0,
            own: 0,
            owner: 0,
            near: usize::MAX,
            first: None,
            next,
            lengths: 0,
        }
    }
}

/// Adds a path's branches. Gives those on its way, from the document on.
fn grow(branches: &mut Vec<Branch>, fields: &[FieldPath], index: usize, path: &FieldPath) -> Vec<usize> {
    let mut way = vec![0];
    let mut at = 0;
    for (depth, key) in path.keys().iter().enumerate() {
        let beneath = child(branches, fields, at, key.as_bytes()).unwrap_or_else(|| {
            let new = branches.len();
            let next = branches.get_mut(at).and_then(|branch| {
                // What is a `value` may have a `system`.
                let is_value = key.eq_ignore_ascii_case("value");
                branch.lengths |= length(key.as_bytes()) | if is_value { LENGTHS } else { 0 };
                branch.first.replace(new)
            });
            branches.push(Branch::new(index, depth, next));
            new
        });
        count(branches, at, path.has_list_from(depth));
        at = beneath;
        way.push(at);
    }
    count(branches, at, false);
    if let Some(branch) = branches.get_mut(at) {
        branch.ends = true;
        branch.ends_in_list |= path.ends_in_list();
        branch.lengths |= LENGTHS;
    }
    way
}

fn count(branches: &mut [Branch], at: usize, has_list: bool) {
    if let Some(branch) = branches.get_mut(at) {
        branch.beneath += 1;
        branch.own += usize::from(!has_list);
    }
}

/// Says whose the fields on a path's way are, once all paths are known.
fn own(branches: &mut [Branch], path: &FieldPath, way: &[usize]) {
    // Of whom an identity is around what comes.
    let mut identity = None;
    let mut owner = 0;
    for (level, at) in way.iter().enumerate() {
        let key = level.checked_sub(1).and_then(|depth| path.keys().get(depth));
        if let Some(branch) = branches.get_mut(*at) {
            let is_identity = branch.ends || key.is_some_and(|key| is_of_identities(key));
            if is_identity && identity.is_none() {
                identity = Some(level.saturating_sub(1));
            }
            owner = identity.unwrap_or(level);
            branch.owner = owner;
        }
    }
    for (level, at) in way.iter().enumerate() {
        if let Some(branch) = branches.get_mut(*at).filter(|_| !path.has_list_from(level)) {
            branch.near = branch.near.min(owner);
        }
    }
}
