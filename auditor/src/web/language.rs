//! The languages of the pages, and every text in them; those about passkeys are with these.

use super::passkey::PasskeyTexts;
use axum::http::{HeaderMap, header};

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Swedish,
    English,
}

impl Language {
    /// The language's tag.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::Swedish => "sv",
            Self::English => "en",
        }
    }

    /// The other one, for the switch.
    pub(super) fn other(self) -> Self {
        match self {
            Self::Swedish => Self::English,
            Self::English => Self::Swedish,
        }
    }

    pub(super) fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next()?.trim().to_ascii_lowercase();
        [Self::Swedish, Self::English].into_iter().find(|language| language.tag() == primary)
    }

    /// What was chosen on the page, else what the browser prefers, else Swedish.
    pub(super) fn choose(chosen: Option<&str>, headers: &HeaderMap) -> Self {
        chosen.and_then(Self::from_tag).or_else(|| preferred(headers)).unwrap_or(Self::Swedish)
    }

    /// The texts.
    pub(super) fn texts(self) -> &'static Texts {
        match self {
            Self::Swedish => &SWEDISH,
            Self::English => &ENGLISH,
        }
    }

    /// The texts about passkeys.
    pub(super) fn passkey_texts(self) -> &'static PasskeyTexts {
        match self {
            Self::Swedish => &PasskeyTexts::SWEDISH,
            Self::English => &PasskeyTexts::ENGLISH,
        }
    }
}

impl From<&Self> for Language {
    fn from(language: &Self) -> Self {
        *language
    }
}

fn preferred(headers: &HeaderMap) -> Option<Language> {
    let accepted = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
    let mut best: Option<(f32, Language)> = None;
    for item in accepted.split(',').take(20) {
        let mut parts = item.split(';');
        let Some(language) = parts.next().and_then(Language::from_tag) else { continue };
        let quality = parts.find_map(|part| part.trim().strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
        if quality > 0.0 && best.is_none_or(|(so_far, _)| quality > so_far) {
            best = Some((quality, language));
        }
    }
    best.map(|(_, language)| language)
}

/// The pages' texts.
#[derive(Debug)]
pub(super) struct Texts {
    pub(super) heading: &'static str,
    pub(super) intro: &'static str,
    pub(super) user: &'static str,
    pub(super) password: &'static str,
    pub(super) code: &'static str,
    pub(super) code_hint: &'static str,
    pub(super) submit: &'static str,
    pub(super) help: &'static str,
    pub(super) other_language: &'static str,
    pub(super) error_heading: &'static str,
    pub(super) refused: &'static str,
    pub(super) stale: &'static str,
    pub(super) incomplete: &'static str,
    pub(super) busy: &'static str,
    pub(super) recorded: &'static str,
}

const SWEDISH: Texts = Texts {
    heading: "Logga in",
    intro: "Använd ditt personliga konto. Lämna aldrig ut lösenord eller kod till någon.",
    user: "Användarnamn",
    password: "Lösenord",
    code: "Engångskod",
    code_hint: "Sex siffror från din kodapp",
    submit: "Logga in",
    help: "Hjälp",
    other_language: "In English",
    error_heading: "Det gick inte att logga in",
    refused: "Uppgifterna stämmer inte, eller så är kontot spärrat för stunden. Kontrollera dem och försök igen med en ny kod, eller kontakta supporten.",
    stale: "Sidan hade varit öppen för länge, eller öppnades inte härifrån. Försök igen.",
    incomplete: "Fyll i användarnamn, lösenord och kod.",
    busy: "Inloggningen svarar inte just nu. Försök igen om en stund.",
    recorded: "Inloggningar och läsning av patientuppgifter registreras och granskas.",
};

const ENGLISH: Texts = Texts {
    heading: "Log in",
    intro: "Use your personal account. Never give your password or code to anybody.",
    user: "User name",
    password: "Password",
    code: "One-time code",
    code_hint: "Six digits from your authenticator",
    submit: "Log in",
    help: "Help",
    other_language: "På svenska",
    error_heading: "You could not be logged in",
    refused: "The details are not right, or the account is locked for the moment. Check them and try again with a new code, or contact support.",
    stale: "The page had been open for too long, or was not opened from here. Please try again.",
    incomplete: "Fill in user name, password and code.",
    busy: "Login does not answer at the moment. Please try again in a while.",
    recorded: "Logins and reading of patient data are recorded and reviewed.",
};

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn chosen_then_preferred_then_swedish() {
        let headers =
            |text: &'static str| HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, HeaderValue::from_static(text))]);
        assert_eq!(Language::choose(None, &HeaderMap::new()), Language::Swedish);
        assert_eq!(Language::choose(None, &headers("de, en-GB;q=0.8, sv;q=0.5")), Language::English);
        assert_eq!(Language::choose(None, &headers("en;q=0.2, sv-FI;q=0.5")), Language::Swedish);
        assert_eq!(Language::choose(None, &headers("en;q=0, fr")), Language::Swedish);
        assert_eq!(Language::choose(Some("en"), &headers("sv")), Language::English);
        assert_eq!(Language::choose(Some("xx"), &headers("en")), Language::English);
    }
}
