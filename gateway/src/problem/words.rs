//! What people are told, in Swedish and English: what happened, and what to do.

use super::{Language, WayOut};
use contract::record::Reason;

/// Title and advice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    pub(super) title: &'static str,
    pub(super) detail: &'static str,
}

/// What the page says around them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Labels {
    pub(super) request: &'static str,
    pub(super) keep: &'static str,
    pub(super) contact: &'static str,
    pub(super) emergency: &'static str,
    pub(super) emergency_text: &'static str,
    pub(super) emergency_button: &'static str,
}

pub(super) const fn code(language: Language) -> &'static str {
    match language {
        Language::Swedish => "sv",
        Language::English => "en",
    }
}

pub(super) const fn labels(language: Language) -> Labels {
    match language {
        Language::Swedish => Labels {
            request: "Ärendenummer",
            keep: "Uppge ärendenumret om du ber om hjälp.",
            contact: "Hjälp:",
            emergency: "Nödöppning",
            emergency_text: "I en nödsituation kan du öppna patientens uppgifter för en kort tid. Du anger ett skäl. \
                             Öppningen registreras och granskas alltid.",
            emergency_button: "Gå vidare till nödöppning",
        },
        Language::English => Labels {
            request: "Request number",
            keep: "Give the request number if you ask for help.",
            contact: "Help:",
            emergency: "Emergency access",
            emergency_text: "In an emergency you can open the patient's data for a short while. You give a reason. \
                             It is recorded and always reviewed.",
            emergency_button: "Go on to emergency access",
        },
    }
}

/// What who is led to a page is told.
pub(super) const fn to(way_out: WayOut, language: Language) -> &'static str {
    match (way_out, language) {
        (WayOut::Login, Language::Swedish) => "Du behöver logga in.\n",
        (WayOut::Login, Language::English) => "You need to log in.\n",
        (WayOut::Instructions, Language::Swedish) => "Du behöver läsa och godkänna säkerhetsinstruktionerna.\n",
        (WayOut::Instructions, Language::English) => "You need to read and accept the security instructions.\n",
    }
}

/// The link to such a page.
pub(super) const fn link(way_out: WayOut, language: Language) -> &'static str {
    match (way_out, language) {
        (WayOut::Login, Language::Swedish) => "Logga in",
        (WayOut::Login, Language::English) => "Log in",
        (WayOut::Instructions, Language::Swedish) => "Läs säkerhetsinstruktionerna",
        (WayOut::Instructions, Language::English) => "Read the security instructions",
    }
}

pub(super) const fn of(reason: Reason, language: Language) -> Words {
    let (swedish, english) = both(reason);
    match language {
        Language::Swedish => swedish,
        Language::English => english,
    }
}

const fn words(title: &'static str, detail: &'static str) -> Words {
    Words { title, detail }
}

const fn both(reason: Reason) -> (Words, Words) {
    match reason {
        Reason::NoRoute => (
            words("Sidan finns inte", "Kontrollera adressen, eller börja om från registrets startsida."),
            words("Page not found", "Check the address, or begin again at the registry's start page."),
        ),
        Reason::HeadTooLarge | Reason::BodyTooLarge | Reason::PatientsTooMany => (
            words("Begäran är för stor", "Skicka mindre åt gången, till exempel färre patienter eller en mindre fil."),
            words("The request is too large", "Send less at a time, for example fewer patients or a smaller file."),
        ),
        Reason::Misdirected => (
            words("Fel adress", "Öppna adressen i ett nytt fönster."),
            words("Wrong address", "Open the address in a new window."),
        ),
        Reason::DeviceUnknown
        | Reason::DeviceRevoked
        | Reason::DeviceForeign
        | Reason::CertAbsent
        | Reason::CertExpired
        | Reason::CertForeign
        | Reason::CertPurpose
        | Reason::CertRevoked
        | Reason::CertBroken
        | Reason::TlsVersion => (
            words(
                "Enheten har inte åtkomst",
                "Datorn är inte godkänd för det här registret. Kontakta din it-avdelning.",
            ),
            words(
                "The device has no access",
                "This computer is not approved for this registry. Contact your IT department.",
            ),
        ),
        Reason::NoSession | Reason::SessionElsewhere => (
            words("Du är inte inloggad", "Logga in och försök igen."),
            words("You are not logged in", "Log in and try again."),
        ),
        Reason::InstructionsDue => (
            words(
                "Säkerhetsinstruktionerna är inte godkända",
                "Öppna /auth/instructions i en webbläsare, läs dem och godkänn, och försök igen.",
            ),
            words(
                "The security instructions are not accepted",
                "Open /auth/instructions in a browser, read and accept them, and try again.",
            ),
        ),
        Reason::Locked => (
            words(
                "Kontot är låst",
                "Efter flera felaktiga inloggningsförsök låses ett konto en stund, ofta en kvart. Försök igen då. Om det \
                 inte var du som försökte, eller om kontot fortfarande är låst, ring hjälpen.",
            ),
            words(
                "The account is locked",
                "After several wrong attempts to log in an account is locked for a while, often a quarter of an hour. Try \
                 again then. If it was not you who tried, or if the account is still locked, call the help desk.",
            ),
        ),
        Reason::AccountInactive => (
            words("Kontot är inte aktivt", "Kontakta den som ansvarar för behörigheter på din enhet."),
            words("The account is not active", "Contact the person responsible for access rights at your unit."),
        ),
        Reason::NoGrant => (
            words(
                "Du har inte behörighet till registret",
                "Behöver du det i ditt arbete, ansök hos den som ansvarar för behörigheter på din enhet.",
            ),
            words(
                "You have no right to this registry",
                "If your work needs it, apply to the person responsible for access rights at your unit.",
            ),
        ),
        Reason::ReadOnly => (
            words("Du får läsa men inte ändra", "Behöver du kunna ändra, ansök om utökad behörighet."),
            words("You may read but not change", "If you need to change data, apply for a wider right."),
        ),
        Reason::OtherUnit => (
            words("Din behörighet gäller inte den här enheten", "Kontrollera vilken enhet du har loggat in för."),
            words("Your right does not cover this unit", "Check for which unit you have logged in."),
        ),
        Reason::Method => (
            words("Åtgärden är inte tillåten här", "Gå tillbaka och försök på ett annat sätt."),
            words("That action is not allowed here", "Go back and try another way."),
        ),
        Reason::RateLimited => (
            words("För många anrop", "Vänta några sekunder och försök igen."),
            words("Too many requests", "Wait a few seconds and try again."),
        ),
        Reason::Slow => {
            (words("Begäran tog för lång tid", "Försök igen."), words("The request took too long", "Try again."))
        }
        Reason::DirectoryStale => (
            words(
                "Behörigheten kan inte kontrolleras",
                "Tjänsten för konton svarar inte, och därför lämnas inget ut. Försök igen om en stund.",
            ),
            words(
                "Your right cannot be checked",
                "The account service does not answer, so nothing is disclosed. Try again in a while.",
            ),
        ),
        Reason::JournalUnavailable => (
            words(
                "Tjänsten är tillfälligt stängd",
                "Åtkomst kan inte loggas just nu, och därför lämnas inget ut. Försök igen om en stund.",
            ),
            words(
                "The service is temporarily closed",
                "Access cannot be recorded right now, so nothing is disclosed. Try again in a while.",
            ),
        ),
        Reason::UpstreamUnavailable => (
            words("Registret svarar inte", "Försök igen om en stund."),
            words("The registry does not answer", "Try again in a while."),
        ),
        Reason::Unscannable => (
            words(
                "Svaret kunde inte kontrolleras",
                "Registrets svar kunde inte gås igenom, så det lämnades inte ut. Meddela din it-avdelning.",
            ),
            words(
                "The answer could not be checked",
                "The registry's answer could not be looked into, so it was not disclosed. Tell your IT department.",
            ),
        ),
        Reason::PatientAbsent
        | Reason::PatientForm
        | Reason::PatientDate
        | Reason::PatientCheckDigit
        | Reason::PatientBody => (
            words("Personnumret kan inte läsas", "Kontrollera numret och försök igen."),
            words("The personal identity number cannot be read", "Check the number and try again."),
        ),
        Reason::Malformed | Reason::Forged => (
            words("Begäran kan inte tolkas", "Gå tillbaka, ladda om sidan och försök igen."),
            words("The request cannot be understood", "Go back, reload the page and try again."),
        ),
        Reason::BadCredentials | Reason::BadSecondFactor | Reason::CodeReplayed => (
            words("Inloggningen misslyckades", "Kontrollera dina uppgifter och försök igen."),
            words("The login failed", "Check what you entered and try again."),
        ),
        // Of the account procedure, of enrolment, of identity providers and of openings: no gateway refuses by them.
        Reason::EmergencyLife
        | Reason::EmergencyIncapable
        | Reason::EmergencyAcute
        | Reason::EmergencyOther
        | Reason::Unused
        | Reason::Uncollected
        | Reason::Unconfirmed
        | Reason::NoAction
        | Reason::Incident
        | Reason::ByForm
        | Reason::AccountClosed
        | Reason::Expired
        | Reason::EmploymentEnded
        | Reason::NotAppointed
        | Reason::Own
        | Reason::DecidedBefore
        | Reason::OtherSignature
        | Reason::NotTheirs
        | Reason::Unidentified
        | Reason::CodeUnknown
        | Reason::CodeExpired
        | Reason::CodeSpent
        | Reason::Undelivered
        | Reason::ProviderAnswer
        | Reason::WeakLogin
        | Reason::NoAccount
        | Reason::None
        | Reason::PatientInResponse
        | Reason::Unscanned => (words("Något gick fel", "Försök igen."), words("Something went wrong", "Try again.")),
    }
}
