//! The webhook, at a small service of the test's own.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use perch_app::ports::{SwitchCache, Switched};
use perch_core::target::Cache;
use perch_serving::Caches;
use serde_json::{Value, json};

use crate::redis_server::RedisServer;
use crate::world::{Secrets, cache, later, refused};

/// Every request that came: its token and its body; and the statuses to answer with, the last for ever.
type Calls = (Vec<(String, Value)>, Vec<u16>);

#[derive(Clone)]
struct Service(Arc<Mutex<Calls>>);

impl Service {
    async fn start(statuses: &[u16]) -> (Self, String) {
        let service = Self(Arc::new(Mutex::new((Vec::new(), statuses.to_vec()))));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/turn", listener.local_addr().unwrap());
        let app = Router::new().route("/turn", post(take)).with_state(service.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (service, url)
    }

    fn came(&self) -> Vec<(String, Value)> {
        self.0.lock().unwrap().0.clone()
    }
}

async fn take(
    State(it): State<Service>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> StatusCode {
    let mut it = it.0.lock().unwrap();
    let token = headers.get("authorization").map(|v| v.to_str().unwrap().to_owned());
    it.0.push((token.unwrap_or_default(), body));
    let status = if it.1.len() > 1 { it.1.remove(0) } else { it.1[0] };
    StatusCode::from_u16(status).unwrap()
}

fn webhook(url: &str) -> Cache {
    cache(json!({ "webhook": { "url": url, "token": "ssm:/perch/cache/t0ken" } }))
}

#[tokio::test]
async fn a_service_is_told_of_the_turn_with_its_token() {
    let (service, url) = Service::start(&[204]).await;
    let (caches, news) = (Caches::new(Secrets).unwrap(), "news".parse().unwrap());
    let switched = caches.switch(&webhook(&url), &news, Some("v1"), "v2").await.unwrap();
    assert_eq!(switched, Switched::Done);
    let body = json!({ "model": "news", "generation": "v2", "former": "v1" });
    assert_eq!(service.came(), [("Bearer t0ken".to_owned(), body)]);
    assert_eq!(caches.generation(&webhook(&url), &news).await.unwrap(), None);
}

#[tokio::test]
async fn a_service_that_stumbles_is_told_again_and_one_that_refuses_is_not() {
    let (caches, news) = (Caches::new(Secrets).unwrap(), "news".parse().unwrap());
    let (service, url) = Service::start(&[503, 500, 200]).await;
    caches.switch(&webhook(&url), &news, None, "v2").await.unwrap();
    assert_eq!(service.came().len(), 3);
    let (service, url) = Service::start(&[503]).await;
    let error = later(caches.switch(&webhook(&url), &news, None, "v2").await);
    assert!(error.contains("503") && !error.contains(&url), "{error}");
    assert_eq!(service.came().len(), 3);
    let (service, url) = Service::start(&[422]).await;
    refused(caches.switch(&webhook(&url), &news, None, "v2").await);
    assert_eq!(service.came().len(), 1);
}

#[tokio::test]
async fn a_service_is_not_told_of_a_turn_that_did_not_happen() {
    let redis = RedisServer::start().await;
    let () = redis.ask(&["SET", "news:generation", "v9"]);
    let (service, url) = Service::start(&[204]).await;
    let both = cache(json!({ "redis": { "url": redis.url() }, "webhook": { "url": url } }));
    let (caches, news) = (Caches::new(Secrets).unwrap(), "news".parse().unwrap());
    let switched = caches.switch(&both, &news, Some("v1"), "v2").await.unwrap();
    assert_eq!(switched, Switched::Other { found: Some("v9".to_owned()) });
    assert!(service.came().is_empty());
    caches.switch(&both, &news, Some("v9"), "v2").await.unwrap();
    assert_eq!(service.came().len(), 1);
}
