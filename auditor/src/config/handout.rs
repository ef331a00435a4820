//! `[handout]`, `[sms]` and `[instructions]`: how credentials reach people, and what people accept first.

use crate::handout::Rule;
use contract::Micros;
use contract::settings::Section;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

/// How credentials are handed out.
#[derive(Debug, Clone)]
pub struct Handout {
    /// How long halves are good, and the like.
    pub rule: Rule,
    /// What letters and messages are written in: English instead of Swedish.
    pub english: bool,
    /// Where the person shows both halves, as the letter says it.
    pub address: String,
    /// Who writes letters: lines of name and address.
    pub sender: Vec<String>,
}

/// The provider of text messages.
#[derive(Clone)]
pub struct Sms {
    /// Where messages are sent to.
    pub url: http::Uri,
    /// The authority of its certificate; none: the public ones.
    pub ca: Option<PathBuf>,
    /// The user there.
    pub user: String,
    /// The user's password.
    pub password: Zeroizing<String>,
    /// Whom messages are from: at most 11 letters and digits, or a number.
    pub from: String,
    /// Where the provider tells what became of messages; none: what it has taken counts as sent.
    pub callback: Option<SmsCallback>,
    /// One try takes no longer.
    pub timeout: Duration,
    /// Tries of one message.
    pub tries_max: u32,
    /// How long after the first try the second comes; then twice as long, each time.
    pub retry: Duration,
}

impl fmt::Debug for Sms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sms({} at {})", self.user, self.url)
    }
}

/// Where the provider tells what became of messages.
#[derive(Clone)]
pub struct SmsCallback {
    /// Where this program listens.
    pub listen: SocketAddr,
    /// Host and path of it as the provider reaches it, without `https://`.
    pub place: String,
    /// The user that the provider shows.
    pub user: String,
    /// That user's password.
    pub password: Zeroizing<String>,
}

impl fmt::Debug for SmsCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SmsCallback({} for {})", self.listen, self.place)
    }
}

/// The security instructions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instructions {
    /// Which they are. A higher one is shown to everybody anew.
    pub version: u32,
    /// In Swedish: paragraphs with empty lines between them.
    pub sv: String,
    /// In English.
    pub en: String,
    /// Also accounts that were made on the command line are asked, which have accepted none.
    pub everybody: bool,
}

impl Instructions {
    /// Whether somebody who has accepted this version last is asked; 0: none.
    pub fn due(&self, accepted: u32) -> bool {
        accepted < self.version && (accepted > 0 || self.everybody)
    }
}

/// The version of the text that comes with the program.
const BUILT_IN: u32 = 1;

impl Default for Instructions {
    fn default() -> Self {
        Self {
            version: BUILT_IN,
            sv: include_str!("../../texts/instructions/sv.txt").to_owned(),
            en: include_str!("../../texts/instructions/en.txt").to_owned(),
            everybody: false,
        }
    }
}

const SENDER_LINES_MAX: usize = 6;
const LINE_CHARACTERS_MAX: usize = 60;
const TEXT_BYTES_MAX: usize = 64 << 10;

pub(super) fn read_handout(section: &Section<'_>, sms: bool) -> Option<Handout> {
    const HOUR: Micros = 3_600 * crate::clock::SECOND;
    let quick_h = section.within::<Micros>("quick_h", 72, 1, 336);
    let paper_d = section.within::<Micros>("paper_d", 14, 1, 60);
    let tries_max = section.within("tries_max", 5, 3, 10);
    let one_sees_both = section.or("one_sees_both", false);
    let fax = section.or("fax", false);
    let sms_after_h = section.within::<Micros>("sms_after_h", 48, 0, 240);
    let english = section.word("language", Some(false), &[("sv", false), ("en", true)]);
    let address = section.or("address", String::new());
    let sender: Option<Vec<String>> = section.or("sender", Vec::new());
    if let Some(sender) = &sender {
        let long = sender.iter().any(|line| line.chars().count() > LINE_CHARACTERS_MAX);
        if sender.len() > SENDER_LINES_MAX || long {
            section.reject("sender", "has more than 6 lines, or one of more than 60 characters");
        }
    }
    section.finish();
    let rule = Rule {
        quick_us: quick_h? * HOUR,
        paper_us: paper_d? * crate::clock::DAY,
        tries_max: tries_max?,
        one_sees_both: one_sees_both?,
        fax: fax?,
        sms,
        sms_after_us: sms_after_h? * HOUR,
        ..Rule::default()
    };
    Some(Handout { rule, english: english?, address: address?, sender: sender? })
}

pub(super) fn read_sms(section: &Section<'_>) -> Option<Sms> {
    let url = section.parsed::<http::Uri>("url").filter(|url| {
        let fits = matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some() && url.query().is_none();
        let local = url.host().is_some_and(|host| host == "localhost" || host.starts_with("127.") || host == "[::1]");
        if !fits {
            section.reject("url", "is not https://host/path");
        } else if url.scheme_str() == Some("http") && !local {
            section.reject("url", "is http: over a network codes and the password go by https only");
        }
        fits
    });
    let ca = section.file_optional("ca_file");
    let user: Option<String> = section.required("user");
    let password = section.file("password_file").map(|text| Zeroizing::new(text.trim().to_owned()));
    let from: Option<String> = section.required("from");
    if let Some(from) = &from
        && !is_sender(from)
    {
        section
            .reject("from", "is neither 3 to 11 letters a-z and digits, a letter first, nor a number as +46700000000");
    }
    let callback =
        if section.has("callback") { read_callback(&section.section("callback")).map(Some) } else { Some(None) };
    let timeout_s = section.within("timeout_s", 10, 1, 60);
    let tries_max = section.within("tries_max", 8, 1, 20);
    let retry_s = section.within("retry_s", 30, 1, 3_600);
    section.finish();
    Some(Sms {
        url: url?,
        ca: ca?,
        user: user?,
        password: password?,
        from: from?,
        callback: callback?,
        timeout: Duration::from_secs(timeout_s?),
        tries_max: tries_max?,
        retry: Duration::from_secs(retry_s?),
    })
}

fn read_callback(section: &Section<'_>) -> Option<SmsCallback> {
    let listen = section.parsed("listen");
    let url: Option<String> = section.required("url");
    let place = url.as_deref().and_then(|url| url.strip_prefix("https://"));
    if url.is_some() && !place.is_some_and(|place| !place.is_empty() && !place.contains(['@', '?', '#', ' '])) {
        section.reject("url", "is not https://host/path");
    }
    let user: Option<String> = section.or("user", "sms".to_owned());
    let password = section.file("password_file").map(|text| Zeroizing::new(text.trim().to_owned()));
    // They stand in an address that the provider is given.
    let plain =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b));
    if user.as_deref().is_some_and(|user| !plain(user)) {
        section.reject("user", "has other characters than a-z, 0-9, - _ . ~");
    }
    if password.as_deref().is_some_and(|password| !plain(password) || password.len() < 20) {
        section.reject("password_file", "holds fewer than 20 characters, or others than a-z, 0-9, - _ . ~");
    }
    section.finish();
    let place = place?.trim_end_matches('/').to_owned();
    Some(SmsCallback { listen: listen?, place, user: user?, password: password? })
}

fn is_sender(text: &str) -> bool {
    if let Some(number) = text.strip_prefix('+') {
        return (8..=15).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    }
    (3..=11).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

pub(super) fn read_instructions(section: &Section<'_>) -> Option<Instructions> {
    let version = section.within("version", BUILT_IN, 1, 1_000_000);
    let everybody = section.or("everybody", false);
    let text = |key: &str| {
        if !section.has(key) {
            return Some(None);
        }
        let text = section.file(key)?;
        if text.trim().is_empty() || text.len() > TEXT_BYTES_MAX {
            section.reject(key, "names a file that is empty, or of more than 64 KiB");
        }
        Some(Some(text.to_string()))
    };
    let (sv, en) = (text("sv_file"), text("en_file"));
    if let (Some(sv), Some(en)) = (&sv, &en) {
        if sv.is_some() != en.is_some() {
            section.reject("sv_file", "and en_file stand there together, or neither");
        } else if sv.is_none() && version.is_some_and(|version| version != BUILT_IN) {
            section.reject("version", "is that of a text of one's own: name sv_file and en_file");
        }
    }
    section.finish();
    let built_in = Instructions::default();
    let (sv, en) = (sv?.unwrap_or(built_in.sv), en?.unwrap_or(built_in.en));
    Some(Instructions { version: version?, sv, en, everybody: everybody? })
}
