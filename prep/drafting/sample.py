"""A file to try things out with: support tickets, made up by a generator, always the same ones.

A ticket has a category, which its words tell, an urgency, which a phrase of it tells, and a summary
of a few words.
"""

import csv
import io
import random

ROWS = 600
COLUMNS = ("ticket_id", "message", "category", "urgency", "summary")
_SEED = 7
# What is wrong, in whole sentences, and how it is summed up.
_PROBLEMS = {
    "billing": (
        ("I was charged twice for {item}.", "charged twice for {item}"),
        ("The invoice for {item} shows a wrong amount.", "wrong invoice for {item}"),
        ("My card was refused when I paid for {item}.", "card refused for {item}"),
        ("I never got the refund for {item}.", "no refund for {item}"),
    ),
    "delivery": (
        ("{Item} has not arrived yet.", "{item} not arrived"),
        ("The parcel with {item} came to the wrong address.", "{item} at wrong address"),
        ("{Item} arrived broken.", "{item} arrived broken"),
        ("The tracking page for {item} shows nothing.", "no tracking for {item}"),
    ),
    "account": (
        ("I cannot log in since I ordered {item}.", "no login since {item}"),
        ("The link to reset my password is dead, and I need to order {item}.", "dead reset link"),
        ("My profile lost the order of {item}.", "order of {item} lost"),
        ("Please change the e-mail of my account, the one I bought {item} with.", "change e-mail"),
    ),
}
_ITEMS = (
    "the blue lamp",
    "the office chair",
    "a desk",
    "the phone case",
    "two books",
    "a kettle",
)
_URGENCIES = {
    "low": ("There is no hurry.", "Whenever you have time.", "Just so that you know."),
    "normal": ("Please look into it this week.", "I would like to hear from you soon.", ""),
    "high": ("I need this today!", "This is urgent.", "We cannot work until it is solved!"),
}
_OPENINGS = ("Hello,", "Hi there,", "Good morning,", "Dear team,", "")
_CLOSINGS = ("Thanks.", "Best regards", "Thank you in advance.", "")


def sample_tickets(rows: int = ROWS) -> str:
    """Make up tickets.

    Args:
        rows: How many.

    Returns:
        A CSV file with a header.
    """
    chosen, file = random.Random(_SEED), io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number in range(rows):
        category = chosen.choice(list(_PROBLEMS))
        urgency = chosen.choice(list(_URGENCIES))
        problem, summary = chosen.choice(_PROBLEMS[category])
        item = chosen.choice(_ITEMS)
        parts = [
            chosen.choice(_OPENINGS),
            problem.format(item=item, Item=item.capitalize()),
            chosen.choice(_URGENCIES[urgency]),
            chosen.choice(_CLOSINGS),
        ]
        message = " ".join(filter(None, parts))
        writer.writerow((1001 + number, message, category, urgency, summary.format(item=item)))
    return file.getvalue()
