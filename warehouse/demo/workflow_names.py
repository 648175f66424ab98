"""The twenty workflows of the automation product and their steps. Data only.

A step is written `kind:name`; email, sms, webhook and task are action types. A trailing `!`, which is not
part of the name, marks a step or a workflow that has been soft-deleted.
"""

from typing import NamedTuple

DAY = 86_400


class Workflow(NamedTuple):
    """One workflow: share is how many enrolments it gets against the others."""

    name: str
    status: str
    window_seconds: int | None
    share: int
    steps: tuple[str, ...]


WORKFLOWS = (
    Workflow("Welcome series", "active", 14 * DAY, 12, (
        "trigger:Signed up", "email:Welcome mail", "delay:Wait a day", "email:Three tips to start",
        "condition:Opened a mail?", "goal:First project created", "end:Done")),
    Workflow("Trial to paid", "active", 30 * DAY, 8, (
        "trigger:Trial started", "email:What you can do in 14 days", "delay:Wait five days",
        "condition:Invited a teammate?", "task:Sales calls", "email:Your trial ends soon",
        "goal:Subscription bought", "end:Done")),
    Workflow("Abandoned basket", "active", 3 * DAY, 10, (
        "trigger:Basket left", "delay:Wait an hour", "email:You forgot something", "goal:Order placed",
        "end:Done")),
    Workflow("Win-back after 60 days", "active", 7 * DAY, 5, (
        "trigger:Inactive for 60 days", "email:We miss you", "delay:Wait two days", "sms:Ten per cent off",
        "goal:Came back", "end:Done")),
    Workflow("Invoice reminder", "active", None, 7, (
        "trigger:Invoice overdue", "email:Friendly reminder", "delay:Wait three days",
        "email:Second reminder", "webhook:Tell accounting", "end:Closed")),
    Workflow("Webinar invitation", "active", 5 * DAY, 5, (
        "trigger:Listed for webinar", "email:Invitation", "condition:Registered?", "sms:Starts in an hour",
        "goal:Attended", "end:Done")),
    Workflow("Newsletter double opt-in", "active", 2 * DAY, 9, (
        "trigger:Form sent", "email:Please confirm", "goal:Confirmed", "end:Done")),
    Workflow("Onboarding call", "active", 10 * DAY, 3, (
        "trigger:Plan bought", "task:Book a call", "condition:Call booked?", "email:Agenda", "goal:Call held",
        "task:Send notes", "end:Done")),
    Workflow("Donor thank-you", "active", None, 6, (
        "trigger:Donation received", "email:Thank you", "webhook:Receipt to CRM", "end:Done")),
    Workflow("Volunteer onboarding", "active", 21 * DAY, 3, (
        "trigger:Applied", "task:Check application", "email:Welcome aboard", "delay:Wait two days",
        "sms:First shift", "goal:First shift worked", "end:Done")),
    Workflow("Password expiry", "active", None, 6, (
        "trigger:Expires in a week", "email:Please change", "condition:Changed?", "sms:Last warning",
        "end:Closed")),
    Workflow("NPS survey", "active", 7 * DAY, 6, (
        "trigger:90 days a customer", "email:One question", "delay:Wait three days", "goal:Answered",
        "end:Done")),
    Workflow("Lead scoring hand-over", "active", 2 * DAY, 4, (
        "trigger:Score over 80", "webhook:Enrich", "condition:Country served?", "task:Assign to sales",
        "goal:Meeting agreed", "end:Done")),
    Workflow("Renewal 2026", "active", 60 * DAY, 4, (
        "trigger:90 days to renewal", "email:Your year in numbers", "delay:Wait a week",
        "task:Account review", "email:Offer", "condition:Discount asked?", "goal:Renewed", "end:Done")),
    Workflow("Product update mail", "active", None, 8, (
        "trigger:Release published", "condition:Uses the feature?", "email:What is new", "end:Done")),
    Workflow("Event follow-up", "paused", 14 * DAY, 3, (
        "trigger:Badge scanned", "email:Nice to meet you", "task:Call back", "goal:Demo booked", "end:Done")),
    Workflow("Referral programme", "active", 30 * DAY, 3, (
        "trigger:Link shared", "email:Thanks for sharing", "sms:Old reminder!", "delay:Wait three days",
        "goal:Friend joined", "end:Done")),
    Workflow("Re-engagement (old)", "archived", 7 * DAY, 2, (
        "trigger:Inactive for 30 days", "email:Still there?", "goal:Logged in!", "end:Done")),
    Workflow("Spring campaign test!", "archived", 7 * DAY, 3, (
        "trigger:In segment B", "email:Spring sale", "goal:Order placed", "end:Done")),
    Workflow("Loyalty tiers", "draft", None, 0, (
        "trigger:Tier reached", "email:Your new tier", "webhook:Issue voucher", "end:Done")),
)  # fmt: skip

ACTION_TYPES = ("email", "sms", "webhook", "task")
EVENT_TYPES = (
    "step_entered",
    "step_completed",
    "step_failed",
    "step_skipped",
    "action_started",
    "action_succeeded",
    "action_failed",
    "message_delivered",
    "message_opened",
    "message_clicked",
)
PAYLOADS = (
    "{}",
    '{"channel": "email"}',
    '{"channel": "sms"}',
    '{"attempt": 1}',
    '{"attempt": 1, "error": "timeout after 30 s"}',
    '{"attempt": 2}',
    '{"reason": "condition not met"}',
    '{"link": "https://www.example.org/start?src=mail"}',
)
