//! Cards for tests: certificates as the authorities of SITHS make them, from authorities of the test's own.
#![expect(clippy::missing_panics_doc, reason = "tests")]

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType,
    SerialNumber,
};
use time::{Duration, OffsetDateTime};

/// The policy of cards that are let in.
pub const POLICY: &str = "1.2.752.74.8.3";
/// Its level.
pub const LEVEL: &str = "http://id.sambi.se/loa/loa3";
/// Whose card it is, when nothing else is said.
pub const HSA: &str = "SE2321000016-39KJ";
/// The authority of people's cards, by its name in the test environment.
pub const PERSONS: &str = "TEST SITHS e-id Person HSA-id 3 CA v1";

/// What a card's certificate says.
pub struct Says {
    /// The subject's serialNumber.
    pub number: Option<String>,
    /// Policies.
    pub policies: Vec<&'static str>,
    /// Uses of the key.
    pub uses: Vec<ExtendedKeyUsagePurpose>,
    /// Uses of the key, of the older kind.
    pub usages: Vec<KeyUsagePurpose>,
    /// A host.
    pub host: Option<&'static str>,
    /// It holds so many days before and after now.
    pub days: (i64, i64),
    /// Its serial number.
    pub serial: u64,
}

impl Default for Says {
    fn default() -> Self {
        Self {
            number: Some(HSA.to_owned()),
            policies: vec!["1.2.752.74.8.1", POLICY],
            uses: vec![ExtendedKeyUsagePurpose::ClientAuth],
            usages: vec![KeyUsagePurpose::DigitalSignature],
            host: None,
            days: (1, 30),
            serial: 0x4711,
        }
    }
}

/// An authority.
pub struct Cards {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, PEM.
    pub pem: String,
}

/// A certificate and its key.
pub struct Made {
    /// The certificate's bytes.
    pub der: Vec<u8>,
    /// The certificate, PEM.
    pub pem: String,
    /// The key, PKCS#8.
    pub key: Vec<u8>,
    /// The key, PEM.
    pub key_pem: String,
}

impl Cards {
    /// An authority of a name.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(&[(DnType::CommonName, name)]);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        (params.not_before, params.not_after) = around((30, 365));
        let key = KeyPair::generate().expect("makes");
        let pem = params.self_signed(&key).expect("signs").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A card.
    pub fn card(&self, says: &Says) -> Made {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(&[(DnType::CountryName, "SE"), (DnType::CommonName, "Anna Åkesson")]);
        if let Some(number) = &says.number {
            params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 5]), number.as_str());
        }
        params.serial_number = Some(SerialNumber::from(says.serial));
        params.extended_key_usages.clone_from(&says.uses);
        params.key_usages.clone_from(&says.usages);
        (params.not_before, params.not_after) = around(says.days);
        if let Some(host) = says.host {
            params.subject_alt_names = vec![SanType::DnsName(host.try_into().expect("a name"))];
        }
        if !says.policies.is_empty() {
            params.custom_extensions = vec![policies(&says.policies)];
        }
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().expect("makes");
        let cert = params.signed_by(&key, &self.issuer).expect("signs");
        Made { der: cert.der().to_vec(), pem: cert.pem(), key: key.serialize_der(), key_pem: key.serialize_pem() }
    }

    /// A server's certificate.
    pub fn server(&self, host: &'static str) -> Made {
        let uses = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.card(&Says { number: None, policies: Vec::new(), uses, host: Some(host), ..Says::default() })
    }

    /// A list of what is revoked that holds so many days before and after now, PEM.
    pub fn list(&self, revoked: &[u64], days: (i64, i64)) -> String {
        let (this_update, next_update) = around(days);
        let one = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: this_update,
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update,
            next_update,
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(one).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).expect("signs").pem().expect("PEM")
    }
}

fn named(names: &[(DnType, &str)]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for (kind, text) in names {
        name.push(kind.clone(), *text);
    }
    name
}

fn around((before, after): (i64, i64)) -> (OffsetDateTime, OffsetDateTime) {
    let now = OffsetDateTime::now_utc();
    (now - Duration::days(before), now + Duration::days(after))
}

/// The extension of certificate policies (RFC 5280, 4.2.1.4).
fn policies(ids: &[&str]) -> CustomExtension {
    let list: Vec<u8> = ids.iter().flat_map(|id| sequence(&object(id))).collect();
    CustomExtension::from_oid_content(&[2, 5, 29, 32], sequence(&list))
}

fn sequence(content: &[u8]) -> Vec<u8> {
    tagged(0x30, content)
}

fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).ok().filter(|length| *length < 0x80).expect("short enough");
    [&[tag, length], content].concat()
}

/// An object identifier (X.690, 8.19).
fn object(id: &str) -> Vec<u8> {
    let numbers: Vec<u32> = id.split('.').map(|number| number.parse().expect("a number")).collect();
    let (first, rest) = numbers.split_first_chunk::<2>().expect("two numbers");
    let mut content = Vec::new();
    for number in std::iter::once(first[0] * 40 + first[1]).chain(rest.iter().copied()) {
        let groups: Vec<u32> = (0..5).rev().map(|group| number >> (7 * group)).skip_while(|high| *high == 0).collect();
        let groups = if groups.is_empty() { vec![0] } else { groups };
        for (place, group) in groups.iter().enumerate() {
            let more = if place + 1 < groups.len() { 0x80 } else { 0 };
            content.push(u8::try_from(group & 0x7f).expect("seven bits") | more);
        }
    }
    tagged(6, &content)
}
