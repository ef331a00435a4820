//! Settings of devices: their authority, and where they enrol.

use super::{Devices, Enrol, existing};
use contract::settings::Section;

pub(super) fn read(section: &Section<'_>) -> Option<Devices> {
    let ca_cert = existing(section, "ca_cert_file");
    let ca_key = section.path_required("ca_key_file");
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
