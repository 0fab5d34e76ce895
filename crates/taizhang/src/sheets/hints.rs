//! What no rule can tell from the contracts: a few exceptions, each for one field or method.

/// Methods that no row is taken along, and so the states behind them: they would make or change other
/// records, or tell of a past that a row has no room for.
pub(super) const NOT_TAKEN: &[&str] = &[
    "SplitMatter",
    "MergeMatter",
    "RecheckMatter",
    "ReturnMatter",
    // Gathers its figures from the other services.
    "CreateAnnualReport",
];

/// Where a request's field is in the record, if it has another name there: request, field, and the
/// record's field.
pub(super) const FILLED_FROM: &[(&str, &str, &str)] = &[
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

/// A field of an entry that says that it is the last one, and takes the record on.
pub(super) const FINAL: &str = "final";

/// The value of an entry's field that is seldom told, and what it is then.
pub(super) const TAKEN_FOR: &[(&str, i32)] = &[
    // Whoever is only named took part with a vote.
    ("taizhang.meetings.v1.Participant.role", 1),
];

/// A field of an entry that says what really came about. A list is given again to the method that
/// asks for it if any entry has it; else that method knows better.
pub(super) const CAME_ABOUT: &str = "present";
