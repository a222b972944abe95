//! Settings from the environment, read once at cold start: every missing name is reported at once.

/// Reads environment variables and remembers the missing ones.
#[derive(Debug, Default)]
pub struct Env {
    missing: Vec<&'static str>,
}

/// Settings that are missing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("missing in the function's environment: {}", .0.join(", "))]
pub struct MissingSettings(pub Vec<&'static str>);

impl Env {
    /// The value of a variable that has to be there and not empty.
    pub fn required(&mut self, name: &'static str) -> String {
        #[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
        match std::env::var(name) {
            Ok(value) if !value.is_empty() => value,
            Ok(_) | Err(_) => {
                self.missing.push(name);
                String::new()
            }
        }
    }

    /// `config` if nothing was missing.
    pub fn finish<T>(self, config: T) -> Result<T, MissingSettings> {
        if self.missing.is_empty() { Ok(config) } else { Err(MissingSettings(self.missing)) }
    }
}
