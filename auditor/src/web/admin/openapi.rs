//! The interface, described: OpenAPI 3.1.

use super::accounts::holds;
use super::problem::Told;
use super::{
    BASE, accounts, appointments, device_codes, devices, emergencies, forms, handouts, imports, moves, organisations,
    sign,
};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use contract::directory::SESSION_COOKIE;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, ResponseBuilder, Server};
use utoipa::{Modify, OpenApi};

/// The description.
#[derive(OpenApi)]
#[openapi(
    info(title = "Grindvakt: administration", description = DESCRIPTION),
    paths(
        show,
        sign::step_up, sign::question, sign::step_up_by_passkey,
        forms::list, forms::begin, forms::show, forms::mend,
        moves::submit, moves::approve, moves::refuse, moves::send_back, moves::forward, moves::execute,
        appointments::list, appointments::give, appointments::end,
        imports::bring,
        accounts::list::search, accounts::show,
        holds::lock, holds::unlock, holds::block, holds::propose_lift, holds::lift, holds::confirm, holds::reactivate,
        holds::sessions, holds::end_sessions,
        organisations::list, organisations::add,
        devices::list, devices::enrol, devices::show, devices::renew_file, devices::revoke, devices::enrol_file,
        device_codes::list, device_codes::issue, device_codes::withdraw,
        emergencies::list, emergencies::see,
        handouts::list, handouts::issue, handouts::show, handouts::letter, handouts::posted, handouts::number,
        handouts::called, handouts::reroute,
    ),
    components(schemas(Told)),
    modifiers(&Problems),
    tags(
        (name = "session", description = "What signatures rest on"),
        (name = "forms", description = "Application (F1), change (F2) and deregistration (F3): drafts, lists, one"),
        (name = "moves", description = "What is done with a form, each signed, on the version that was seen"),
        (name = "appointments", description = "Who is appointed to what"),
        (name = "accounts", description = "Accounts: found, locked, blocked, confirmed; their sessions"),
        (name = "imports", description = "Data about people and units from other systems"),
        (name = "devices", description = "Organisations, devices, and the codes that devices are enrolled by"),
        (name = "emergencies", description = "Patients opened in emergencies, for review"),
        (name = "handouts", description = "Credentials handed out: in two halves, by two channels"),
    )
)]
struct Api;

const DESCRIPTION: &str = "\
The account procedure: forms on their way, and appointments; and devices. Reached through the gateway, by an enrolled device and \
a session: a cookie, or `Authorization: Bearer`. With a cookie, what changes something needs `Sec-Fetch-Site: \
same-origin` or `none`, and a body that is `application/json` or the header `X-Requested-With`. Moves, \
appointments and what is done with devices need a second factor that was shown by `POST /step-up` or `POST /step-up/passkey` a short while before. Problems are RFC 9457; a \
field that is not known is one.";

/// What may go wrong with each operation.
struct Problems;

impl Modify for Problems {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        api.servers = Some(vec![Server::new(BASE)]);
        let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(SESSION_COOKIE)));
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let schemes = &mut api.components.get_or_insert_default().security_schemes;
        schemes.extend([("cookie".to_owned(), cookie.into()), ("bearer".to_owned(), bearer.into())]);
        let need = |name: &str| SecurityRequirement::new(name, [""; 0]);
        api.security = Some(vec![need("cookie"), need("bearer")]);
        for (path, item) in &mut api.paths.paths {
            for operation in [&mut item.get, &mut item.post, &mut item.put].into_iter().flatten() {
                let changes = operation.request_body.is_some() || !operation.responses.responses.contains_key("200");
                let changes = changes || operation.tags.iter().flatten().any(|tag| tag == "moves");
                let changes = changes || path.ends_with("/withdraw") || path.ends_with("/seen");
                let changes = changes || path == "/step-up/question";
                let changes = changes || path.starts_with("/accounts/{id}/") && path != "/accounts/{id}/sessions";
                problems(path, operation, changes);
            }
        }
    }
}

/// Lists: they have parameters.
const LISTS: [&str; 7] =
    ["/forms", "/appointments", "/handouts", "/organisations", "/devices", "/device-codes", "/emergencies"];

/// What every operation may answer, and what those may that change something.
fn problems(path: &str, operation: &mut Operation, changes: bool) {
    let mut add = |status: &str, description: &str| {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let response =
            ResponseBuilder::new().description(description).content("application/problem+json", content).build();
        operation.responses.responses.insert(status.to_owned(), response.into());
    };
    add("401", "Nobody is logged in; or a signature needs a second factor that was just shown");
    add("403", "The account is not in use, a duty is lacking, or another site asked for it");
    add("503", "The store does not answer");
    if path.contains('{') || path.starts_with("/step-up/") {
        add("404", "There is none that one may know of");
    }
    if LISTS.contains(&path) || changes {
        add("400", "The request cannot be read");
        add("422", "Fields or parameters that cannot be taken, each named");
    }
    if changes {
        add("409", "Not where it stands now");
        add("413", "The body is too large");
        add("415", "The body is not JSON");
    }
    if path.starts_with("/forms/") && changes {
        add("412", "It has changed since it was seen");
        add("428", "If-Match is missing");
    }
}

/// This description.
#[utoipa::path(
    get, path = "/openapi.json", tag = "session", operation_id = "describe",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json"))
)]
pub(super) async fn show() -> Response {
    let Ok(text) = text() else { return super::Problem::from(super::Kind::Unavailable).into_response() };
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

pub(super) fn text() -> serde_json::Result<String> {
    Api::openapi().to_json()
}
