//! Routes that may be opened in an emergency.

use super::*;

fn one(more: &str) -> String {
    format!("[[route]]\nname = \"one\"\nregistry = \"r\"\nresource = \"x\"\nemergency = true\n{more}")
}

const PATH: &str = "path = \"/p/{patient}\"\npatient = { in = \"path\", name = \"patient\" }\n";

#[test]
fn a_route_that_reads_one_patient_may_be_opened() {
    let read = routes(&one(&format!("methods = [\"GET\", \"HEAD\"]\n{PATH}")));
    assert!(read.routes().iter().all(|route| route.emergency));
    assert!(!routes(&file(&[("a", r#"["GET"]"#, "/a", "grant")])).routes().iter().any(|route| route.emergency));
}

#[test]
fn others_are_mistakes_with_their_cure() {
    for (more, told) in [
        (format!("methods = [\"GET\", \"POST\"]\n{PATH}"), "is for reading alone"),
        (format!("methods = [\"GET\"]\nright = \"read_write\"\n{PATH}"), "is for reading alone"),
        (format!("methods = [\"POST\"]\nactivity = \"search\"\n{PATH}"), "is for GET and HEAD alone"),
        (format!("methods = [\"GET\", \"POST\"]\nright = \"read\"\n{PATH}"), "is for GET and HEAD alone"),
        (format!("methods = [\"GET\"]\naccess = \"session\"\n{PATH}"), "is for routes that need a grant"),
        (format!("methods = [\"GET\"]\nwebsocket = true\n{PATH}"), "is for single answers"),
        ("methods = [\"GET\"]\npath = \"/p\"\npatient = { in = \"none\" }\n".to_owned(), "take it away"),
        (
            "methods = [\"GET\"]\npath = \"/p\"\npatient = { in = \"response\" }\n".to_owned(),
            "may disclose others",
        ),
        (
            "methods = [\"GET\"]\npath = \"/p/{a}\"\npatients = [{ in = \"path\", name = \"a\" }, { in = \"response\" }]\n"
                .to_owned(),
            "may disclose others",
        ),
    ] {
        let told_of = mistakes(&one(&more));
        assert!(told_of.contains("routes.toml:9: route[0].emergency: ") && told_of.contains(told), "{told_of}");
    }
}
