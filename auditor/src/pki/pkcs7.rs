//! Certificates and nothing else as PKCS#7 («certs-only», RFC 5652 5.1 without content and signers): what RFC 7030 answers
//! with. Written by hand: it is a handful of fields around bytes that are DER already.

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const CONTEXT_0: u8 = 0xa0;
/// Version 1.
const VERSION: [u8; 3] = [0x02, 0x01, 0x01];
/// 1.2.840.113549.1.7.2
const SIGNED_DATA: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// 1.2.840.113549.1.7.1
const DATA: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];

/// These certificates, each in DER form.
pub fn certs_only(certificates: &[&[u8]]) -> Vec<u8> {
    let signed = [
        VERSION.to_vec(),
        tagged(SET, &[]),
        tagged(SEQUENCE, &DATA),
        tagged(CONTEXT_0, &certificates.concat()),
        tagged(SET, &[]),
    ];
    let signed = tagged(SEQUENCE, &signed.concat());
    tagged(SEQUENCE, &[SIGNED_DATA.to_vec(), tagged(CONTEXT_0, &signed)].concat())
}

/// Tag, length, content (X.690 8.1, definite lengths in their shortest form).
fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => bytes.push(short),
        _ => {
            let length = content.len().to_be_bytes();
            let digits: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
            bytes.push(0x80 | u8::try_from(digits.len()).unwrap_or(8));
            bytes.extend_from_slice(&digits);
        }
    }
    bytes.extend_from_slice(content);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use openssl::pkcs7::Pkcs7;

    #[test]
    fn openssl_finds_the_certificates() {
        let made = |serial: u8| crate::pki::authority("A", &[serial; 16], 1_790_000_000_000_000, 30).expect("makes");
        let (one, two) = (made(1), made(2));
        for certificates in [&[one.cert_der.as_slice()][..], &[one.cert_der.as_slice(), two.cert_der.as_slice()]] {
            let read = Pkcs7::from_der(&certs_only(certificates)).expect("reads");
            let found = read.signed().and_then(|signed| signed.certificates()).expect("has some");
            let found: Vec<Vec<u8>> = found.iter().map(|certificate| certificate.to_der().expect("writes")).collect();
            let expected: Vec<Vec<u8>> = certificates.iter().map(|der| der.to_vec()).collect();
            assert_eq!(found, expected);
        }
    }
}
