//! Who runs a command: the operating system's user, for the record. Commands have no login of their own; whoever may read the
//! keys and write the database may use them.

use crate::store::By;
use nix::unistd::{Uid, User, getuid};

/// The command line, and who is at it.
pub(super) fn by() -> By {
    // The user of the login, which the kernel keeps through `sudo` and `su` where it audits.
    let login = std::fs::read_to_string("/proc/self/loginuid").ok().and_then(|text| login_uid(&text));
    By::program(&channel(getuid().as_raw(), login, name))
}

fn channel(uid: u32, login: Option<u32>, name: impl Fn(u32) -> Option<String>) -> String {
    let told = |uid: u32| name(uid).map_or_else(|| uid.to_string(), |name| clean(&name));
    match login {
        Some(login) if login != uid => format!("cli user={} login={}", told(uid), told(login)),
        _ => format!("cli user={}", told(uid)),
    }
}

fn name(uid: u32) -> Option<String> {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name)
}

/// The largest number stands for «none».
fn login_uid(text: &str) -> Option<u32> {
    text.trim().parse().ok().filter(|uid| *uid != u32::MAX)
}

/// One word, so that no name can pass for another part of the record.
fn clean(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '\\' | '$' | '+');
    name.chars().take(NAME_CHARACTERS_MAX).map(|c| if plain(c) { c } else { '?' }).collect()
}

const NAME_CHARACTERS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_at_the_command_line() {
        let name =
            |uid| (uid == 0 || uid == 7).then(|| if uid == 0 { "root".to_owned() } else { "eva state=x".to_owned() });
        assert_eq!(channel(0, None, name), "cli user=root");
        assert_eq!(channel(0, Some(0), name), "cli user=root");
        assert_eq!(channel(0, Some(7), name), "cli user=root login=eva?state?x");
        assert_eq!(channel(10_001, None, name), "cli user=10001", "a container's user has no name");
        assert_eq!(clean(&"x".repeat(100)).len(), 64);
    }

    #[test]
    fn a_login_that_is_not_set_is_none() {
        assert_eq!(login_uid("4294967295"), None);
        assert_eq!(login_uid("1000\n"), Some(1000));
        assert_eq!(login_uid(""), None);
    }
}
