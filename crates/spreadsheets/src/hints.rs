//! Exceptions that no rule can derive from the contracts, each for one field or method.

/// Methods that an import never calls, so that the states behind them can't be imported: they make
/// or change other records, or need a past that a row has no room for.
pub(crate) const EXCLUDED_METHODS: &[&str] = &[
    "SplitMatter",
    "MergeMatter",
    "RecheckMatter",
    "ReturnMatter",
    // Gathers its figures from the other services.
    "CreateAnnualReport",
];

/// Fields of requests whose value is in a field of another name in the record: the request, its
/// field, and the record's field.
pub(crate) const RENAMED_FIELDS: &[(&str, &str, &str)] = &[
    ("RefuseReceptionRequest", "refused_on", "dropped_on"),
    ("RefuseReceptionRequest", "reason", "drop_reason"),
    ("CancelReceptionRequest", "cancelled_on", "dropped_on"),
    ("CancelReceptionRequest", "reason", "drop_reason"),
    ("BeginSupportAssignmentRequest", "begun_on", "first_day"),
    (
        "CompleteSupportAssignmentRequest",
        "completed_on",
        "last_day",
    ),
    // The final report, where the row has no list of reports.
    ("SubmitFeedbackRequest", "feedback.date", "reported_on"),
    ("SubmitFeedbackRequest", "feedback.progress", "conclusion"),
];

/// The field of a list's entry that marks it as the final one, which changes the record's state.
pub(crate) const FINAL: &str = "final";

/// Enum fields of entries that rows seldom give, with the value that is assumed then.
pub(crate) const DEFAULT_VALUES: &[(&str, i32)] = &[
    // Whoever is only named took part with a vote.
    ("taizhang.meetings.v1.Participant.role", 1),
];

/// The field of a list's entry that says whether the entry came about. A method that replaces the
/// list is given it only if some entry has this field set; else the method assumes it.
pub(crate) const PRESENT: &str = "present";
