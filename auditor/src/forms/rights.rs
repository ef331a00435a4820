//! What a change of rights takes away at once, and what it gives only when it is executed.

use contract::Micros;
use contract::directory::Grant;
use contract::id::HsaId;
use contract::record::Right;

/// The rights that remain at once, when `wanted` shall take the place of `held`: what both allow.
///
/// It never allows what one of them does not. A grant that both have in the same form stays as it is.
pub fn at_once(held: &[Grant], wanted: &[Grant]) -> Vec<Grant> {
    let of = |registry| wanted.iter().filter(move |grant| grant.registry == registry);
    held.iter().flat_map(|one| of(one.registry.clone()).filter_map(|other| meet(one, other))).collect()
}

/// Whether `wanted` gives something that `held` does not: then somebody has to approve and execute it.
pub fn widens(held: &[Grant], wanted: &[Grant]) -> bool {
    !wanted.iter().all(|wanted| held.iter().any(|held| covers(held, wanted)))
}

/// What two grants of one registry both allow, if anything.
fn meet(one: &Grant, other: &Grant) -> Option<Grant> {
    let units: Vec<HsaId> = match (one.units.as_slice(), other.units.as_slice()) {
        ([], units) | (units, []) => units.to_vec(),
        (some, others) => {
            let both: Vec<HsaId> = some.iter().filter(|unit| others.contains(unit)).cloned().collect();
            // None named would mean all.
            if both.is_empty() {
                return None;
            }
            both
        }
    };
    let valid_from = one.valid_from.max(other.valid_from);
    let valid_to = earlier(one.valid_to, other.valid_to);
    if valid_to.is_some_and(|to| to <= valid_from) {
        return None;
    }
    let right = if [one.right, other.right].contains(&Right::Read) { Right::Read } else { Right::ReadWrite };
    Some(Grant { registry: one.registry.clone(), right, units, valid_from, valid_to })
}

/// Whether whatever `small` allows is allowed by `large`.
fn covers(large: &Grant, small: &Grant) -> bool {
    large.registry == small.registry
        && (large.right == Right::ReadWrite || small.right == Right::Read)
        && (large.units.is_empty()
            || !small.units.is_empty() && small.units.iter().all(|unit| large.units.contains(unit)))
        && large.valid_from <= small.valid_from
        && earlier(large.valid_to, small.valid_to) == small.valid_to
}

/// None has no end.
fn earlier(one: Option<Micros>, other: Option<Micros>) -> Option<Micros> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (end, None) | (None, end) => end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::id::RegistryName;
    use proptest::prelude::*;

    fn unit(number: u8) -> HsaId {
        HsaId::parse(&format!("SE2321000016-U{number:03}")).expect("valid")
    }

    fn grant() -> impl Strategy<Value = Grant> {
        let units = proptest::collection::btree_set(0_u8..3, 0..3);
        (0_u8..2, any::<bool>(), units, 0_i64..4, proptest::option::of(1_i64..6)).prop_map(
            |(registry, writes, units, from, length)| Grant {
                registry: RegistryName::parse(["ett", "annat"][usize::from(registry)]).expect("valid"),
                right: if writes { Right::ReadWrite } else { Right::Read },
                units: units.into_iter().map(unit).collect(),
                valid_from: from,
                valid_to: length.map(|length| from + length),
            },
        )
    }

    /// One grant for each registry, as accounts have them.
    fn grants() -> impl Strategy<Value = Vec<Grant>> {
        proptest::collection::vec(grant(), 0..3).prop_map(|mut grants| {
            grants.sort_by(|a, b| a.registry.as_str().cmp(b.registry.as_str()));
            grants.dedup_by(|a, b| a.registry == b.registry);
            grants
        })
    }

    /// Everything that could be asked of these grants, and whether they allow it.
    fn allowed(grants: &[Grant]) -> Vec<bool> {
        let mut all = Vec::new();
        for registry in ["ett", "annat"] {
            for writes in [false, true] {
                for unit in (0..4).map(unit) {
                    for at in 0..12 {
                        all.push(grants.iter().any(|grant| {
                            grant.registry.as_str() == registry
                                && (!writes || grant.right == Right::ReadWrite)
                                && (grant.units.is_empty() || grant.units.contains(&unit))
                                && grant.valid_from <= at
                                && grant.valid_to.is_none_or(|to| at < to)
                        }));
                    }
                }
            }
        }
        all
    }

    proptest! {
        #[test]
        fn what_remains_is_what_both_allow(held in grants(), wanted in grants()) {
            let expected: Vec<bool> =
                allowed(&held).into_iter().zip(allowed(&wanted)).map(|(held, wanted)| held && wanted).collect();
            prop_assert_eq!(allowed(&at_once(&held, &wanted)), expected);
        }

        #[test]
        fn only_what_gives_more_has_to_be_approved(held in grants(), wanted in grants()) {
            let more = allowed(&wanted).into_iter().zip(allowed(&held)).any(|(wanted, held)| wanted && !held);
            prop_assert!(widens(&held, &wanted) || !more, "more is given unseen");
            prop_assert!(!widens(&held, &held));
            prop_assert!(!widens(&held, &at_once(&held, &wanted)));
        }
    }
}
