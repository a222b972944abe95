//! What can be wrong with a case file.

/// Why a file holds no cases that can be judged.
#[derive(Debug, thiserror::Error)]
pub enum InvalidCase {
    /// The text is not JSON.
    #[error("not JSON")]
    NotJson(#[source] serde_json::Error),
    /// The file is of another format.
    #[error("format is {found}; this version reads format {}", super::FORMAT)]
    Format {
        /// The format that the file says.
        found: String,
    },
    /// There is neither a case nor a list of cases.
    #[error("expected a case, a list of cases, or an object with a list of cases in `cases`")]
    NoList,
    /// The list is empty.
    #[error("there is no case in it")]
    Empty,
    /// Two cases have one name.
    #[error("case {case}: id: there are two cases with this id")]
    Twice {
        /// The name.
        case: String,
    },
    /// A field of a case is missing or can't be.
    #[error("case {case}: {field}: {problem}")]
    Field {
        /// The case's id, or its place in the file where it has none.
        case: String,
        /// The field, such as `minutes[3].c.n`.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
}
