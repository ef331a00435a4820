//! A configuration profile (`.mobileconfig`) that brings a device's certificate and key to iOS and macOS: a property list
//! with the PKCS#12 file in it (Apple, «Configuration Profile Reference», payload com.apple.security.pkcs12).
//!
//! The pass phrase is not in it: the device asks its user for it.

use super::PkiError;
use contract::id::DeviceId;
use plist::{Dictionary, Value};
use uuid::Uuid;

/// The profile's media type.
pub const PROFILE_TYPE: &str = "application/x-apple-aspen-config";

/// What a profile says besides.
#[derive(Debug, Clone, Copy)]
pub struct ProfileNames<'n> {
    /// The installation's title.
    pub title: &'n str,
    /// What people call the device.
    pub device: &'n str,
    /// The organisation's HSA-id.
    pub organisation: &'n str,
}

/// A profile around a PKCS#12 file. The device's id makes its identifiers: a later profile for the device replaces the
/// earlier one. `ids`: of this edition, random.
pub fn profile(archive: &[u8], device: DeviceId, names: ProfileNames<'_>, ids: [Uuid; 2]) -> Result<Vec<u8>, PkiError> {
    let [outer, inner] = ids.map(|id| id.to_string().to_uppercase());
    let identifier = format!("se.grindvakt.device.{device}");
    let payload = dictionary([
        ("PayloadType", "com.apple.security.pkcs12".into()),
        ("PayloadVersion", 1.into()),
        ("PayloadIdentifier", format!("{identifier}.certificate").into()),
        ("PayloadUUID", inner.into()),
        ("PayloadDisplayName", names.device.into()),
        ("PayloadCertificateFileName", format!("{device}.p12").into()),
        ("PayloadContent", Value::Data(archive.to_vec())),
    ]);
    let whole = dictionary([
        ("PayloadType", "Configuration".into()),
        ("PayloadVersion", 1.into()),
        ("PayloadIdentifier", identifier.into()),
        ("PayloadUUID", outer.into()),
        ("PayloadDisplayName", format!("{}: {}", names.title, names.device).into()),
        ("PayloadOrganization", names.organisation.into()),
        ("PayloadRemovalDisallowed", false.into()),
        ("PayloadContent", Value::Array(vec![payload])),
    ]);
    let mut bytes = Vec::new();
    whole.to_writer_xml(&mut bytes)?;
    Ok(bytes)
}

fn dictionary<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let mut dictionary = Dictionary::new();
    for (name, value) in fields {
        dictionary.insert(name.to_owned(), value);
    }
    Value::Dictionary(dictionary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_property_list_that_holds_the_file_and_no_pass_phrase() {
        let device = DeviceId::new(Uuid::from_u128(7));
        let names = ProfileNames { title: "Grindvakt", device: "Avd <3> & 4", organisation: "SE2321000016-39KJ" };
        let made = profile(b"PKCS#12", device, names, [Uuid::from_u128(1), Uuid::from_u128(2)]).expect("makes");
        let text = String::from_utf8(made.clone()).expect("XML");
        assert!(text.starts_with("<?xml") && text.contains("<!DOCTYPE plist") && !text.contains("<3>"), "{text}");
        let read = Value::from_reader_xml(std::io::Cursor::new(&made)).expect("reads");
        let whole = read.as_dictionary().expect("a dictionary");
        assert_eq!(whole.get("PayloadType").and_then(Value::as_string), Some("Configuration"));
        let payload = whole.get("PayloadContent").and_then(Value::as_array).and_then(|all| all.first());
        let payload = payload.and_then(Value::as_dictionary).expect("a payload");
        assert_eq!(payload.get("PayloadContent").and_then(Value::as_data), Some(b"PKCS#12".as_slice()));
        assert_eq!(payload.get("PayloadDisplayName").and_then(Value::as_string), Some("Avd <3> & 4"));
        assert!(payload.get("Password").is_none());
        let ids = [whole, payload].map(|of| of.get("PayloadUUID").and_then(Value::as_string).expect("an id"));
        assert_ne!(ids[0], ids[1]);
    }
}
