//! What a script would come to under this node's policy, without asking anybody: `policy explain`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use kobling_disclosure::policy::Asked;
use kobling_model::catalogue::{Catalogue, Datastore};
use kobling_model::federation::Federation;
use kobling_model::rules::Rules;
use kobling_model::{Hash, OwnerId};
use kobling_script::Diagnostic;
use serde::Serialize;

use crate::gate::dealer_of;
use crate::standing::Standing;

/// What a script would come to.
#[derive(Debug, Serialize)]
pub struct Rehearsal {
    /// Hash of the policy.
    pub policy: Hash,
    /// Numbers of this owner's rules. Those in force are the strictest of all owners in a question.
    pub rules: Rules,
    /// Each question, in order.
    pub questions: Vec<RehearsedQuestion>,
}

/// What a question would come to.
#[derive(Debug, Serialize)]
pub struct RehearsedQuestion {
    /// Line of the script.
    pub line: u32,
    /// The statement.
    pub text: String,
    /// Whose data it uses.
    pub owners: Vec<OwnerId>,
    /// Who would deal.
    pub dealer: OwnerId,
    /// Everything in this owner's policy that refuses it; empty where it may be asked.
    pub refusals: Vec<RehearsedRefusal>,
}

/// Why a question would be refused.
#[derive(Debug, Serialize)]
pub struct RehearsedRefusal {
    /// The part of the policy, as the file calls it.
    pub rule: &'static str,
    /// Stable code.
    pub code: &'static str,
    /// What the researcher would read.
    pub message: String,
}

/// Who would ask.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// Institution.
    pub institution: &'a str,
    /// Purpose.
    pub purpose: &'a str,
}

/// Reads releases of other owners, as `kobling catalogue show … --json` and `kobling node catalogue` print them. What several files say
/// of a release is put together.
///
/// # Errors
/// For a file that is not of this form.
pub fn read_catalogues(files: &[PathBuf], own: Vec<Datastore>) -> anyhow::Result<Catalogue> {
    let mut datastores = own;
    for path in files {
        let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        for read in datastores_of(&text, path)? {
            let same = |known: &&mut Datastore| known.id == read.id && known.version == read.version;
            match datastores.iter_mut().find(same) {
                None => datastores.push(read),
                Some(known) => {
                    known.variables.extend(read.variables);
                    known.variables.sort_by(|a, b| a.name.cmp(&b.name));
                    known.variables.dedup_by(|a, b| a.name == b.name);
                }
            }
        }
    }
    datastores.sort_by(|a, b| (&a.id, a.version).cmp(&(&b.id, b.version)));
    Ok(Catalogue { datastores })
}

/// One list of releases after another.
fn datastores_of(text: &str, path: &Path) -> anyhow::Result<Vec<Datastore>> {
    let lists = serde_json::Deserializer::from_str(text).into_iter::<Vec<Datastore>>();
    let lists: Result<Vec<_>, _> = lists.collect();
    let lists = lists.with_context(|| {
        format!("{} is no catalogue: write it with `kobling node catalogue` at its owner", path.display())
    })?;
    Ok(lists.into_iter().flatten().collect())
}

/// Derives the plan as a node does, and judges each question.
///
/// # Errors
/// What is wrong with the script; also where it uses a release that the catalogue does not have.
pub fn rehearse(
    standing: &Standing,
    owner: &OwnerId,
    federation: &Federation,
    catalogue: &Catalogue,
    script: &str,
    asker: Asker<'_>,
) -> Result<Rehearsal, Vec<Diagnostic>> {
    let plan = kobling_script::plan(script, catalogue)?;
    let commands = kobling_script::commands_used(script);
    let Asker { institution, purpose } = asker;
    let asked = Asked { owner, institution, purpose, commands: &commands };
    let mut questions = Vec::new();
    for question in &plan.questions {
        let owners = question.owners().cloned().collect();
        let (line, text) = (question.line, question.text.clone());
        // Only where a catalogue has an owner that is no node here: no federation would answer it.
        let Some(roles) = federation.roles(&question.left.owner, question.right_owner()) else {
            let message = "an owner of this question is no node of the federation file".to_owned();
            let refusal = RehearsedRefusal { rule: "federation", code: "not-on-the-roster", message };
            let dealer = federation.broker.id.clone();
            questions.push(RehearsedQuestion { line, text, owners, dealer, refusals: vec![refusal] });
            continue;
        };
        let refusals = standing.policy.judge(&asked, question, dealer_of(federation, &roles));
        let refusals = refusals.into_iter().map(|refusal| RehearsedRefusal {
            rule: refusal.rule(),
            code: refusal.code(),
            message: refusal.to_string(),
        });
        let refusals = refusals.collect();
        questions.push(RehearsedQuestion { line, text, owners, dealer: roles.dealer, refusals });
    }
    Ok(Rehearsal { policy: standing.hash, rules: standing.policy.rules.clone(), questions })
}

impl Rehearsal {
    /// Whether this owner would let every question be asked.
    pub fn would_run(&self) -> bool {
        self.questions.iter().all(|question| question.refusals.is_empty())
    }
}
