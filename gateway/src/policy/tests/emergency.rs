//! What was opened in an emergency permits that patient, to that session, in that registry, to read, until then.

use super::*;
use contract::pseudonym::PatientRef;

const ANNA: PatientRef = PatientRef([1; 16]);
const BO: PatientRef = PatientRef([2; 16]);

/// Somebody without a grant who has opened a patient.
fn opened() -> World {
    let mut world = World::new();
    world.path = "/open/191212121212";
    world.account().grants.clear();
    world.account().openings = vec![Opening {
        session: SessionKey([9; 32]),
        registry: RegistryName::parse("reg").expect("a name"),
        patient: ANNA,
        why: Why::Life,
        until: NOW + 1,
    }];
    world
}

impl World {
    fn opening(&mut self) -> &mut Opening {
        self.account().openings.first_mut().expect("an opening")
    }
}

#[test]
fn an_opening_permits_to_read_that_patient_and_says_why() {
    let world = opened();
    assert_eq!(world.decide().expect_err("no grant").reason, Reason::NoGrant);
    let permit = world.decide_about(ANNA).expect("opened");
    assert_eq!((permit.opened(), permit.right(), permit.changes()), (Some(Why::Life), Some(Right::Read), false));
    assert_eq!((permit.session(), permit.account()), (Some(SessionKey([9; 32])), world.account.map(|of| of.id)));
}

#[test]
fn a_grant_goes_before_an_opening() {
    let mut world = opened();
    world.account().grants = vec![grant_of(Right::Read)];
    assert_eq!(world.decide_about(ANNA).expect("granted").opened(), None);
}

#[test]
fn a_grant_of_another_unit_may_be_opened_as_well() {
    let mut world = opened();
    let units = vec![hsa("SE2321000016-UNIT2")];
    world.account().grants = vec![Grant { units, ..grant_of(Right::Read) }];
    assert_eq!(world.decide_about(BO).expect_err("another patient").reason, Reason::OtherUnit);
    assert_eq!(world.decide_about(ANNA).expect("opened").opened(), Some(Why::Life));
}

#[test]
fn an_opening_permits_nothing_else() {
    use Reason as R;
    let table: &[(&str, R, Change)] = &[
        ("after its end", R::NoGrant, |w| w.opening().until = NOW),
        ("in another session", R::NoGrant, |w| w.opening().session = SessionKey([8; 32])),
        ("in another registry", R::NoGrant, |w| {
            w.opening().registry = RegistryName::parse("other").expect("a name");
        }),
        ("another patient", R::NoGrant, |w| w.opening().patient = BO),
        ("nobody", R::NoGrant, |w| w.opening().patient = PatientRef::NONE),
        ("another's account", R::AccountInactive, |w| w.account().id = AccountId::NONE),
        ("another route", R::NoGrant, |w| w.path = "/granted"),
        ("a change, where another route takes it", R::NoGrant, |w| w.method = Method::POST),
        ("an account that is locked", R::Locked, |w| w.account().standing = AccountStanding::Locked),
        ("an account that is blocked", R::AccountInactive, |w| w.account().standing = AccountStanding::Blocked),
        ("with instructions not accepted", R::InstructionsDue, |w| w.account().instructions_due = true),
        ("a session that ended", R::NoSession, |w| w.session().ended = Some(1)),
        ("a session on another device", R::SessionElsewhere, |w| w.session().device = DeviceId::NONE),
        ("a device that is revoked", R::DeviceRevoked, |w| w.device().revoked = Some(1)),
        ("a device of another organisation", R::DeviceForeign, |w| {
            w.device().organisation = hsa("SE165565594230-1000");
        }),
        ("with a silent auditor", R::DirectoryStale, |w| w.heard = 0),
    ];
    for (what, expected, change) in table {
        let mut world = opened();
        change(&mut world);
        assert_eq!(world.decide_about(ANNA).err().map(|denial| denial.reason), Some(*expected), "{what}");
    }
    let mut world = opened();
    world.opening().patient = PatientRef::NONE;
    assert!(world.decide_about(PatientRef::NONE).is_err(), "nobody is no patient");
}

#[test]
fn only_who_lacks_a_grant_to_read_may_open() {
    let may = |world: &World| {
        let routes = routes();
        let matched = routes.find("reg.example", &world.method, world.path.as_bytes()).expect("a route");
        world.decide().expect_err("denied").may_be_opened(matched.route, &world.method)
    };
    assert!(may(&opened()));
    let changes: [Change; 7] = [
        |w| w.account().instructions_due = true,
        |w| w.path = "/granted",
        |w| w.method = Method::POST,
        |w| w.session = None,
        |w| w.account().standing = AccountStanding::Dormant,
        |w| w.device().revoked = Some(1),
        |w| w.heard = 0,
    ];
    for (index, change) in changes.iter().enumerate() {
        let mut world = opened();
        change(&mut world);
        assert!(!may(&world), "{index}");
    }
}
