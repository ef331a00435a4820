use super::*;

fn hsa(text: &str) -> HsaId {
    HsaId::parse(text).expect("valid")
}

fn here() -> About {
    About {
        region: Some(Region::Skane),
        registry: RegistryName::parse("fotled").ok(),
        organisation: Some(hsa("SE2321000016-39KJ")),
        unit: Some(hsa("SE2321000016-U001")),
    }
}

fn elsewhere() -> About {
    About {
        region: Some(Region::Halland),
        registry: RegistryName::parse("annat").ok(),
        organisation: Some(hsa("SE2321000016-0000")),
        unit: Some(hsa("SE2321000016-U002")),
    }
}

/// One of each, reaching `here`.
fn one_of_each() -> Vec<Appointment> {
    let here = here();
    vec![
        Appointment::Approver(Region::Skane),
        Appointment::RegistryHolder(here.registry.expect("said")),
        Appointment::AccountAdmin,
        Appointment::DeviceAdmin(here.organisation),
        Appointment::LogReviewer(here.unit.expect("said")),
        Appointment::LogAuditor,
        Appointment::HelpDesk,
    ]
}

#[test]
fn the_table_names_each_action_once_and_gives_each_role_something() {
    for (index, (action, roles)) in ALLOWED.iter().enumerate() {
        assert!(ALLOWED.iter().skip(index + 1).all(|(other, _)| other != action), "{action:?} stands twice");
        assert!(!roles.is_empty(), "nobody may do {action:?}");
    }
    for role in Role::ALL {
        assert!(ALLOWED.iter().any(|(_, roles)| roles.contains(&role)), "{role:?} may do nothing");
    }
    assert!(one_of_each().iter().map(Appointment::kind).eq(Role::ALL));
}

#[test]
fn nobody_reaches_further_than_their_appointment() {
    for (action, roles) in ALLOWED {
        for appointment in one_of_each() {
            let own = [appointment.clone()];
            let allowed = roles.contains(&appointment.kind());
            assert_eq!(may(&own, action, &here()), allowed, "{appointment} {action:?} here");
            let bounded =
                !matches!(appointment, Appointment::AccountAdmin | Appointment::LogAuditor | Appointment::HelpDesk);
            assert_eq!(may(&own, action, &elsewhere()), allowed && !bounded, "{appointment} {action:?} elsewhere");
            assert_eq!(may(&own, action, &About::default()), allowed && !bounded, "{appointment} {action:?} nowhere");
        }
        assert!(!may(&[], action, &here()));
    }
}

/// What must never be, whatever the table becomes.
#[test]
fn duties_stay_apart() {
    let may_do = |role: Role| -> Vec<Action> {
        ALLOWED.iter().filter(|(_, roles)| roles.contains(&role)).map(|(action, _)| *action).collect()
    };
    let apart = |role: Role, actions: &[Action]| {
        assert!(actions.iter().all(|action| !may_do(role).contains(action)), "{role:?}: {actions:?}");
    };
    apart(Role::RegistryHolder, &[Action::DecideForRegion, Action::Execute, Action::Unlock, Action::HandOut]);
    apart(Role::Approver, &[Action::Forward, Action::Execute, Action::HandOut, Action::Appoint]);
    apart(Role::AccountAdmin, &[Action::DecideForRegion, Action::Forward, Action::Review, Action::ReadLog]);
    apart(Role::HelpDesk, &[Action::Review, Action::ReadLog, Action::Unlock, Action::HandOut, Action::SeeRequest]);
    apart(Role::LogAuditor, &[Action::Appoint, Action::Execute, Action::ManageDevices]);
}
