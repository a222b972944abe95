//! EventBridge: the installation's bus, for systems that react to releases.

use aws_config::SdkConfig;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use perch_app::ports::{NotTaken, PortError, PutEvents};
use perch_core::outgoing::{Outgoing, SOURCE};

use crate::error::port_error;

/// The installation's bus.
#[derive(Debug, Clone)]
pub struct Bus {
    client: Client,
    name: String,
}

impl Bus {
    /// The bus of this name or ARN.
    pub fn new(sdk: &SdkConfig, name: String) -> Self {
        Self { client: Client::new(sdk), name }
    }

    fn entry(&self, event: &Outgoing) -> Result<PutEventsRequestEntry, PortError> {
        let detail = serde_json::to_string(&event.detail).map_err(|error| PortError::Invalid {
            what: format!("event {}", event.name),
            message: error.to_string(),
        })?;
        // Whole seconds: the service keeps no more. The detail has the rest.
        Ok(PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(SOURCE)
            .detail_type(event.name)
            .time(DateTime::from_secs(event.at.as_second()))
            .detail(detail)
            .build())
    }
}

impl PutEvents for Bus {
    async fn put(&self, events: &[&Outgoing]) -> Result<Vec<NotTaken>, PortError> {
        let entries: Result<Vec<_>, _> = events.iter().map(|event| self.entry(event)).collect();
        let request = self.client.put_events().set_entries(Some(entries?));
        let answer = request.send().await.map_err(|error| port_error("the event bus", error))?;
        let results = answer.entries.unwrap_or_default().into_iter().enumerate();
        let failed = results.filter_map(|(at, result)| {
            let code = result.error_code?;
            let why = result.error_message.map_or(code.clone(), |text| format!("{code}: {text}"));
            Some(NotTaken { at, why })
        });
        Ok(failed.collect())
    }
}
