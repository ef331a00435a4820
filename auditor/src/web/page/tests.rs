use super::*;
use std::path::Path;

#[test]
fn only_the_frame_begins_forms() {
    // Whoever writes the tag by hand may forget its proof. Logging out has none: it harms nobody.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/admin");
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let template = std::fs::read_to_string(&path).expect("a text");
        assert!(!template.contains("method=\"post\""), "{}", path.display());
    }
}

#[test]
fn an_address_chooses_a_language() {
    let chosen = |uri: &str| chosen(&uri.parse().expect("an address"));
    assert_eq!(chosen("/admin?x=1&lang=en"), Some(Language::English));
    assert_eq!(chosen("/admin?lang=sv"), Some(Language::Swedish));
    for uri in ["/admin", "/admin?lang=xx", "/admin?lang=", "/admin?slang=en"] {
        assert_eq!(chosen(uri), None, "{uri}");
    }
}

#[test]
fn a_form_goes_nowhere_else() {
    assert!(is_plain("/admin/forms/0192-f_a"));
    for other in ["", "admin", "//host/a", "/a?b", "/a\"", "/a<", "https://host/", "/a:b", "/å"] {
        assert!(!is_plain(other), "{other}");
    }
}
