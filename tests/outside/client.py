"""A client of Taizhang that shares no code with it.

Makes its stubs from the contracts with grpcio-tools, as any other system would, and goes the way
from the first record to the annual summary. Ends with an assertion if anything is not as the
contracts say. `./test` runs it; by hand:

    client.py --proto proto --meetings HOST:PORT --supervision HOST:PORT --reception HOST:PORT \
              --research HOST:PORT --reporting HOST:PORT --token TOKEN
"""

import argparse
import datetime
import importlib
import importlib.resources
import pathlib
import sys
import tempfile
import uuid

import grpc
import icalendar
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from grpc_tools import protoc

OFFICE = "offices/demo"
SERVICES = ["meetings", "supervision", "reception", "research", "reporting"]
UTC = datetime.timezone.utc

# What a calendar has to escape, and more than one line of it.
TITLE = "全县重点项目调度会，第一次; 地点: 一楼, 会议室\\主楼 (含视频) — 请各乡镇、各部门主要负责同志准时参加并带齐材料"
NOTE = "第一行：带材料\n第二行: a, b; c\\d\n\n第四行"


def generate(proto: pathlib.Path, out: str) -> None:
    """Makes Python modules of every contract."""
    included = importlib.resources.files("grpc_tools") / "_proto"
    files = sorted(str(f.relative_to(proto)) for f in proto.rglob("*.proto"))
    assert files, f"no contracts in {proto}"
    arguments = ["protoc", f"-I{proto}", f"-I{included}", f"--python_out={out}", f"--grpc_python_out={out}"]
    assert protoc.main(arguments + files) == 0, "the contracts do not compile"
    sys.path.insert(0, out)


class Stubs:
    """The modules made from one contract, and the stubs of its services, on one channel."""

    def __init__(self, package: str, file: str, address: str):
        module = f"taizhang.{package}.v1.{file}_pb2"
        self.messages = importlib.import_module(module)
        self._grpc = importlib.import_module(f"{module}_grpc")
        self._channel = grpc.insecure_channel(address)

    def __getattr__(self, name: str):
        """A service's stub by the service's name, or a message."""
        stub = getattr(self._grpc, f"{name}Stub", None)
        return stub(self._channel) if stub else getattr(self.messages, name)


def refused(call, code: grpc.StatusCode, reason: str) -> dict:
    """Makes a call that must be refused so, and gives the details of the error by their type."""
    try:
        answer = call()
    except grpc.RpcError as error:
        assert error.code() == code, (error.code(), error.details())
        status = rpc_status.from_call(error)
        assert status is not None, "the error has no details"
    else:
        raise AssertionError(f"not refused: {answer}")
    details = {}
    for packed in status.details:
        name = packed.type_url.rsplit(".", 1)[-1]
        message = getattr(error_details_pb2, name)()
        assert packed.Unpack(message), packed.type_url
        details[name] = message
    assert details["ErrorInfo"].domain == "taizhang"
    assert details["ErrorInfo"].reason == reason, details
    assert details["LocalizedMessage"].message
    return details


def instant(text: str) -> Timestamp:
    time = Timestamp()
    time.FromDatetime(datetime.datetime.fromisoformat(text).astimezone(UTC))
    return time


class Client:
    def __init__(self, arguments):
        self.meetings = Stubs("meetings", "meeting", arguments.meetings)
        self.reception = Stubs("reception", "reception", arguments.reception)
        self.supervision = Stubs("supervision", "matter", arguments.supervision)
        self.reporting = Stubs("reporting", "annual_report", arguments.reporting)
        self.types = importlib.import_module("taizhang.common.v1.types_pb2")
        self.metadata = [("authorization", f"Bearer {arguments.token}")]

    def date(self, year, month, day):
        return self.types.Date(year=year, month=month, day=day)

    def period(self, first, last):
        return self.types.Period(first_day=self.date(*first), last_day=self.date(*last))

    def meeting(self, title: str, start: str, **more):
        """A meeting of two hours that the office organises."""
        end = datetime.datetime.fromisoformat(start) + datetime.timedelta(hours=2)
        return self.meetings.Meeting(
            title=title,
            kind=self.meetings.MEETING_KIND_THEMATIC,
            organiser="县委办公室",
            organised_by_office=True,
            host_level=self.types.LEVEL_COUNTY,
            chair="张三",
            place="一号会议室",
            start_time=instant(start),
            end_time=instant(end.isoformat()),
            participants=[
                self.meetings.Participant(person="李四", role=self.meetings.PARTICIPANT_ROLE_ATTENDEE)
            ],
            **more,
        )

    def create(self, meeting, **more):
        request = self.meetings.CreateMeetingRequest(parent=OFFICE, meeting=meeting, **more)
        return self.meetings.MeetingService.CreateMeeting(request, metadata=self.metadata)

    def act(self, method: str, meeting, **more):
        """Calls a method that changes one meeting."""
        of = {"IssueMinutes": "IssueMinutesRequest"}.get(method, f"{method}MeetingRequest")
        method = method if method == "IssueMinutes" else f"{method}Meeting"
        request = getattr(self.meetings, of)(name=meeting.name, **more)
        return getattr(self.meetings.MeetingService, method)(request, metadata=self.metadata)

    def list(self, **asked):
        """Every meeting, page by page."""
        found, sizes, token = [], [], ""
        while True:
            request = self.meetings.ListMeetingsRequest(parent=OFFICE, page_token=token, **asked)
            page = self.meetings.MeetingService.ListMeetings(request, metadata=self.metadata)
            found += page.meetings
            sizes.append(len(page.meetings))
            token = page.next_page_token
            if not token:
                return found, sizes


def lists_and_filters(client: Client) -> None:
    made = {
        client.create(client.meeting(f"翻页会第{i}次", f"2023-03-{i:02}T09:00:00+08:00")).name
        for i in range(1, 26)
    }
    assert len(made) == 25
    found, sizes = client.list(page_size=7, filter='title = "翻页会*"')
    assert sizes == [7, 7, 7, 4], sizes
    assert [m.name for m in found] == sorted(made)

    wanted = 'title:"翻页会" AND start_time >= "2023-03-20T00:00:00+08:00" AND kind = THEMATIC'
    found, _ = client.list(filter=wanted, order_by="start_time desc")
    titles = [m.title for m in found]
    assert titles == [f"翻页会第{i}次" for i in range(25, 19, -1)], titles

    found, _ = client.list(filter='title:"翻页会" AND NOT (state = PLANNED OR state = CONVENED)')
    assert not found, found


def reads_errors(client: Client) -> None:
    bad = client.meeting("", "2023-05-01T09:00:00+08:00")
    bad.kind = 99
    bad.agenda_items.add(title="没有次序")
    details = refused(lambda: client.create(bad), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELDS")
    fields = {v.field for v in details["BadRequest"].field_violations}
    assert fields == {"meeting.title", "meeting.kind", "meeting.agenda_items[0].order"}, fields
    assert details["LocalizedMessage"].locale == "zh-CN"

    chinese = client.metadata
    client.metadata = chinese + [("accept-language", "en")]
    details = refused(lambda: client.create(bad), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELDS")
    client.metadata = chinese
    assert details["LocalizedMessage"].locale == "en"
    assert all(v.description.isascii() for v in details["BadRequest"].field_violations)

    def get(name):
        request = client.meetings.GetMeetingRequest(name=name)
        return client.meetings.MeetingService.GetMeeting(request, metadata=client.metadata)

    name = f"{OFFICE}/meetings/not-there"
    details = refused(lambda: get(name), grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
    assert details["ResourceInfo"].resource_name == name
    elsewhere = "offices/third/meetings/m1"
    refused(lambda: get(elsewhere), grpc.StatusCode.PERMISSION_DENIED, "OFFICE_NOT_GRANTED")

    # A thousand bad entries are one error that arrives.
    many = client.meeting("千人会", "2023-05-01T09:00:00+08:00")
    del many.participants[:]
    for _ in range(1000):
        many.participants.add(person="")
    details = refused(lambda: client.create(many), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELDS")
    first = details["BadRequest"].field_violations[0].field
    assert first == "meeting.participants[0].person", first

    # A retry gets the first answer; the same id for something else is refused.
    request_id = str(uuid.uuid4())
    meeting = client.meeting("重试会", "2023-05-02T09:00:00+08:00")
    first = client.create(meeting, request_id=request_id)
    assert client.create(meeting, request_id=request_id) == first
    meeting.title = "另一个会"
    again = lambda: client.create(meeting, request_id=request_id)
    refused(again, grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")

    stale = lambda: client.act("Convene", first, etag="stale")
    refused(stale, grpc.StatusCode.ABORTED, "ETAG_MISMATCH")


def walks_a_meeting_through_its_states(client: Client):
    m = client.meetings
    meeting = client.create(client.meeting(TITLE, "2022-06-01T09:00:00+08:00", note=NOTE))
    assert meeting.state == m.MEETING_STATE_PLANNED
    assert meeting.name.startswith(f"{OFFICE}/meetings/") and meeting.etag and meeting.HasField("create_time")
    held = lambda: client.act("Hold", meeting)
    refused(held, grpc.StatusCode.FAILED_PRECONDITION, "WRONG_STATE")
    meeting = client.act("Convene", meeting, etag=meeting.etag)
    assert meeting.state == m.MEETING_STATE_CONVENED and meeting.HasField("convene_time")
    meeting = client.act("Hold", meeting)
    assert meeting.state == m.MEETING_STATE_HELD
    assert meeting.held_on == client.date(2022, 6, 1), meeting.held_on
    assert meeting.participants[0].present
    minutes = m.Minutes(number="第3期", signed_by="王五", issued_on=client.date(2022, 6, 2))
    meeting = client.act("IssueMinutes", meeting, minutes=minutes)
    assert meeting.state == m.MEETING_STATE_MINUTES_ISSUED
    cancelled = lambda: client.act("Cancel", meeting, reason="不开了")
    refused(cancelled, grpc.StatusCode.FAILED_PRECONDITION, "WRONG_STATE")
    return meeting


def exports_a_calendar(client: Client, held) -> None:
    planned = client.create(client.meeting("拟召开", "2022-06-30T23:30:00+08:00"))
    off = client.create(client.meeting("不开了", "2022-06-15T15:00:00+08:00"))
    client.act("Cancel", off, reason="并会")
    # The first of July where the office is, though not in UTC.
    client.create(client.meeting("下月", "2022-07-01T00:10:00+08:00"))

    request = client.meetings.ExportCalendarRequest(
        parent=OFFICE, period=client.period((2022, 6, 1), (2022, 6, 30))
    )
    answer = client.meetings.MeetingService.ExportCalendar(request, metadata=client.metadata)
    assert answer.meetings == 3, answer.meetings

    # RFC 5545, 3.1: lines end in CRLF and have at most 75 octets.
    raw = answer.calendar.encode()
    assert raw.endswith(b"\r\n")
    for line in raw.removesuffix(b"\r\n").split(b"\r\n"):
        assert len(line) <= 75 and b"\n" not in line, line
    calendar = icalendar.Calendar.from_ical(raw)
    assert not calendar.errors, calendar.errors
    assert calendar["VERSION"] == "2.0" and calendar["PRODID"]
    events = {str(e["SUMMARY"]): e for e in calendar.walk("VEVENT")}
    assert set(events) == {TITLE, "拟召开", "不开了"}, set(events)
    assert len({str(e["UID"]) for e in events.values()}) == 3
    for event in events.values():
        assert not event.errors, event.errors
        for field in ["DTSTAMP", "DTSTART", "DTEND"]:
            assert event[field].to_ical().endswith(b"Z"), (field, event[field].to_ical())

    event = events[TITLE]
    assert str(event["DESCRIPTION"]) == NOTE, str(event["DESCRIPTION"])
    assert str(event["LOCATION"]) == held.place
    assert event.decoded("DTSTART") == datetime.datetime(2022, 6, 1, 1, 0, tzinfo=UTC)
    assert event.decoded("DTEND") == datetime.datetime(2022, 6, 1, 3, 0, tzinfo=UTC)
    statuses = {title: str(e["STATUS"]) for title, e in events.items()}
    assert statuses == {TITLE: "CONFIRMED", "拟召开": "TENTATIVE", "不开了": "CANCELLED"}, statuses
    assert planned.name in str(events["拟召开"]["UID"])


def sees_a_matter_through(client: Client):
    s = client.supervision
    source = s.Source(
        kind=s.SOURCE_KIND_INSTRUCTION, level=client.types.LEVEL_CITY, by_secretary=True
    )
    matter = s.Matter(
        title="城区内涝治理",
        content="查明原因；\n限期整改。",
        source=source,
        lead_unit="县住建局",
        registered_on=client.date(2022, 3, 1),
        due_date=client.date(2022, 3, 31),
    )
    request = s.CreateMatterRequest(parent=OFFICE, matter_id="flood", matter=matter)
    matter = s.MatterService.CreateMatter(request, metadata=client.metadata)
    assert matter.name == f"{OFFICE}/matters/flood" and matter.number == 1
    assert matter.state == s.MATTER_STATE_REGISTERED

    def act(method, **more):
        name = {"SubmitFeedback": "SubmitFeedback"}.get(method, f"{method}Matter")
        request = getattr(s, f"{name}Request")(name=matter.name, **more)
        return getattr(s.MatterService, name)(request, metadata=client.metadata)

    act("Assign", assigned_on=client.date(2022, 3, 1))
    act("Accept", accepted_on=client.date(2022, 3, 2))
    feedback = s.Feedback(date=client.date(2022, 3, 20), progress="已完成", final=True)
    act("SubmitFeedback", feedback=feedback)
    act("Review", reviewed_on=client.date(2022, 3, 21))
    closed = act("Close", closed_on=client.date(2022, 3, 22), conclusion="已办结")
    assert closed.state == s.MATTER_STATE_CLOSED and closed.lamp == s.LAMP_GREEN
    return closed


def watches_what_changed(client: Client, closed) -> None:
    """Follows the matters from the first change, and again from where it stood."""
    s = client.supervision

    def methods(token="", most=100):
        request = s.WatchMattersRequest(parent=OFFICE, resume_token=token)
        stream = s.MatterService.WatchMatters(request, metadata=client.metadata, timeout=30)
        seen = []
        for message in stream:
            token = message.resume_token
            if message.HasField("matter") and message.matter.name == closed.name:
                seen.append(message.method)
            if len(seen) == most or message.method == "CloseMatter":
                break
        stream.cancel()
        return seen, token

    first, token = methods(most=2)
    rest, _ = methods(token)
    whole = ["CreateMatter", "AssignMatter", "AcceptMatter", "SubmitFeedback", "ReviewMatter", "CloseMatter"]
    assert first + rest == whole, (first, rest)


def is_told_what_a_reception_lacks(client: Client) -> None:
    """A reception without a letter is not approved, and every rule that says so is named."""
    r = client.reception
    reception = r.Reception(
        title="某市考察团来访",
        nature=r.RECEPTION_NATURE_STUDY_DELEGATION,
        guest_origin=r.GUEST_ORIGIN_OUTSIDE_COUNTY,
        applicant="甲",
        arrival_day=client.date(2024, 3, 5),
        departure_day=client.date(2024, 3, 6),
    )
    request = r.CreateReceptionRequest(parent=OFFICE, reception=reception)
    made = r.ReceptionService.CreateReception(request, metadata=client.metadata)
    request = r.ApproveReceptionRequest(name=made.name, approver="乙", approved_on=client.date(2024, 3, 4))
    approve = lambda: r.ReceptionService.ApproveReception(request, metadata=client.metadata)
    details = refused(approve, grpc.StatusCode.FAILED_PRECONDITION, "RULE_REFUSES")
    rules = [v.type for v in details["PreconditionFailure"].violations]
    assert "LETTER_REQUIRED" in rules, rules
    found = r.ReceptionService.CheckReception(r.CheckReceptionRequest(name=made.name), metadata=client.metadata)
    assert "LETTER_REQUIRED" in [f.rule_id for f in found.findings]
    assert all(f.message_zh and f.cure_zh and f.regulation for f in found.findings)


def lists_everything(client: Client, arguments) -> None:
    """Every list of every service answers; none is named here."""
    listed = 0
    for package in SERVICES:
        for file in sorted((arguments.proto / "taizhang" / package / "v1").glob("*.proto")):
            stubs = Stubs(package, file.stem, getattr(arguments, package))
            for service in stubs.messages.DESCRIPTOR.services_by_name.values():
                stub = getattr(stubs, service.name)
                for method in service.methods:
                    if "order_by" not in method.input_type.fields_by_name:
                        continue
                    request = getattr(stubs.messages, method.input_type.name)(parent=OFFICE, page_size=2)
                    getattr(stub, method.name)(request, metadata=client.metadata)
                    listed += 1
    assert listed > 15, listed


def gets_the_summary(client: Client, held, closed) -> None:
    r = client.reporting
    service = r.AnnualReportService
    request = r.CreateAnnualReportRequest(
        parent=OFFICE, annual_report_id="y2022", annual_report=r.AnnualReport(year=2022)
    )
    report = service.CreateAnnualReport(request, metadata=client.metadata)
    assert report.state == r.ANNUAL_REPORT_STATE_DRAFT and not report.missing_sources
    values = {f.indicator: f.current.value for f in report.figures}
    assert values["meetings_total"] == 1, values
    assert values["city_secretary_instructions_closed"] == 1, values
    assert values["county_leader_instructions_handled"] == 0, values
    assert "2022" in report.text and "总结" in report.text

    def evidence(indicator):
        request = r.ListEvidenceRequest(name=report.name, indicator=indicator)
        return service.ListEvidence(request, metadata=client.metadata)

    behind = evidence("meetings_total")
    assert behind.source == "meetings"
    assert [(e.record, e.contribution) for e in behind.evidence] == [(held.name, 1)]
    assert behind.evidence[0].title == TITLE
    behind = evidence("city_secretary_instructions_closed")
    assert behind.source == "supervision"
    assert [e.record for e in behind.evidence] == [closed.name]
    unknown = lambda: evidence("nonsense")
    details = refused(unknown, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELDS")
    assert [v.field for v in details["BadRequest"].field_violations] == ["indicator"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--proto", type=pathlib.Path, default=pathlib.Path("proto"))
    for name in [*SERVICES, "token"]:
        parser.add_argument(f"--{name}", required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as out:
        generate(arguments.proto, out)
        client = Client(arguments)
        lists_and_filters(client)
        reads_errors(client)
        held = walks_a_meeting_through_its_states(client)
        exports_a_calendar(client, held)
        closed = sees_a_matter_through(client)
        watches_what_changed(client, closed)
        is_told_what_a_reception_lacks(client)
        lists_everything(client, arguments)
        gets_the_summary(client, held, closed)
    print("all is well")


if __name__ == "__main__":
    main()
