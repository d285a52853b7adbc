//! What there is to ask about, as the nodes tell it. Nothing of it is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use kobling_model::catalogue::{Datastore, ValueDomain, Variable};
use kobling_model::{DatastoreId, VariableName};
use kobling_proto::platform::v1 as wire;
use kobling_proto::platform::v1::catalogue_service_server::CatalogueService;
use tonic::{Request, Response, Status};

use super::{Door, to_wire};
use crate::broker::{Broker, Descriptions};
use crate::request::RequestError;

/// The catalogue service.
pub struct CatalogueApi {
    /// The broker.
    pub broker: Arc<Broker>,
    /// Who may ask.
    pub door: Door,
}

/// Longest text to search for, in bytes.
const WORDS_MAX: usize = 1000;

#[tonic::async_trait]
impl CatalogueService for CatalogueApi {
    async fn list_datastores(
        &self,
        request: Request<wire::ListDatastoresRequest>,
    ) -> Result<Response<wire::ListDatastoresResponse>, Status> {
        self.door.platform(&request)?;
        let descriptions = self.broker.describe_for_people().await;
        let bare = all(&descriptions).into_iter().map(|datastore| with_variables(datastore, Vec::new()));
        let missing = descriptions.iter().filter_map(|(_, description)| description.as_ref().err());
        Ok(Response::new(wire::ListDatastoresResponse {
            datastores: bare.map(|datastore| (&datastore).into()).collect(),
            missing: missing.map(|error| to_wire(&error.problem())).collect(),
        }))
    }

    async fn list_variables(
        &self,
        request: Request<wire::ListVariablesRequest>,
    ) -> Result<Response<wire::ListVariablesResponse>, Status> {
        self.door.platform(&request)?;
        let wanted = request.into_inner().datastore;
        let descriptions = self.broker.describe_for_people().await;
        let mut datastores = newest(&descriptions);
        if !wanted.is_empty() {
            datastores.retain(|datastore| datastore.id.as_str() == wanted);
            if datastores.is_empty() {
                return Err(not_found(&descriptions, "there is no datastore of this name").into());
            }
        }
        let short = |datastore: &Datastore| {
            (&with_variables(datastore, datastore.variables.iter().map(without_codes).collect())).into()
        };
        Ok(Response::new(wire::ListVariablesResponse {
            datastores: datastores.into_iter().map(short).collect(),
        }))
    }

    async fn search_variables(
        &self,
        request: Request<wire::SearchVariablesRequest>,
    ) -> Result<Response<wire::SearchVariablesResponse>, Status> {
        self.door.platform(&request)?;
        let words = request.into_inner().words;
        if words.len() > WORDS_MAX {
            return Err(
                RequestError::invalid("words", "the text to search for has at most 1000 bytes").into()
            );
        }
        let words: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
        let descriptions = self.broker.describe_for_people().await;
        let found = newest(&descriptions).into_iter().filter_map(|datastore| {
            let hits = datastore.variables.iter().filter(|variable| mentions(variable, &words));
            let hits: Vec<_> = hits.map(without_codes).collect();
            (!hits.is_empty()).then(|| (&with_variables(datastore, hits)).into())
        });
        Ok(Response::new(wire::SearchVariablesResponse { datastores: found.collect() }))
    }

    async fn describe_variable(
        &self,
        request: Request<wire::DescribeVariableRequest>,
    ) -> Result<Response<wire::DescribeVariableResponse>, Status> {
        self.door.platform(&request)?;
        let request = request.into_inner();
        let id = DatastoreId::new(request.datastore)
            .map_err(|error| RequestError::invalid("datastore", error.to_string()))?;
        let name = VariableName::new(request.variable)
            .map_err(|error| RequestError::invalid("variable", error.to_string()))?;
        let descriptions = self.broker.describe_for_people().await;
        let datastore = newest(&descriptions)
            .into_iter()
            .filter(|datastore| datastore.id == id)
            .filter(|datastore| request.major == 0 || datastore.version.major == request.major)
            .max_by_key(|datastore| datastore.version)
            .ok_or_else(|| {
                not_found(&descriptions, "there is no datastore of this name and major version")
            })?;
        let variable = datastore.variable(&name).ok_or_else(|| {
            RequestError::not_found("unknown-variable", "the datastore has no such variable")
        })?;
        let described = with_variables(datastore, vec![variable.clone()]);
        Ok(Response::new(wire::DescribeVariableResponse { datastore: Some((&described).into()) }))
    }
}

/// All releases of the nodes that answered, in order of id and version.
fn all(descriptions: &Descriptions) -> Vec<&Datastore> {
    let answered = descriptions.iter().filter_map(|(_, description)| description.as_ref().ok());
    let mut datastores: Vec<_> = answered.flat_map(|description| &description.datastores).collect();
    datastores.sort_by(|a, b| (&a.id, a.version, &a.owner).cmp(&(&b.id, b.version, &b.owner)));
    datastores
}

/// The newest release of each major version.
fn newest(descriptions: &Descriptions) -> Vec<&Datastore> {
    let mut newest = BTreeMap::new();
    for datastore in all(descriptions) {
        newest.insert((&datastore.id, datastore.version.major), datastore);
    }
    newest.into_values().collect()
}

/// Something is not there; it may be a silent node's.
fn not_found(descriptions: &Descriptions, text: &str) -> RequestError {
    match descriptions.iter().find_map(|(_, description)| description.as_ref().err()) {
        Some(error) => error.clone().into(),
        None => RequestError::not_found("unknown-datastore", text),
    }
}

fn with_variables(datastore: &Datastore, variables: Vec<Variable>) -> Datastore {
    Datastore {
        id: datastore.id.clone(),
        owner: datastore.owner.clone(),
        version: datastore.version,
        variables,
    }
}

fn without_codes(variable: &Variable) -> Variable {
    let mut variable = variable.clone();
    if let ValueDomain::Codes { codes, sentinels, .. } = &mut variable.domain {
        codes.clear();
        sentinels.clear();
    }
    variable
}

fn mentions(variable: &Variable, words: &[String]) -> bool {
    let mut text = format!("{} {} {}", variable.name, variable.title, variable.description);
    if let ValueDomain::Codes { codes, .. } = &variable.domain {
        for code in codes {
            text.push(' ');
            text.push_str(&code.title);
        }
    }
    let text = text.to_lowercase();
    words.iter().all(|word| text.contains(word.as_str()))
}
