"""The words of the planning application: people, categories, task titles, goals. Data only."""

FIRST_NAMES = (
    "amina", "bruno", "carla", "dmitri", "elena", "farid", "grace", "hiroshi", "ines", "jonas", "kavya",
    "lucas", "marta", "nadia", "oscar", "priya", "quentin", "rosa", "samuel", "tomas", "ursula", "viktor",
    "wanjiru", "ximena", "yusuf", "zofia", "anton", "beatriz", "chidi", "dalia",
)  # fmt: skip
LAST_NAMES = (
    "almeida", "becker", "castro", "dubois", "eriksen", "fischer", "garcia", "hansen", "ivanova", "jensen",
    "kowalska", "lindqvist", "moreau", "nakamura", "okafor", "petrov", "quispe", "rossi", "silva", "tanaka",
    "ueda", "vargas", "weber", "xu", "yilmaz", "zhang", "aydin", "brandt", "conti", "diallo", "esposito",
)  # fmt: skip

CATEGORIES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Deep work", "#1f6feb", (
        "Write design for import pipeline", "Refactor billing module", "Draft research summary",
        "Review pull request", "Prototype onboarding flow", "Fix flaky integration test",
        "Model churn data", "Write chapter 3", "Prepare grant proposal", "Clean up backlog")),
    ("Meetings", "#8250df", (
        "Weekly team sync", "One-to-one with Marta", "Sprint planning", "Retrospective", "Budget review",
        "Interview: data engineer", "Client call", "Steering committee", "Stand-up", "Demo for sales")),
    ("E-mail and admin", "#6e7781", (
        "Clear inbox", "File expenses", "Renew insurance", "Sign contracts", "Answer support tickets",
        "Book travel to Porto", "Update timesheet", "Order supplies", "Pay invoices", "Sort receipts")),
    ("Health", "#1a7f37", (
        "Morning run", "Yoga", "Dentist", "Swim training", "Physiotherapy", "Gym", "Meal prep",
        "Walk with Ines", "Cycle to the lake", "Blood test")),
    ("Family", "#bf3989", (
        "School pick-up", "Call parents", "Birthday of Tomas", "Parents' evening", "Family dinner",
        "Bedtime reading", "Visit grandmother", "Swimming lesson (kids)", "Plan holidays", "Board games")),
    ("Learning", "#9a6700", (
        "Spanish lesson", "Read: \u201cThinking in Systems\u201d", "Online course: statistics",
        "Practice piano",
        "Watch conference talk", "Kata session", "Study group", "Write notes", "Flash cards", "Lab work")),
    ("Errands", "#bc4c00", (
        "Groceries", "Car to the garage", "Post office", "Return library books", "Pick up parcel", "Haircut",
        "Pharmacy", "Fix bicycle", "Recycling", "Buy birthday present")),
    ("Side project", "#0a3069", (
        "Podcast editing", "Newsletter no. 14", "Ship beta of habit app", "Update landing page",
        "Record episode", "Answer community posts", "Draw icons", "Set up shop", "Changelog", "Plan launch")),
    ("Customers", "#cf222e", (
        "Onboarding for Northwind", "Quarterly review with Contoso", "Fix export for Fabrikam",
        "Prepare offer",
        "Renewal: Tailspin", "Escalation", "Site visit", "Training session", "Case study", "Answer tender")),
    ("On call", "#57606a", (
        "Pager duty", "Night release", "Database maintenance", "Incident review", "Restore drill",
        "Patch servers", "Rotate certificates", "Check backups", "Load test", "Failover exercise")),
    ("Household", "#116329", (
        "Laundry", "Clean kitchen", "Garden", "Repair shelf", "Paint hallway", "Water plants", "Vacuum",
        "Change filters", "Sort wardrobe", "Descale kettle")),
    ("Volunteering", "#953800", (
        "Food bank shift", "Board meeting of the club", "Coach under-12s", "Beach clean-up",
        "Language tandem",
        "Repair caf\u00e9", "Fundraising call", "Write minutes", "Choir rehearsal", "Street newsletter")),
)  # fmt: skip

TITLE_ENDINGS = ("",) * 6 + (" (draft)", " (follow-up)", ", part 2", " \u2013 Q2", " with Samuel", " ASAP")

STRADDLING_TITLES = ("Night train", "Night release", "Late flight", "Baby watch")

GOAL_NAMES = {
    "minutes": ("Enough hours for {category}", "Time budget"),
    "percentage": ("Share of {category}", "Focused time"),
    "task_count": ("Finish {category} tasks", "Get things done"),
}
