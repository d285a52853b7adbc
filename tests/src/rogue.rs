//! A broker that does as it likes, with the broker's own certificate: what the attacks are made with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::StreamExt;
use kobling_broker::problem::{Problem, RunError};
use kobling_broker::roster::{
    AdmitOrder, ComputeEvent, ComputeOrder, DealOrder, JobOffer, NodeClient, SessionOffer,
};
use kobling_model::plan::{Plan, Release};
use kobling_model::record::Asker;
use kobling_model::rules::Rules;
use kobling_model::script_request::{ScriptRequest, SignedRequest};
use kobling_model::{AttemptId, Hash, JobId, OwnerId, SessionId, UnitType};

use crate::world::World;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// Sixteen bytes that this run has not used.
pub fn fresh() -> [u8; 16] {
    u128::from(NEXT.fetch_add(1, Ordering::Relaxed)).wrapping_mul((1 << 64) + 1).to_le_bytes()
}

/// A session opened by hand.
pub struct Rogue<'a> {
    /// Where.
    pub world: &'a World,
    /// Its id.
    pub session: SessionId,
}

/// A script offered by hand.
pub struct Offered {
    /// Its id.
    pub job: JobId,
    /// What all nodes have derived.
    pub plan: Plan,
    /// What each node granted it under.
    pub rules: Vec<Rules>,
}

/// How a worker said that it ended; an error where it would not begin.
pub type Ended = Result<ComputeEvent, RunError>;

/// The stable code of an ending that is a failure.
pub fn code_of(ended: &Ended) -> String {
    match ended {
        Ok(ComputeEvent::Failed(problem)) => problem.code.clone(),
        Ok(other) => format!("{other:?}"),
        Err(error) => error.problem().code,
    }
}

/// What a node said instead of yes.
pub fn problem_of<T>(answer: Result<T, RunError>) -> Problem {
    match answer {
        Ok(_) => panic!("it was granted"),
        Err(error) => error.problem(),
    }
}

impl<'a> Rogue<'a> {
    /// Names of all nodes of the world.
    pub fn everybody(world: &World) -> Vec<OwnerId> {
        world.federation.nodes.iter().map(|node| node.id.clone()).collect()
    }

    /// All releases of the world.
    pub fn releases(world: &World) -> Vec<Release> {
        let release = |datastore: &kobling_model::catalogue::Datastore| Release {
            datastore: datastore.id.clone(),
            version: datastore.version,
            owner: datastore.owner.clone(),
        };
        world.catalogue().datastores.iter().map(release).collect()
    }

    /// What a session is offered with.
    pub fn offer_of(session: SessionId, linking: Vec<OwnerId>, releases: Vec<Release>) -> SessionOffer {
        let asker = Asker {
            platform_certificate: Hash::of(b"a certificate"),
            researcher: World::ASKER[0].into(),
            institution: World::ASKER[1].into(),
            purpose: World::ASKER[2].into(),
            signed: false,
        };
        SessionOffer { session, members: linking.clone(), linking, releases, asker }
    }

    /// Opens a session at all nodes, in which the platform has asked for something, and links persons.
    pub fn open(world: &'a World, session: SessionId) -> Self {
        let rogue = Self::open_unasked(world, session);
        let nothing = rogue.request("// nothing of anybody's");
        rogue.admit(&world.sign(&nothing));
        let nodes: Vec<_> =
            Self::everybody(world).iter().map(|node| world.as_broker(node.as_str())).collect();
        let linked = kobling_broker::linkage::link(&nodes, session, UnitType::Person);
        world.wait(linked).expect("links");
        rogue
    }

    /// Opens a session at all nodes, in which nobody has asked for anything.
    pub fn open_unasked(world: &'a World, session: SessionId) -> Self {
        Self::open_unasked_for(world, session, World::ASKER[0])
    }

    /// The same, and says that it is this researcher's.
    pub fn open_unasked_for(world: &'a World, session: SessionId, researcher: &str) -> Self {
        let everybody = Self::everybody(world);
        let mut offer = Self::offer_of(session, everybody.clone(), Self::releases(world));
        offer.asker.researcher = researcher.to_owned();
        let nodes: Vec<_> = everybody.iter().map(|node| world.as_broker(node.as_str())).collect();
        world.wait(async {
            let told = futures::future::join_all(nodes.iter().map(|node| node.open_session(&offer))).await;
            told.into_iter().collect::<Result<Vec<()>, _>>().expect("an honest session opens");
        });
        Self { world, session }
    }

    /// What the platform would sign for a script in this session.
    pub fn request(&self, script: &str) -> ScriptRequest {
        let (nodes, releases) = (Self::everybody(self.world), Self::releases(self.world));
        self.world.request_for(self.session, World::ASKER, &nodes, &releases, script)
    }

    /// Hands a request to one node, for a job.
    pub fn admit_at(&self, node: &str, job: JobId, signed: &SignedRequest) -> Result<(), RunError> {
        let order = AdmitOrder { session: self.session, job, signed: Arc::new(signed.clone()) };
        self.world.wait(self.world.as_broker(node).admit(&order))
    }

    /// Hands a request to all nodes, which take it.
    pub fn admit(&self, signed: &SignedRequest) -> JobId {
        let job = JobId(fresh());
        for node in Self::everybody(self.world) {
            self.admit_at(node.as_str(), job, signed).expect("a request of the platform");
        }
        job
    }

    /// Has the platform ask for a script, and offers it to all nodes.
    pub fn offer(&self, script: &str) -> Offered {
        self.offer_request(&self.request(script))
    }

    /// Has the platform sign a request, and offers its script to all nodes.
    pub fn offer_request(&self, request: &ScriptRequest) -> Offered {
        let plan = self.world.plan(&request.script);
        let job = self.admit(&self.world.sign(request));
        let offer = JobOffer {
            session: self.session,
            job,
            catalogue: Arc::new(self.world.catalogue()),
            plan: plan.hash(),
        };
        let nodes: Vec<_> =
            Self::everybody(self.world).iter().map(|node| self.world.as_broker(node.as_str())).collect();
        let rules = self.world.wait(futures::future::join_all(nodes.iter().map(|node| node.offer(&offer))));
        let rules = rules.into_iter().collect::<Result<Vec<_>, _>>().expect("granted");
        Offered { job: offer.job, plan, rules }
    }

    /// The order for one try.
    pub fn order(&self, offered: &Offered, attempt: AttemptId, question: u32) -> ComputeOrder {
        ComputeOrder {
            session: self.session,
            job: offered.job,
            attempt,
            question,
            rules: offered.rules.clone(),
        }
    }

    /// Has a question of two owners, or of one, computed under this attempt.
    pub fn ask(&self, offered: &Offered, attempt: AttemptId, question: u32) -> [Ended; 2] {
        let asked = &offered.plan.questions[question as usize];
        let roles = self.world.federation.roles(&asked.left.owner, asked.right_owner()).expect("roles");
        let order = self.order(offered, attempt, question);
        let deal = DealOrder {
            session: self.session,
            attempt,
            left: roles.left.clone(),
            right: roles.right.clone(),
        };
        let client = |party: &OwnerId| self.world.as_broker(party.as_str());
        let (left, right, dealer) = (client(&roles.left), client(&roles.right), client(&roles.dealer));
        self.world.wait(async {
            let dealing = dealer.deal(&deal);
            let working = futures::future::join(work(&*left, &order), work(&*right, &order));
            // A worker that refuses leaves the dealer waiting: nobody waits for it here.
            tokio::select! {
                biased;
                (left, right) = working => [left, right],
                _ = async { let _ = dealing.await; std::future::pending::<()>().await } => unreachable!("pending"),
            }
        })
    }
}

/// Follows one worker to its outcome.
pub async fn work(node: &dyn NodeClient, order: &ComputeOrder) -> Ended {
    let mut events = node.compute(order).await?;
    while let Some(event) = events.next().await {
        match event? {
            ComputeEvent::Stage(_) | ComputeEvent::Recorded(_) => {}
            outcome => return Ok(outcome),
        }
    }
    Err(RunError::Internal { step: "no outcome" })
}
