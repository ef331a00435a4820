//! The sealed cells of forms. What a form says is JSON in one cell; the types below say how, so that the forms themselves
//! have no way into a text by accident.

use crate::forms::{Alteration, Application, Content, Deregistration, Form, Person};
use crate::sealing::{Cell, FieldKey};
use crate::store::StoreError;
use contract::Micros;
use contract::directory::Grant;
use contract::id::{AccountId, FormId, HsaId, RegistryName};
use contract::identity::PatientId;
use contract::record::Right;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

const FORM: &str = "request.form";
const WORDS: &str = "request_step.words";

/// Seals what a form says.
pub(super) fn seal(key: &FieldKey, id: FormId, form: &Form) -> Result<Vec<u8>, StoreError> {
    let plain = serde_json::to_vec(&Saying(form)).map_err(|_| StoreError::Damaged("a form that has no JSON form"))?;
    let plain = Zeroizing::new(plain);
    key.seal(Cell { column: FORM, row: id.uuid(), number: 0 }, &plain).map_err(StoreError::from)
}

/// Opens what a form says.
pub(super) fn open(key: &FieldKey, id: FormId, sealed: &[u8]) -> Result<Form, StoreError> {
    let plain = key.open(Cell { column: FORM, row: id.uuid(), number: 0 }, sealed)?;
    let said: Said = serde_json::from_slice(&plain).map_err(|_| StoreError::Damaged("form"))?;
    Ok(said.0)
}

/// Seals what somebody said with a step.
pub(super) fn seal_words(key: &FieldKey, id: FormId, number: u64, words: &str) -> Result<Vec<u8>, StoreError> {
    Ok(key.seal(Cell { column: WORDS, row: id.uuid(), number }, words.as_bytes())?)
}

/// Opens what somebody said with a step.
pub(super) fn open_words(key: &FieldKey, id: FormId, number: u64, sealed: &[u8]) -> Result<String, StoreError> {
    let plain = key.open(Cell { column: WORDS, row: id.uuid(), number }, sealed)?;
    std::str::from_utf8(&plain).map(str::to_owned).map_err(|_| StoreError::Damaged("words"))
}

#[derive(Serialize)]
struct Saying<'a>(#[serde(with = "FormCell")] &'a Form);

#[derive(Deserialize)]
struct Said(#[serde(with = "FormCell")] Form);

#[derive(Serialize, Deserialize)]
#[serde(remote = "Form")]
struct FormCell {
    #[serde(with = "PersonCell")]
    subject: Person,
    region: crate::duties::Region,
    registry: RegistryName,
    #[serde(with = "ContentCell")]
    content: Content,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Person")]
struct PersonCell {
    account: Option<AccountId>,
    hsa: Option<HsaId>,
    #[serde(with = "number")]
    number: Option<PatientId>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Content")]
enum ContentCell {
    #[serde(rename = "F1")]
    Application(#[serde(with = "ApplicationCell")] Application),
    #[serde(rename = "F2")]
    Alteration(#[serde(with = "AlterationCell")] Alteration),
    #[serde(rename = "F3")]
    Deregistration(#[serde(with = "DeregistrationCell")] Deregistration),
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Application")]
struct ApplicationCell {
    name: String,
    title: String,
    unit: (String, HsaId),
    address: Vec<String>,
    telephone: String,
    mobile: Option<String>,
    email: Option<String>,
    right: Right,
    valid_from: Micros,
    valid_to: Option<Micros>,
    purpose: String,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Alteration")]
struct AlterationCell {
    account: AccountId,
    rights: Vec<Grant>,
    reason: String,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Deregistration")]
struct DeregistrationCell {
    account: AccountId,
    reason: String,
}

/// Personnummer and samordningsnummer, twelve characters.
mod number {
    use contract::identity::{PatientId, Series, Year, parse_with};
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de};
    use zeroize::Zeroizing;

    #[expect(clippy::ref_option, reason = "serde hands over the field as it is")]
    pub(super) fn serialize<S: Serializer>(number: &Option<PatientId>, serializer: S) -> Result<S::Ok, S::Error> {
        number.as_ref().map(PatientId::expose).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PatientId>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)?.map(Zeroizing::new) else { return Ok(None) };
        // All twelve characters are there: no year is needed to tell the century.
        let series = Series { skane: true, short: false };
        parse_with(&text, Year(2000), series).map(Some).map_err(|_| de::Error::custom("no identity number"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duties::Region;
    use contract::identity::{Year, parse};
    use uuid::Uuid;

    #[test]
    fn what_is_sealed_comes_back() {
        let key = FieldKey::new(&[3; 32]);
        let id = FormId::new(Uuid::from_u128(7));
        let account = AccountId::new(Uuid::from_u128(1));
        let registry = RegistryName::parse("fotled").expect("valid");
        let hsa = HsaId::parse("SE2321000016-P001").expect("valid");
        let grant = Grant {
            registry: registry.clone(),
            right: Right::Read,
            units: vec![hsa.clone()],
            valid_from: 1,
            valid_to: None,
        };
        let application = Application {
            name: "Anna Åkesson".to_owned(),
            title: "sjuksköterska".to_owned(),
            unit: ("Kliniken".to_owned(), hsa.clone()),
            address: vec!["Gatan 1".to_owned()],
            telephone: "046-10 00 00".to_owned(),
            mobile: None,
            email: Some("anna@example.org".to_owned()),
            right: Right::ReadWrite,
            valid_from: 1,
            valid_to: Some(2),
            purpose: "Registrering".to_owned(),
        };
        let alteration = Alteration { account, rights: vec![grant], reason: "Nytt".to_owned() };
        for content in [
            Content::Application(application),
            Content::Alteration(alteration),
            Content::Deregistration(Deregistration { account, reason: "Slutar".to_owned() }),
        ] {
            let number = parse("191212121212", Year(2026)).ok();
            let subject = Person { account: Some(account), hsa: Some(hsa.clone()), number };
            let form = Form { subject, region: Region::Skane, registry: registry.clone(), content };
            let sealed = seal(&key, id, &form).expect("seals");
            assert_eq!(open(&key, id, &sealed).expect("opens"), form);
            assert!(open(&key, FormId::new(Uuid::from_u128(8)), &sealed).is_err());
        }
    }
}
