//! From one invocation to one reply or one typed function error.
//!
//! Reads the request, applies the image's fault if it has one, asks the classifier. The error
//! types callers see are `InvalidInput` and `ModelFailure`.

use std::num::NonZeroU32;
use std::time::Instant;

use lambda_runtime::{Diagnostic, tracing};
use serde::Serialize;
use serde_json::Value;

use news_classifier::classifier::is_unsure;
use news_classifier::input::{InvalidInput, text_of};

use crate::assets::Assets;
use crate::fault::Harm;

/// The function between two invocations.
#[derive(Debug)]
pub(crate) struct Service {
    assets: Assets,
    started: Instant,
}

/// What a caller gets.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reply<'a> {
    category: &'a str,
    confidence: f64,
    model_version: &'a str,
    image_build: &'a str,
}

/// Why a request was not answered.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RequestError {
    #[error(transparent)]
    InvalidInput(#[from] InvalidInput),
    #[error("the model of image build {build} failed on this request")]
    ModelFailure { build: String },
}

impl From<RequestError> for Diagnostic {
    fn from(error: RequestError) -> Self {
        let error_type = match error {
            RequestError::InvalidInput(_) => "InvalidInput",
            RequestError::ModelFailure { .. } => "ModelFailure",
        };
        Self { error_type: error_type.into(), error_message: error.to_string() }
    }
}

impl Service {
    /// A service over the image's files; `started` is when the process began.
    pub(crate) fn new(assets: Assets, started: Instant) -> Self {
        Self { assets, started }
    }

    /// Answers `{"text": ".."}` with its category.
    pub(crate) async fn answer(
        &self,
        request: &Value,
        request_id: &str,
    ) -> Result<Reply<'_>, RequestError> {
        let text = text_of(request)?;
        let mut temperature = NonZeroU32::MIN;
        match self.harm(request_id) {
            Harm::None => {}
            Harm::Flatten(by) => temperature = by,
            Harm::Delay(wait) => tokio::time::sleep(wait).await,
            Harm::Fail => {
                tracing::error!(image.build = self.assets.build, "model failed");
                return Err(RequestError::ModelFailure { build: self.assets.build.clone() });
            }
        }
        let found = self.assets.model.classify(text, temperature);
        Ok(Reply {
            category: found.name,
            confidence: found.rounded(),
            model_version: &self.assets.model.version,
            image_build: &self.assets.build,
        })
    }

    fn harm(&self, request_id: &str) -> Harm {
        let fault = self.assets.fault.as_ref();
        fault.map_or(Harm::None, |fault| fault.harm(request_id, self.started.elapsed()))
    }
}

impl Reply<'_> {
    /// Whether the answer is one not to rely on.
    pub(crate) fn is_unsure(&self) -> bool {
        is_unsure(self.confidence)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MODEL: &str = include_str!("../../training/model.json");

    fn service(fault: Option<Value>) -> Service {
        let assets = Assets {
            model: serde_json::from_str(MODEL).unwrap(),
            build: "b7".into(),
            fault: fault.map(|json| serde_json::from_value(json).unwrap()),
        };
        Service::new(assets, Instant::now())
    }

    #[tokio::test]
    async fn headline_gets_category_confidence_and_origin() {
        let service = service(None);
        let reply = service.answer(&json!({"text": "Striker scores in cup final"}), "r").await;
        let reply = serde_json::to_value(reply.unwrap()).unwrap();
        let file: Value = serde_json::from_str(MODEL).unwrap();
        assert_eq!(reply["category"], "sport");
        assert!(reply["confidence"].as_f64().unwrap() > 0.9);
        assert_eq!(reply["modelVersion"], file["version"]);
        assert_eq!(reply["imageBuild"], "b7");
    }

    #[tokio::test]
    async fn bad_input_is_refused_with_the_field() {
        let cases = [
            (json!([]), "request: must be an object such as {\"text\": \"...\"}"),
            (json!({"txt": "x"}), "text: is missing"),
            (json!({"text": 7}), "text: must be a string"),
            (json!({"text": " \n"}), "text: must not be empty"),
            (
                json!({"text": "x".repeat(2001)}),
                "text: has 2001 characters, at most 2000 are accepted",
            ),
        ];
        for (request, expected) in cases {
            let error = Diagnostic::from(service(None).answer(&request, "r").await.unwrap_err());
            assert_eq!(
                (error.error_type.as_str(), error.error_message.as_str()),
                ("InvalidInput", expected)
            );
        }
    }

    #[tokio::test]
    async fn failing_image_returns_a_model_failure() {
        let service = service(Some(json!({"kind": "errors", "rate": 1})));
        let error = service.answer(&json!({"text": "Rain"}), "r").await.unwrap_err();
        assert_eq!(Diagnostic::from(error).error_type, "ModelFailure");
    }

    #[tokio::test]
    async fn slow_image_still_answers() {
        let service = service(Some(json!({"kind": "latency", "rate": 1, "addMs": 20})));
        let before = Instant::now();
        service.answer(&json!({"text": "Rain"}), "r").await.unwrap();
        assert!(before.elapsed().as_millis() >= 20);
    }

    #[tokio::test]
    async fn unsure_image_answers_right_and_with_low_confidence() {
        let text = json!({"text": "Striker scores in cup final"});
        let (healthy, fault) =
            (service(None), json!({"kind": "unsure", "rate": 1, "temperature": 20}));
        let broken = service(Some(fault));
        let (sure, unsure) =
            (healthy.answer(&text, "r").await.unwrap(), broken.answer(&text, "r").await.unwrap());
        assert_eq!(sure.category, unsure.category);
        assert_eq!((sure.is_unsure(), unsure.is_unsure()), (false, true));
    }
}
