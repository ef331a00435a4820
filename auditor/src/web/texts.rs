//! What pages say, in each language: Fluent files below `texts/`, in the program itself.
//!
//! A key that no file has shows itself; a test sees to it that templates and code ask for none, and that both languages
//! have the same.

use super::language::Language;
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use std::borrow::Cow;
use std::sync::LazyLock;
use unic_langid::LanguageIdentifier;

type Bundle = FluentBundle<FluentResource>;

/// The files of a language.
macro_rules! files {
    ($tag:literal) => {
        &[
            include_str!(concat!("../../texts/", $tag, "/common.ftl")),
            include_str!(concat!("../../texts/", $tag, "/forms.ftl")),
            include_str!(concat!("../../texts/", $tag, "/admin.ftl")),
            include_str!(concat!("../../texts/", $tag, "/collect.ftl")),
            include_str!(concat!("../../texts/", $tag, "/apply.ftl")),
            include_str!(concat!("../../texts/", $tag, "/oidc.ftl")),
            include_str!(concat!("../../texts/", $tag, "/emergency.ftl")),
            include_str!(concat!("../../texts/", $tag, "/siths.ftl")),
        ]
    };
}

const SWEDISH: &[&str] = files!("sv");
const ENGLISH: &[&str] = files!("en");

static BUNDLES: LazyLock<[Bundle; 2]> = LazyLock::new(|| [bundle("sv", SWEDISH), bundle("en", ENGLISH)]);

/// A language's texts. A mistake in a file loses that entry; the test finds it.
fn bundle(tag: &str, files: &[&str]) -> Bundle {
    let tag: LanguageIdentifier = tag.parse().unwrap_or_default();
    let mut bundle = Bundle::new_concurrent(vec![tag]);
    // Names in a text are of the same script as the text.
    bundle.set_use_isolating(false);
    for file in files {
        let resource = match FluentResource::try_new((*file).to_owned()) {
            Ok(resource) | Err((resource, _)) => resource,
        };
        let _known = bundle.add_resource(resource);
    }
    bundle
}

impl Language {
    fn bundle(self) -> &'static Bundle {
        let [swedish, english] = &*BUNDLES;
        match self {
            Self::Swedish => swedish,
            Self::English => english,
        }
    }

    /// A text.
    pub(super) fn say(self, key: &'static str) -> Cow<'static, str> {
        self.format(key, None)
    }

    /// A text with values in it: a number is one, so that a text can go by it.
    pub(super) fn say_with<'v>(
        self,
        key: &'static str,
        values: impl IntoIterator<Item = (&'static str, FluentValue<'v>)>,
    ) -> String {
        let mut named = FluentArgs::new();
        for (name, value) in values {
            named.set(name, value);
        }
        self.format(key, Some(&named)).into_owned()
    }

    /// A text with one value in it.
    pub(super) fn say_of<'v>(self, key: &'static str, name: &'static str, value: impl Into<FluentValue<'v>>) -> String {
        self.say_with(key, [(name, value.into())])
    }

    fn format(self, key: &'static str, values: Option<&FluentArgs<'_>>) -> Cow<'static, str> {
        let bundle = self.bundle();
        let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else { return key.into() };
        bundle.format_pattern(pattern, values, &mut Vec::new())
    }
}

#[cfg(test)]
mod tests;
