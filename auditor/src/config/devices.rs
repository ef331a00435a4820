//! Settings of devices: their authority, and where they enrol.

use super::oidc::short;
use super::{Devices, Enrol, existing};
use crate::devices::{AuthorityKey, TokenPlace};
use contract::settings::Section;

pub(super) fn read(section: &Section<'_>) -> Option<Devices> {
    let ca_cert = existing(section, "ca_cert_file");
    let ca_key = read_key(section);
    let days = section.within("certificate_days", 30, 1, 825);
    let renew_from_day = section.within("renew_from_day", 20, 0, 825);
    let code_hours = section.within("code_hours", 72, 1, 24 * 30);
    let crl_file = section.has("crl_file").then(|| section.path_required("crl_file"));
    let crl_hours = section.within("crl_hours", 24, 2, 24 * 30);
    section.finish();
    Some(Devices {
        ca_cert: ca_cert?,
        ca_key: ca_key?,
        days: days?,
        renew_from_day: renew_from_day?,
        code_hours: code_hours?,
        crl_file: match crl_file {
            Some(path) => Some(path?),
            None => None,
        },
        crl_hours: crl_hours?,
    })
}

/// A file, or a token: one of them.
fn read_key(section: &Section<'_>) -> Option<AuthorityKey> {
    if !section.has("ca_token") {
        return section.path_required("ca_key_file").map(AuthorityKey::File);
    }
    if section.has("ca_key_file") {
        section.reject("ca_key_file", "stands beside [devices.ca_token]: the authority's key is in one of them");
    }
    let section = &section.section("ca_token");
    let module = existing(section, "module");
    let (token, key) = (short(section, "token", 32), short(section, "key", 255));
    let pin_file = section.path_required("pin_file");
    section.finish();
    Some(AuthorityKey::Token(TokenPlace { module: module?, token: token?, key: key?, pin_file: pin_file? }))
}

pub(super) fn read_enrol(section: &Section<'_>) -> Option<Enrol> {
    let listen = section.parsed("listen");
    let (cert, key) = (existing(section, "cert_file"), existing(section, "key_file"));
    let connections_max = section.within("connections_max", 64, 4, 4096);
    let tries_a_minute = section.within("tries_a_minute", 10, 1, 1000);
    section.finish();
    Some(Enrol {
        listen: listen?,
        cert: cert?,
        key: key?,
        connections_max: connections_max?,
        tries_a_minute: tries_a_minute?,
    })
}
