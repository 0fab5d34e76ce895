//! Authorization: every method of every service, with every kind of insufficient token.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use prost_reflect::ReflectMessage;
use taizhang::roles::ROLES;
use taizhang_contracts::common::Level;
use taizhang_contracts::descriptors::pool;
use taizhang_contracts::meetings::meeting_service_client::MeetingServiceClient;
use taizhang_contracts::meetings::{
    CreateMeetingRequest, GetMeetingRequest, ListMeetingsRequest, Meeting, MeetingKind,
};
use taizhang_contracts::{METHODS, Office};
use taizhang_runtime::identity::{Grant, Keyring};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_types::StatusExt;

use crate::harness::{ANOTHER, Bearer, OFFICE, Suite, reason};
use crate::served_methods::{self, ServedMethod, error_reason};

on_each_database!(
    every_method_is_served_and_no_other,
    no_method_answers_without_a_valid_token,
    every_method_requires_its_own_scope,
    no_method_answers_for_another_office,
    no_method_answers_to_an_expired_token,
    a_revoked_token_is_refused_everywhere_within_ten_seconds,
    refusals_do_not_reveal_whether_a_record_exists,
    health_and_reflection_need_no_token,
);

/// Asserts an error with a documented reason; returns its code and reason.
fn refused(
    result: Result<prost_reflect::DynamicMessage, Status>,
    at: &ServedMethod,
) -> (Code, String) {
    let status = match result {
        Ok(answer) => panic!("{at} answered {}", answer.descriptor().full_name()),
        Err(status) => status,
    };
    (status.code(), error_reason(&status, "zh-CN", at))
}

fn all_scopes() -> Vec<String> {
    served_methods::scopes().into_iter().collect()
}

fn token(suite: &Suite, office: &str, scopes: &[String]) -> String {
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    suite.token(&[office], &scopes)
}

async fn every_method_is_served_and_no_other(suite: Suite) {
    let methods = served_methods::all();
    let in_contracts: Vec<String> = pool()
        .services()
        .flat_map(|s| s.methods().collect::<Vec<_>>())
        .filter(|m| m.full_name().starts_with("taizhang."))
        .map(|m| m.full_name().to_owned())
        .collect();
    assert_eq!(in_contracts.len(), METHODS.len());
    for method in &in_contracts {
        let served = methods.iter().any(|w| w.method.full_name() == method);
        assert!(served, "no service serves {method}");
    }
    let token = suite.every_scope();
    for at in &methods {
        let code = match at.call_with(&suite, &token, at.request(OFFICE)).await {
            Ok(_) => continue,
            Err(status) => {
                error_reason(&status, "zh-CN", at);
                status.code()
            }
        };
        let ours = [
            Code::InvalidArgument,
            Code::NotFound,
            Code::FailedPrecondition,
        ];
        assert!(ours.contains(&code), "{at}: {code:?}");
    }
    // A service serves no method of another one, and no unknown method.
    for at in &methods {
        let service = at.method.parent_service();
        for role in ROLES {
            if role.grpc_services.contains(&service.full_name()) {
                continue;
            }
            let elsewhere = ServedMethod {
                role,
                method: at.method.clone(),
            };
            let bare = elsewhere.call(&suite, &[], at.request(OFFICE)).await;
            assert_eq!(refused(bare, &elsewhere).1, "TOKEN_MISSING", "{elsewhere}");
            let answer = elsewhere.call_with(&suite, &token, at.request(OFFICE));
            let (code, reason) = refused(answer.await, &elsewhere);
            assert_eq!(code, Code::Unimplemented, "{elsewhere}");
            assert_eq!(reason, "METHOD_UNKNOWN", "{elsewhere}");
        }
    }
}

async fn no_method_answers_without_a_valid_token(suite: Suite) {
    let good = suite.every_scope();
    // The same claims, signed by another key.
    let folder = tempfile::tempdir().unwrap();
    let grant = Grant {
        system: "tests".into(),
        offices: vec![Office::of(OFFICE).unwrap()],
        scopes: all_scopes(),
        valid_for: TimeDelta::hours(1),
    };
    let stranger = Keyring::open_or_create(folder.path()).unwrap();
    let stranger = stranger.issue(grant).unwrap();
    let mut altered = good.clone().into_bytes();
    let middle = altered.len() / 2;
    altered[middle] = if altered[middle] == b'A' { b'B' } else { b'A' };
    let altered = String::from_utf8(altered).unwrap();

    let cases = [
        (None, "TOKEN_MISSING"),
        (Some(String::new()), "TOKEN_MISSING"),
        (Some(good.clone()), "TOKEN_MISSING"),
        (Some(format!("Basic {good}")), "TOKEN_MISSING"),
        (Some("Bearer".into()), "TOKEN_MISSING"),
        (Some("Bearer garbage".into()), "TOKEN_INVALID"),
        (Some("Bearer v4.public.AAAA".into()), "TOKEN_INVALID"),
        (Some(format!("Bearer {altered}")), "TOKEN_INVALID"),
        (Some(format!("Bearer {stranger}")), "TOKEN_INVALID"),
        (Some(format!("Bearer {}", &good[..middle])), "TOKEN_INVALID"),
    ];
    for at in served_methods::all() {
        for (authorization, reason) in &cases {
            let metadata: Vec<(&'static str, &str)> = authorization
                .iter()
                .map(|value| ("authorization", value.as_str()))
                .collect();
            let answer = at.call(&suite, &metadata, at.request(OFFICE)).await;
            let refusal = refused(answer, &at);
            let wanted = (Code::Unauthenticated, (*reason).to_owned());
            assert_eq!(refusal, wanted, "{at} with {authorization:?}");
        }
    }
}

async fn every_method_requires_its_own_scope(suite: Suite) {
    for at in served_methods::all() {
        let wanted = at.scope();
        let others: Vec<String> = all_scopes().into_iter().filter(|s| *s != wanted).collect();
        let lacking = token(&suite, OFFICE, &others);
        let answer = at.call_with(&suite, &lacking, at.request(OFFICE)).await;
        let status = answer.expect_err("a method without its scope");
        assert_eq!(error_reason(&status, "zh-CN", &at), "SCOPE_MISSING", "{at}");
        assert_eq!(status.code(), Code::PermissionDenied, "{at}");
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.metadata.get("scope"), Some(&wanted), "{at}");

        // The one scope suffices.
        let only = token(&suite, OFFICE, &[wanted]);
        if let Err(status) = at.call_with(&suite, &only, at.request(OFFICE)).await {
            let reason = reason(&status);
            let within = !["SCOPE_MISSING", "OFFICE_NOT_GRANTED"].contains(&reason.as_str());
            // Reporting calls its sources with the caller's token, which must suffice there too.
            let by_source = at.role.name == "reporting" && reason == "SCOPE_MISSING";
            assert!(within || by_source, "{at}: {status:?}");
        }
    }
}

async fn no_method_answers_for_another_office(suite: Suite) {
    let elsewhere = token(&suite, ANOTHER, &all_scopes());
    for at in served_methods::all() {
        // Refused before the name is looked up, which does not exist.
        let answer = at.call_with(&suite, &elsewhere, at.request(OFFICE)).await;
        let wanted = (Code::PermissionDenied, "OFFICE_NOT_GRANTED".to_owned());
        assert_eq!(refused(answer, &at), wanted, "{at}");
    }
}

async fn no_method_answers_to_an_expired_token(suite: Suite) {
    let scopes = all_scopes();
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    let expired = suite.token_for(&[OFFICE], &scopes, TimeDelta::microseconds(1));
    for at in served_methods::all() {
        let answer = at.call_with(&suite, &expired, at.request(OFFICE)).await;
        let wanted = (Code::Unauthenticated, "TOKEN_EXPIRED".to_owned());
        assert_eq!(refused(answer, &at), wanted, "{at}");
    }

    // Nor to a token that expires while it is in use.
    let methods = served_methods::all();
    let at = methods.first().unwrap();
    let short = suite.token_for(&[OFFICE], &scopes, TimeDelta::seconds(2));
    let mut answered = 0;
    let since = Instant::now();
    loop {
        let answer = at.call_with(&suite, &short, at.request(OFFICE)).await;
        match answer {
            Err(status) if status.code() == Code::Unauthenticated => {
                assert_eq!(reason(&status), "TOKEN_EXPIRED");
                break;
            }
            _ => answered += 1,
        }
        assert!(since.elapsed() < Duration::from_secs(20), "still accepted");
    }
    assert!(answered > 0);
}

async fn a_revoked_token_is_refused_everywhere_within_ten_seconds(suite: Suite) {
    let revoked = token(&suite, OFFICE, &all_scopes());
    let kept = token(&suite, OFFICE, &all_scopes());
    let accepted = |result: &Result<_, Status>| match result {
        Ok(_) => true,
        Err(status) => status.code() != Code::Unauthenticated,
    };
    for at in served_methods::all() {
        let answer = at.call_with(&suite, &revoked, at.request(OFFICE)).await;
        assert!(accepted(&answer), "{at}");
    }

    let keyring = Keyring::open_or_create(&suite.config.identity_folder()).unwrap();
    let issued = keyring.list().unwrap();
    let [.., first, second] = issued.as_slice() else {
        panic!("two tokens were issued: {issued:?}")
    };
    assert_ne!(first.id, second.id);
    keyring.revoke(&first.id).unwrap();
    let since = Instant::now();
    for role in ROLES {
        let at = served_methods::all()
            .into_iter()
            .find(|at| at.role.name == role.name);
        let at = at.unwrap();
        while accepted(&at.call_with(&suite, &revoked, at.request(OFFICE)).await) {
            assert!(since.elapsed() < Duration::from_secs(10), "{at}");
        }
    }
    assert!(since.elapsed() < Duration::from_secs(10));
    for at in served_methods::all() {
        let answer = at.call_with(&suite, &revoked, at.request(OFFICE)).await;
        let wanted = (Code::Unauthenticated, "TOKEN_REVOKED".to_owned());
        assert_eq!(refused(answer, &at), wanted, "{at}");
        // The other token is still valid.
        let answer = at.call_with(&suite, &kept, at.request(OFFICE)).await;
        assert!(accepted(&answer), "{at}");
    }
}

async fn refusals_do_not_reveal_whether_a_record_exists(suite: Suite) {
    let bearing = |token: &str| {
        let channel: Channel = suite.channel("meetings");
        MeetingServiceClient::new(InterceptedService::new(channel, Bearer::of(token).unwrap()))
    };
    let meeting = Meeting {
        title: "常委会会议".into(),
        kind: MeetingKind::StandingCommittee.into(),
        organiser: "县委".into(),
        host_level: Level::County.into(),
        ..Default::default()
    };
    let request = CreateMeetingRequest {
        parent: OFFICE.into(),
        meeting_id: "there".into(),
        meeting: Some(meeting),
        ..Default::default()
    };
    let mut ours = bearing(&token(&suite, OFFICE, &all_scopes()));
    ours.create_meeting(request.clone()).await.unwrap();

    let mut theirs = bearing(&token(&suite, ANOTHER, &all_scopes()));
    let mut refusals = Vec::new();
    for id in ["there", "not-there"] {
        let name = format!("{OFFICE}/meetings/{id}");
        let status = theirs.get_meeting(GetMeetingRequest { name }).await;
        let status = status.unwrap_err();
        refusals.push((status.message().to_owned(), status.details().to_vec()));
        let request = CreateMeetingRequest {
            meeting_id: id.into(),
            ..request.clone()
        };
        let status = theirs.create_meeting(request).await.unwrap_err();
        assert_eq!(reason(&status), "OFFICE_NOT_GRANTED");
    }
    assert_eq!(refusals[0], refusals[1]);

    // Records of one office are not in another's list.
    let request = ListMeetingsRequest {
        parent: ANOTHER.into(),
        show_deleted: true,
        ..Default::default()
    };
    let listed = theirs.list_meetings(request).await.unwrap().into_inner();
    assert!(listed.meetings.is_empty());
}

async fn health_and_reflection_need_no_token(suite: Suite) {
    for role in ROLES {
        let mut health = HealthClient::new(suite.channel(role.name));
        let service = String::new();
        let answer = health.check(HealthCheckRequest { service }).await.unwrap();
        assert_eq!(answer.into_inner().status(), ServingStatus::Serving);

        let mut reflection = ServerReflectionClient::new(suite.channel(role.name));
        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let request = futures::stream::iter([request]);
        let answer = reflection.server_reflection_info(request).await.unwrap();
        assert!(answer.into_inner().message().await.unwrap().is_some());
    }
}
