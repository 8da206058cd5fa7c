//! The description of the API (OpenAPI 3.1), completed from what the handlers say.
//!
//! Owns what every call shares and no handler repeats: its id, the parameters of its path, paging, dry runs, conditions, repeated requests, and
//! the form of a refusal. Must not know a call.

use serde_json::Value;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{ClientCredentials, Flow, OAuth2, Scopes, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Required, ResponseBuilder,
    SecurityRequirement,
};

use super::scope::Right;
use crate::problem::PROBLEM_JSON;

const ABOUT: &str = "Administration of a Latchkey cloud. Errors are application/problem+json and name every wrong field at once; \
    lists are pages, newest first; every change takes dry_run=true.";

/// Completes the description.
pub(super) fn describe(mut document: OpenApi) -> OpenApi {
    let scopes = Scopes::from_iter(Right::ALL.iter().map(|right| (right.as_str(), right.as_str())));
    let flow = Flow::ClientCredentials(ClientCredentials::new("/o/{org}/oauth2/token", scopes));
    let scheme = SecurityScheme::OAuth2(OAuth2::new([flow]));
    let components = ComponentsBuilder::new().security_scheme("client", scheme).schema("Problem", problem()).build();
    let mut described = OpenApiBuilder::new()
        .info(InfoBuilder::new().title("Latchkey").version("1").description(Some(ABOUT)))
        .components(Some(components))
        .security(Some([SecurityRequirement::new::<_, [&str; 0], &str>("client", [])]))
        .build();
    for (path, item) in &mut document.paths.paths {
        let operations = [
            ("get", &mut item.get),
            ("put", &mut item.put),
            ("post", &mut item.post),
            ("patch", &mut item.patch),
            ("delete", &mut item.delete),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                complete(operation, method, path);
            }
        }
    }
    described.merge(document);
    described
}

/// The description as it is served. A field that may be left out has `null` as its default in Rust; in a schema of strings that is no value.
pub(super) fn text(document: &OpenApi) -> String {
    let mut document = serde_json::to_value(document).expect("a description is plain data");
    without_null_defaults(&mut document);
    document.to_string()
}

fn without_null_defaults(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if members.get("default").is_some_and(Value::is_null) {
                members.remove("default");
            }
            members.values_mut().for_each(without_null_defaults);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null_defaults),
        _ => {}
    }
}

/// A problem document.
fn problem() -> Schema {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let number = || ObjectBuilder::new().schema_type(Type::Integer);
    let field = ["pointer", "code", "detail"]
        .into_iter()
        .fold(ObjectBuilder::new(), |object, name| object.property(name, text().build()).required(name));
    let document = ["type", "title", "code", "detail", "fix", "ref"]
        .into_iter()
        .fold(ObjectBuilder::new(), |object, name| object.property(name, text().build()).required(name));
    let errors = utoipa::openapi::schema::ArrayBuilder::new().items(field.build()).build();
    let document = document.property("status", number().build()).required("status");
    let document = document.property("errors", errors).required("errors").property("retry_after", number().build());
    Schema::from(document.build())
}

fn complete(operation: &mut Operation, method: &str, path: &str) {
    let words = path.split(['/', '-', '{', '}']).filter(|word| !matches!(*word, "" | "api" | "v1" | "o" | "org"));
    operation.operation_id = Some([method].into_iter().chain(words).collect::<Vec<_>>().join("_"));
    let others = operation.parameters.take().unwrap_or_default();
    let in_path =
        |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(Parameter { parameter_in: ParameterIn::Path, .. }));
    let others = others.into_iter().filter(|parameter| !in_path(parameter));
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let named = names.map(|name| parameter(name, ParameterIn::Path, Type::String, ""));
    operation.parameters = Some(named.chain(others).chain(shared(operation, method, path)).collect());
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            // OpenAPI wants a word for each answer; what it holds, the schema says.
            response.description = match status.as_str() {
                "201" => "It was made.",
                "204" => "It was done.",
                _ => "The answer.",
            }
            .to_owned();
        }
    }
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let refusal = ResponseBuilder::new().description("A refusal.").content(PROBLEM_JSON, content).build();
    operation.responses.responses.entry("default".to_owned()).or_insert(RefOr::T(refusal));
}

/// What calls of a kind share.
fn shared(operation: &Operation, method: &str, path: &str) -> Vec<RefOr<Parameter>> {
    if !path.starts_with("/api/") {
        return Vec::new();
    }
    let query = |name, kind, about| parameter(name, ParameterIn::Query, kind, about);
    let header = |name, about| parameter(name, ParameterIn::Header, Type::String, about);
    if method == "get" {
        let is_page =
            serde_json::to_string(&operation.responses).is_ok_and(|text| text.contains("#/components/schemas/Page_"));
        return if is_page {
            vec![
                query("limit", Type::Integer, "At most so many, 1 to 1000 [50]."),
                query("after", Type::String, "Go on after this cursor, `next` of the page before."),
                query("count", Type::String, "`estimate`: say how many there are in all."),
            ]
        } else {
            Vec::new()
        };
    }
    let mut shared = vec![
        query("dry_run", Type::Boolean, "Only say what would happen."),
        header("If-Match", "Only if the resource still has this ETag."),
    ];
    if method == "post" {
        shared.push(header(
            "Idempotency-Key",
            "Up to 64 characters: the same request within 24 hours has the same answer.",
        ));
    }
    shared
}

fn parameter(name: &str, place: ParameterIn, kind: Type, about: &str) -> RefOr<Parameter> {
    let required = if matches!(place, ParameterIn::Path) { Required::True } else { Required::False };
    let schema = Schema::from(ObjectBuilder::new().schema_type(kind).build());
    let about = Some(about).filter(|about| !about.is_empty());
    let parameter = ParameterBuilder::new().name(name).parameter_in(place).required(required).description(about);
    RefOr::T(parameter.schema(Some(schema)).build())
}
