//! A browser for tests, as far as pages without scripts need one: it follows links, fills in forms and sends them.

use crate::clock;
use crate::web::admin::tests::bed::{Answer, Bed, Who};
use axum::http::header;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Somebody's browser.
pub(super) struct Browser<'b> {
    pub(super) bed: &'b Bed,
    pub(super) who: Who,
    pub(super) language: &'static str,
}

/// A page that it shows.
pub(super) struct Page {
    pub(super) status: u16,
    pub(super) html: String,
    /// Where another page is.
    pub(super) to: Option<String>,
    /// What it may do.
    pub(super) policy: String,
}

/// A form of a page, with what stands in it.
pub(super) struct Sheet {
    to: String,
    fields: Vec<(String, String)>,
}

impl<'b> Browser<'b> {
    pub(super) fn new(bed: &'b Bed, who: &Who) -> Self {
        Self { bed, who: who.clone(), language: "sv" }
    }

    pub(super) async fn ask(&self, method: &str, to: &str, more: &[(&str, &str)], body: String) -> Page {
        let mut headers = vec![("sec-fetch-site", "same-origin"), ("accept-language", self.language)];
        headers.extend(more);
        let Answer { status, headers, text } =
            self.bed.raw(&self.bed.vouch(&self.who), (method, to), &headers, body).await;
        let place = headers.get(header::LOCATION).map(|place| place.to_str().expect("text").to_owned());
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().expect("text").to_owned();
        Page { status: status.as_u16(), html: text, to: place, policy }
    }

    /// Opens an address, and where it leads.
    pub(super) async fn open(&self, to: &str) -> Page {
        let page = self.ask("GET", to, &[], String::new()).await;
        match &page.to {
            Some(to) if page.status == 303 => Box::pin(self.open(to)).await,
            _ => page,
        }
    }

    /// Sends a form, and stays where it leads.
    pub(super) async fn post(&self, sheet: &Sheet) -> Page {
        let page = self.ask("POST", &sheet.to, &[FORM], sheet.encoded()).await;
        match &page.to {
            Some(to) if page.status == 303 => self.open(to).await,
            _ => page,
        }
    }

    /// Fills in a form of a page and sends it.
    pub(super) async fn send(&self, page: &Page, to: &str, typed: &[(&str, &str)]) -> Page {
        let mut sheet = page.sheet(to);
        for (name, value) in typed {
            sheet.fill(name, value);
        }
        self.post(&sheet).await
    }

    /// The code that the authenticator shows now.
    pub(super) fn code(&self) -> String {
        self.who.secret.code(clock::now())
    }
}

pub(super) const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

impl Page {
    #[track_caller]
    pub(super) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.html);
        self
    }

    #[track_caller]
    pub(super) fn says(self, text: &str) -> Self {
        assert!(self.html.contains(&escaped(text)), "{text}: {}", self.html);
        self
    }

    #[track_caller]
    pub(super) fn never_says(self, text: &str) -> Self {
        assert!(!self.html.contains(text), "{text}: {}", self.html);
        self
    }

    pub(super) fn has_form(&self, to: &str) -> bool {
        self.html.contains(&format!("<form method=\"post\" action=\"{to}\">"))
    }

    /// A form of the page, as it stands there.
    #[track_caller]
    pub(super) fn sheet(&self, to: &str) -> Sheet {
        let begin = format!("<form method=\"post\" action=\"{to}\">");
        let inside = self.html.split(&begin).nth(1).unwrap_or_else(|| panic!("no form to {to}: {}", self.html));
        let inside = inside.split("</form>").next().expect("an end");
        let mut fields = Vec::new();
        for tag in inside.split('<').skip(1) {
            let (head, rest) = tag.split_once('>').expect("a tag");
            let name = attribute(head, "name");
            let value = || attribute(head, "value").unwrap_or_default();
            if head.starts_with("input ") {
                let ticked = !matches!(attribute(head, "type").as_deref(), Some("radio" | "checkbox"));
                if ticked || head.ends_with(" checked") {
                    fields.push((name.expect("a name"), value()));
                }
            } else if head.starts_with("textarea ") {
                // The first new line is not part of it.
                fields.push((name.expect("a name"), plain(rest.strip_prefix('\n').unwrap_or(rest))));
            } else if head.starts_with("select ") {
                fields.push((name.expect("a name"), String::new()));
            } else if head.starts_with("option ") && head.ends_with(" selected") {
                fields.last_mut().expect("a list").1 = value();
            }
        }
        Sheet { to: to.to_owned(), fields }
    }

    /// Where a link leads whose text has this in it.
    #[track_caller]
    pub(super) fn link_to(&self, text: &str) -> String {
        let links = self.html.split("<a ").skip(1).filter_map(|tag| tag.split_once('>'));
        let mut links = links.filter(|(_, rest)| rest.split("</a>").next().is_some_and(|inner| inner.contains(text)));
        let (head, _) = links.next().unwrap_or_else(|| panic!("no link {text}: {}", self.html));
        attribute(&format!(" {head}"), "href").expect("a place")
    }

    /// Where a link with this text leads.
    #[track_caller]
    pub(super) fn link(&self, text: &str) -> String {
        let end = format!(">{}</a>", escaped(text));
        let before = self.html.split(&end).next().filter(|before| before.len() < self.html.len());
        let before = before.unwrap_or_else(|| panic!("no link {text}: {}", self.html));
        let tag = before.rsplit("<a ").next().expect("a tag");
        attribute(&format!(" {tag}"), "href").expect("a place")
    }
}

impl Sheet {
    pub(super) fn fill(&mut self, name: &str, value: &str) {
        match self.fields.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.fields.push((name.to_owned(), value.to_owned())),
        }
    }

    pub(super) fn get(&self, name: &str) -> &str {
        self.fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub(super) fn encoded(&self) -> String {
        let encode = |text: &str| utf8_percent_encode(&text.replace('\n', "\r\n"), NON_ALPHANUMERIC).to_string();
        let pairs = self.fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
        pairs.collect::<Vec<_>>().join("&")
    }
}

fn attribute(head: &str, name: &str) -> Option<String> {
    let value = head.split(&format!(" {name}=\"")).nth(1)?;
    Some(plain(value.split('"').next()?))
}

/// As askama escapes it.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '<' | '>' | '&' | '"' | '\'' => out.extend(["&#", &u32::from(letter).to_string(), ";"]),
            other => out.push(other),
        }
    }
    out
}

fn plain(text: &str) -> String {
    let mut out = text.to_owned();
    for letter in ['<', '>', '"', '\'', '&'] {
        out = out.replace(&format!("&#{};", u32::from(letter)), &letter.to_string());
    }
    out
}

/// Form 1, as it is typed.
pub(in crate::web::desk) const APPLICATION: [(&str, &str); 12] = [
    ("name", "Anna Åkesson"),
    ("number", "19121212-1212"),
    ("title", "sjuksköterska"),
    ("region", "12"),
    ("unit", "Ortopedkliniken"),
    ("unit_hsa", "SE2321000016-P00900"),
    ("address", "Barngatan 4\n221 00 Lund"),
    ("telephone", "046-10 00 00"),
    ("registry", "fotled"),
    ("right", "read"),
    ("valid_to", "2099-01-01"),
    ("purpose", "Registrering <och> \"utdata\" & 'annat'"),
];
pub(super) const NEW: &str = "/admin/forms/new/application";

impl Browser<'_> {
    /// Writes an application. Its address.
    pub(super) async fn applied(&self) -> String {
        let page = self.open(NEW).await.is(200);
        let saved = self.ask("POST", NEW, &[FORM], filled(&page).encoded()).await.is(303);
        let to = saved.to.expect("a place");
        to.split('?').next().expect("a path").to_owned()
    }

    /// Writes an application and submits it.
    pub(super) async fn submitted(&self) -> String {
        let form = self.applied().await;
        self.deed(&form, "submit", &[("assured", "yes")]).await.is(200);
        form
    }

    /// Makes a move on a form's page.
    pub(super) async fn deed(&self, form: &str, name: &str, typed: &[(&str, &str)]) -> Page {
        let page = self.open(form).await.is(200);
        self.send(&page, &format!("{form}/{name}"), typed).await
    }
}

/// The application's form, filled in.
pub(super) fn filled(page: &Page) -> Sheet {
    let mut sheet = page.sheet(NEW);
    for (name, value) in APPLICATION {
        sheet.fill(name, value);
    }
    sheet
}
