//! TensorFlow Serving, played by a small server that follows the published behaviour: no binary of it is
//! at hand. Whole-set configuration, loads that take a while, labels that only an available version takes.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::routing::post;
use axum::{Json, Router};
use perch_core::names::Version;
use perch_core::reload::Load;
use perch_serving::tensorflow::messages::{
    GetModelMetadataRequest, GetModelMetadataResponse, GetModelStatusRequest,
    GetModelStatusResponse, Int64Value, ModelConfig, ModelSpec, ModelVersionStatus,
    ReloadConfigRequest, ReloadConfigResponse, State, StatusProto, VersionChoice,
};
use serde_json::json;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Code, Status};
use tonic_prost::ProstCodec;

use crate::world::{One, later, model, refused, servers};

/// What the played server has.
#[derive(Default)]
struct Served {
    configs: Vec<ModelConfig>,
    /// Per model and version: how far it is.
    states: BTreeMap<(String, i64), (State, i32)>,
    labels: HashMap<(String, String), i64>,
    reloads: usize,
}

#[derive(Clone, Default)]
struct Played(Arc<Mutex<Served>>);

impl Played {
    /// A server with version 1 of `news` and version 7 of `ads`, and its REST port beside.
    async fn start() -> (Self, One) {
        let played = Self::default();
        for (model, version) in [("news", 1), ("ads", 7)] {
            played.set(model, version, State::Available, 0);
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let routes = tonic::service::Routes::new(Service::<Models>::new(&played))
            .add_service(Service::<Predictions>::new(&played));
        let app = routes.into_axum_router();
        tokio::spawn(async move { axum::serve(listener, app).await });
        let rest = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut spec = servers("tensorflow-serving", "news", "2s");
        let tensorflow = spec.tensorflow.as_mut().unwrap();
        tensorflow.rest_port = rest.local_addr().unwrap().port();
        tensorflow.other_models =
            serde_json::from_value(json!([{ "name": "ads", "basePath": "/models/ads" }])).unwrap();
        let predict = |Json(input): Json<serde_json::Value>| async move { Json(input) };
        let app = Router::new().route("/v1/models/news/versions/{version}", post(predict));
        tokio::spawn(async move { axum::serve(rest, app).await });
        (played, One::new(spec, port))
    }

    fn set(&self, model: &str, version: i64, state: State, code: i32) {
        self.0.lock().unwrap().states.insert((model.to_owned(), version), (state, code));
    }

    fn label(&self, label: &str) -> Option<i64> {
        self.0.lock().unwrap().labels.get(&("news".to_owned(), label.to_owned())).copied()
    }

    /// The versions of a model that answer.
    fn available(&self, model: &str) -> Vec<i64> {
        let served = self.0.lock().unwrap();
        let of = served.states.iter().filter(|((name, _), _)| name == model);
        of.filter(|(_, (state, _))| *state == State::Available).map(|((_, v), _)| *v).collect()
    }

    fn reload(&self, request: ReloadConfigRequest) -> Result<ReloadConfigResponse, Status> {
        let list = request.config.and_then(|config| config.model_config_list);
        let configs = list.ok_or_else(|| Status::invalid_argument("no config"))?.config;
        let mut served = self.0.lock().unwrap();
        served.reloads += 1;
        let wants = |model: &str, version: i64| {
            let config = configs.iter().find(|config| config.name == model)?;
            let policy = config.model_version_policy.as_ref()?.specific.as_ref()?;
            Some(policy.versions.contains(&version))
        };
        let named = |model: &str| configs.iter().any(|config| config.name == model);
        for ((model, version), (state, _)) in &mut served.states {
            // Without a policy the newest is served: the model has one version here.
            if *state == State::Available
                && (!named(model) || wants(model, *version) == Some(false))
            {
                *state = State::End;
            }
        }
        for config in &configs {
            for version in config.model_version_policy.iter().flat_map(|policy| &policy.specific) {
                for number in &version.versions {
                    let at = (config.name.clone(), *number);
                    let ended = !matches!(
                        served.states.get(&at),
                        Some((State::Available | State::Loading, _))
                    );
                    if ended {
                        served.states.insert(at, (State::Loading, 0));
                    }
                }
            }
        }
        served.configs.clone_from(&configs);
        let mut labels = HashMap::new();
        for config in &configs {
            for (label, version) in &config.version_labels {
                match served.states.get(&(config.name.clone(), *version)) {
                    Some((State::Available, _)) => {
                        labels.insert((config.name.clone(), label.clone()), *version)
                    }
                    _ => {
                        return Err(Status::failed_precondition(format!(
                            "Request to assign label to {} version {version}, which is not currently available for inference",
                            config.name
                        )));
                    }
                };
            }
        }
        served.labels = labels;
        Ok(ReloadConfigResponse { status: Some(StatusProto::default()) })
    }

    fn status(&self, request: GetModelStatusRequest) -> Result<GetModelStatusResponse, Status> {
        let name = request.model_spec.unwrap_or_default().name;
        let served = self.0.lock().unwrap();
        let of = served.states.iter().filter(|((model, _), _)| *model == name);
        let statuses: Vec<_> = of
            .map(|((_, version), (state, code))| ModelVersionStatus {
                version: *version,
                state: (*state).into(),
                status: Some(StatusProto {
                    error_code: *code,
                    error_message: "disk broke".to_owned(),
                }),
            })
            .collect();
        if statuses.is_empty() {
            return Err(Status::not_found(format!("Could not find any versions of model {name}")));
        }
        Ok(GetModelStatusResponse { model_version_status: statuses })
    }

    fn metadata(
        &self,
        request: GetModelMetadataRequest,
    ) -> Result<GetModelMetadataResponse, Status> {
        let spec = request.model_spec.unwrap_or_default();
        let Some(VersionChoice::VersionLabel(label)) = spec.version_choice else {
            return Err(Status::new(Code::Unimplemented, "by label alone"));
        };
        let found = self.0.lock().unwrap().labels.get(&(spec.name.clone(), label.clone())).copied();
        let version = found.ok_or_else(|| {
            Status::invalid_argument(format!("Unrecognized servable version label: {label}"))
        })?;
        let version_choice = Some(VersionChoice::Version(Int64Value { value: version }));
        Ok(GetModelMetadataResponse {
            model_spec: Some(ModelSpec { name: spec.name, version_choice }),
        })
    }
}

/// A method: what it takes, what it gives, and how the played server answers it.
struct Unary<Q, A>(Played, fn(&Played, Q) -> Result<A, Status>);

impl<Q, A> UnaryService<Q> for Unary<Q, A> {
    type Response = A;
    type Future = Ready<Result<tonic::Response<A>, Status>>;

    fn call(&mut self, request: tonic::Request<Q>) -> Self::Future {
        ready((self.1)(&self.0, request.into_inner()).map(tonic::Response::new))
    }
}

#[derive(Clone, Copy)]
struct Models;
#[derive(Clone, Copy)]
struct Predictions;

#[derive(Clone)]
struct Service<S>(Played, std::marker::PhantomData<S>);

impl<S> Service<S> {
    fn new(played: &Played) -> Self {
        Self(played.clone(), std::marker::PhantomData)
    }
}

impl NamedService for Service<Models> {
    const NAME: &'static str = "tensorflow.serving.ModelService";
}

impl NamedService for Service<Predictions> {
    const NAME: &'static str = "tensorflow.serving.PredictionService";
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

async fn unary<Q, A>(
    unary: Unary<Q, A>,
    request: Request<Body>,
) -> Result<Response<Body>, Infallible>
where
    Q: prost::Message + Default + Send + Sync + 'static,
    A: prost::Message + Send + Sync + 'static,
{
    let codec: ProstCodec<A, Q> = ProstCodec::default();
    Ok(Grpc::new(codec).unary(unary, request).await)
}

impl<S: Send + 'static> tower_service::Service<Request<Body>> for Service<S> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        let played = self.0.clone();
        match request.uri().path().rsplit('/').next().unwrap_or_default() {
            "GetModelStatus" => Box::pin(unary(Unary(played, Played::status), request)),
            "HandleReloadConfigRequest" => Box::pin(unary(Unary(played, Played::reload), request)),
            _ => Box::pin(unary(Unary(played, Played::metadata), request)),
        }
    }
}

#[tokio::test]
async fn a_model_is_staged_labelled_and_the_former_one_taken_back() {
    let (played, one) = Played::start().await;
    assert_eq!(one.active().await.as_deref(), Some("1"));
    one.stage(&model("2")).await.unwrap();
    assert_eq!(played.label("stable"), Some(1), "callers that use the label keep what they had");
    assert_eq!(one.state().await.unwrap().load_of(&v("2")), Some(&Load::Loading));
    later(one.activate("2").await);
    later(one.probe("2", &json!({ "instances": [1] })).await);
    played.set("news", 2, State::Available, 0);
    assert_eq!(one.active().await.as_deref(), Some("1"), "the label decides, not the number");
    let answer = one.probe("2", &json!({ "instances": [1] })).await.unwrap();
    assert_eq!(answer, json!({ "instances": [1] }));
    one.activate("2").await.unwrap();
    assert_eq!((played.label("stable"), one.active().await.as_deref()), (Some(2), Some("2")));
    assert!(refused(one.unload("2").await).contains("answers callers"));
    one.activate("1").await.unwrap();
    assert_eq!(one.active().await.as_deref(), Some("1"));
    one.unload("2").await.unwrap();
    assert_eq!((played.available("news"), played.available("ads")), (vec![1], vec![7]));
    let reloads = played.0.lock().unwrap().reloads;
    one.unload("2").await.unwrap();
    assert_eq!(played.0.lock().unwrap().reloads, reloads, "nothing to do, nothing replaced");
}

#[tokio::test]
async fn a_failed_load_keeps_the_old_model_and_a_later_one_works() {
    let (played, one) = Played::start().await;
    one.stage(&model("2")).await.unwrap();
    played.set("news", 2, State::End, 14);
    let reason = "disk broke".to_owned();
    assert_eq!(one.settled("2").await, Some(Load::Failed { reason }));
    assert_eq!((played.available("news"), one.active().await.as_deref()), (vec![1], Some("1")));
    one.stage(&model("2")).await.unwrap();
    played.set("news", 2, State::Available, 0);
    one.activate("2").await.unwrap();
    assert_eq!(played.available("news"), [1, 2]);
}

#[tokio::test]
async fn the_other_models_are_given_with_every_change() {
    let (played, mut one) = Played::start().await;
    one.stage(&model("2")).await.unwrap();
    assert_eq!(played.available("ads"), [7]);
    let config = played.0.lock().unwrap().configs.clone();
    assert_eq!(config.len(), 2);
    assert_eq!(
        (config[0].base_path.as_str(), config[0].model_platform.as_str()),
        ("/models/news", "tensorflow")
    );
    one.servers.tensorflow.as_mut().unwrap().other_models.clear();
    one.stage(&model("3")).await.unwrap();
    assert!(
        played.available("ads").is_empty(),
        "as TensorFlow Serving does: what is not given ends"
    );
}

#[tokio::test]
async fn what_can_not_be_is_refused_before_anything_is_replaced() {
    let (played, mut one) = Played::start().await;
    assert!(refused(one.stage(&model("v2")).await).contains("whole numbers"));
    one.servers.tensorflow = None;
    assert!(refused(one.stage(&model("2")).await).contains("tensorflow.basePath"));
    assert_eq!(played.0.lock().unwrap().reloads, 0);
    let nobody = One::new(one.servers.clone(), crate::child::free_port());
    later(nobody.state().await);
}

fn v(text: &str) -> Version {
    text.parse().unwrap()
}
