//! One page of lines of text, as PDF with fonts that every reader has.

use super::encoding::win_ansi;
use pdf_writer::{Content, Finish as _, Name, Pdf, Rect, Ref, Str, TextStr};

/// A4, in points of 1/72 inch.
const WIDTH: f32 = 595.276;
const HEIGHT: f32 = 841.89;
const POINTS_PER_MM: f32 = 72.0 / 25.4;

/// Which of the standard fonts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Face {
    Plain,
    Bold,
    /// In which no letter looks like another.
    Fixed,
}

impl Face {
    const ALL: [Self; 3] = [Self::Plain, Self::Bold, Self::Fixed];

    const fn name(self) -> Name<'static> {
        match self {
            Self::Plain => Name(b"F1"),
            Self::Bold => Name(b"F2"),
            Self::Fixed => Name(b"F3"),
        }
    }

    const fn font(self) -> Name<'static> {
        match self {
            Self::Plain => Name(b"Helvetica"),
            Self::Bold => Name(b"Helvetica-Bold"),
            Self::Fixed => Name(b"Courier-Bold"),
        }
    }

    const fn id(self) -> Ref {
        match self {
            Self::Plain => Ref::new(5),
            Self::Bold => Ref::new(6),
            Self::Fixed => Ref::new(7),
        }
    }
}

const CATALOG: Ref = Ref::new(1);
const TREE: Ref = Ref::new(2);
const PAGE: Ref = Ref::new(3);
const CONTENT: Ref = Ref::new(4);
const INFO: Ref = Ref::new(8);

/// A page in the making.
pub(super) struct Page(Content);

impl Page {
    /// An empty one.
    pub(super) fn new() -> Self {
        Self(Content::new())
    }

    /// A line whose baseline begins so many millimetres from the left and from the top.
    pub(super) fn line(&mut self, (x, y): (f32, f32), (face, size): (Face, f32), text: &str) {
        let (x, y) = (x * POINTS_PER_MM, HEIGHT - y * POINTS_PER_MM);
        self.0.begin_text().set_font(face.name(), size).next_line(x, y).show(Str(&win_ansi(text))).end_text();
    }

    /// The document.
    pub(super) fn pdf(self, language: &str, title: &str) -> Vec<u8> {
        let mut pdf = Pdf::new();
        pdf.catalog(CATALOG).pages(TREE).lang(TextStr(language));
        pdf.document_info(INFO).title(TextStr(title));
        pdf.pages(TREE).kids([PAGE]).count(1);
        let mut page = pdf.page(PAGE);
        page.media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT)).parent(TREE).contents(CONTENT);
        let mut resources = page.resources();
        let mut fonts = resources.fonts();
        for face in Face::ALL {
            fonts.pair(face.name(), face.id());
        }
        fonts.finish();
        resources.finish();
        page.finish();
        for face in Face::ALL {
            pdf.type1_font(face.id()).base_font(face.font()).encoding_predefined(Name(b"WinAnsiEncoding"));
        }
        pdf.stream(CONTENT, &self.0.finish());
        pdf.finish()
    }
}
