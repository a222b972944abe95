//! SNS: the installation's topic.

use aws_config::SdkConfig;
use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;
use perch_app::ports::{Message, PortError, PublishMessage};

use crate::error::port_error;

/// The installation's topic.
#[derive(Debug, Clone)]
pub struct Topic {
    client: Client,
    arn: String,
}

impl Topic {
    /// The topic of this ARN.
    pub fn new(sdk: &SdkConfig, arn: String) -> Self {
        Self { client: Client::new(sdk), arn }
    }
}

impl PublishMessage for Topic {
    async fn publish(&self, message: &Message) -> Result<(), PortError> {
        let mut request = self
            .client
            .publish()
            .topic_arn(&self.arn)
            .subject(&message.subject)
            .message(&message.text);
        for (name, value) in &message.attributes {
            let value = MessageAttributeValue::builder()
                .data_type("String")
                .string_value(value)
                .build()
                .map_err(|e| PortError::Invalid {
                    what: format!("message attribute {name}"),
                    message: e.to_string(),
                })?;
            request = request.message_attributes(*name, value);
        }
        request.send().await.map_err(|e| port_error("the notification topic", e))?;
        Ok(())
    }
}
